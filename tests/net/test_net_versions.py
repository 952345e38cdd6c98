"""Files that change under their address: never bytes of two versions, and never by mistake."""

from typing import Any

import pytest

from catalogs.sources.net.client import Client
from catalogs.sources.net.ranges import version_of
from fault_server import FaultServer, Step, answer, file, tag_of, when
from schemas.errors import Fault
from schemas.sources import Version

OLD, NEW = bytes(range(256)) * 20, bytes(range(255, -1, -1)) * 20
MONDAY = "Mon, 05 Jan 2026 10:00:00 GMT"


def code_of(client: Client, url: str, like: Version, stop: int = 50) -> str:
    with pytest.raises(Fault) as caught:
        client.get_range(url, 10, stop, like)
    assert caught.value.retryable and caught.value.__cause__ is None
    assert url in caught.value.message
    return caught.value.code


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ({"ETag": '"a"'}, Version(5, '"a"')),
        ({"ETag": 'W/"a"'}, Version(5)),
        ({"ETag": "unquoted"}, Version(5)),
        (
            {"Last-Modified": MONDAY, "Date": "Mon, 05 Jan 2026 10:00:01 GMT"},
            Version(5, "", MONDAY),
        ),
        ({"Last-Modified": MONDAY, "Date": MONDAY}, Version(5)),
        ({"Last-Modified": MONDAY}, Version(5)),
        ({"Last-Modified": "yesterday", "Date": MONDAY}, Version(5)),
        ({}, Version(5)),
    ],
)
def test_what_tells_two_states_apart(headers: dict[str, str], version: Version) -> None:
    """RFC 9110: weak tags and times of the same second may stay while bytes change."""
    assert version_of(headers, 5) == version


def test_what_only_one_side_states_tells_nothing() -> None:
    full, tag, time, bare = (
        Version(5, '"a"', MONDAY),
        Version(5, '"a"'),
        Version(5, "", MONDAY),
        Version(5),
    )
    for one in (full, tag, time, bare):
        assert one.agrees(full) and full.agrees(one)
        assert not one.agrees(Version(6, one.etag, one.modified))
    assert not tag.agrees(Version(5, '"b"', MONDAY))
    assert not time.agrees(Version(5, "", "Mon, 05 Jan 2026 10:00:01 GMT"))
    assert full.agrees(Version(5, '"a"', "another")), "a tag says more than a time"


def heedless(data: bytes, **headers: object) -> Step:
    """A server that does not know If-Match."""
    serve = file(data, **headers)

    def step(handler: Any) -> None:
        handler.hit.headers.pop("If-Match", None)
        serve(handler)

    return step


TIMES = {"ETag": "", "Last_Modified": MONDAY}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (file(OLD), file(NEW)),  # 412
        (heedless(OLD), heedless(NEW)),
        (file(OLD, **TIMES), file(NEW, ETag="", Last_Modified="Tue, 06 Jan 2026 10:00:00 GMT")),
        (file(OLD, ETag=""), file(NEW + b"more", ETag="")),
        (heedless(OLD), heedless(NEW[:20])),  # 416: what was asked for lies beyond its end
        (answer(200, OLD, ETag='"a"'), answer(200, NEW, ETag='"b"')),  # no ranges at all
    ],
    ids=["precondition", "heedless", "time", "size", "shrunk", "whole"],
)
def test_another_file_is_refused(server: FaultServer, client: Client, old: Step, new: Step) -> None:
    url = server.on("/a.tif", old)
    head, version = client.opening(url, 100)
    assert (head, version.size) == (OLD[:100], len(OLD))
    assert client.get_range(url, 10, 50, version) == OLD[10:50]
    server.on("/a.tif", new)
    assert code_of(client, url, version) == "changed_source"
    _, version = client.opening(url, 10)
    if version.size > 50:
        assert client.get_range(url, 10, 50, version)[:5] == NEW[10:15]


def test_a_range_is_asked_for_by_its_tag(server: FaultServer, client: Client) -> None:
    url = server.on("/a.tif", file(OLD))
    _, version = client.opening(url, 10)
    client.get_range(url, 10, 50, version)
    first, then = server.hits
    assert "If-Match" not in first.headers
    assert then.headers["If-Match"] == version.etag == tag_of(OLD)


def test_one_mirror_that_lags_behind_is_asked_around(server: FaultServer, client: Client) -> None:
    url = server.on("/a.tif", file(NEW), file(OLD), file(NEW))
    _, version = client.opening(url, 10)
    assert client.get_range(url, 10, 50, version) == NEW[10:50]
    assert len(server.hits) == 3


def test_a_server_that_refuses_its_own_tags(server: FaultServer, client: Client) -> None:
    refusing = when(lambda hit: "If-Match" in hit.headers, answer(412), file(OLD))
    url = server.on("/a.tif", refusing)
    _, version = client.opening(url, 10)
    assert client.get_range(url, 10, 50, version) == OLD[10:50]


def test_nothing_is_claimed_of_a_file_that_states_nothing(
    server: FaultServer, client: Client
) -> None:
    url = server.on("/a.tif", file(OLD, ETag=""))
    _, version = client.opening(url, 10)
    assert version == Version(len(OLD))
    assert client.get_range(url, 10, 50, version) == OLD[10:50]
    assert "If-Match" not in server.hits[-1].headers


def test_a_range_beyond_the_end_of_the_same_file_is_our_mistake(
    server: FaultServer, client: Client
) -> None:
    url = server.on("/a.tif", file(OLD))
    _, version = client.opening(url, 10)
    with pytest.raises(Fault) as caught:
        client.get_range(url, 10, len(OLD) + 9, version)
    assert caught.value.code == "bad_range"
