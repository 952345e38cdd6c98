"""`s3://` and `gs://`: as anybody may read them, and with credentials against a store on this machine."""

import os
import sys
from collections.abc import Iterator
from hashlib import md5
from unittest.mock import ANY

import pytest

from catalogs.sources.net import objects
from catalogs.sources.net.client import Client
from catalogs.sources.net.hosts import Policy
from catalogs.sources.net.objects import has_credentials, place_of
from fake_time import FakeTime
from fault_server import FaultServer, answer, file
from schemas.errors import Fault, SourceError, UsageError
from schemas.sources import Version

DATA = bytes(range(256)) * 10
ODD = "a b/ü+%.tif"


@pytest.mark.parametrize(
    ("href", "url"),
    [
        ("s3://tiles/a/b.tif", "https://tiles.s3.amazonaws.com/a/b.tif"),
        ("s3://my.tiles/b.tif", "https://s3.amazonaws.com/my.tiles/b.tif"),
        ("gs://tiles/a/b.tif", "https://storage.googleapis.com/tiles/a/b.tif"),
        (f"s3://tiles/{ODD}", "https://tiles.s3.amazonaws.com/a%20b/%C3%BC%2B%25.tif"),
    ],
)
def test_public_addresses(href: str, url: str) -> None:
    place = place_of(href)
    assert place is not None
    assert place.url == url


def test_other_hrefs_are_no_objects() -> None:
    assert place_of("https://example.com/s3://tiles/a") is None


@pytest.mark.parametrize(
    ("scheme", "name", "form"),
    [
        ("s3", "AWS_ENDPOINT_URL", "http://{}/"),
        ("s3", "AWS_ENDPOINT_URL_S3", "http://{}"),
        ("gs", "STORAGE_EMULATOR_HOST", "http://{}"),
        ("gs", "STORAGE_EMULATOR_HOST", "{}"),
    ],
)
def test_a_public_object_from_a_store_of_ones_own(
    server: FaultServer,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    name: str,
    form: str,
) -> None:
    monkeypatch.setenv(name, form.format(server.place))
    server.on("/tiles/a%20b/%C3%BC.tif", file(DATA))
    href = f"{scheme}://tiles/a b/ü.tif"
    assert client.size(href) == len(DATA)
    assert client.get_range(href, 9, 99) == DATA[9:99]
    assert client.get(href) == DATA
    with pytest.raises(Fault) as caught:
        client.get(f"{scheme}://tiles/none")
    assert caught.value.code == "not_found"


def test_a_store_of_ones_own_must_be_allowed(
    server: FaultServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url(""))
    monkeypatch.delenv("EARTHLOOM_ALLOW_HOSTS")
    with pytest.raises(Fault) as caught:
        client.get("s3://tiles/a")
    assert (caught.value.code, server.hits) == ("blocked_href", [])


def test_a_closed_bucket_without_credentials(
    server: FaultServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url(""))
    server.on("/closed/a", answer(403))
    with pytest.raises(Fault) as caught:
        client.get("s3://closed/a")
    assert caught.value.code == "auth"
    assert len(server.hits) == 1
    assert not has_credentials("s3")
    assert not has_credentials("gs")


def test_the_missing_extra_is_named(
    server: FaultServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url(""))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setitem(sys.modules, "obstore", None)
    server.on("/closed/a", answer(403))
    with pytest.raises(UsageError, match=r"earthloom\[cloud\]"):
        client.get("s3://closed/a")


def test_a_fork_after_the_first_read_is_named_instead_of_hanging(
    server: FaultServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url(""))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setattr(objects, "_users", {os.getppid()})
    server.on("/closed/a", answer(403))
    with pytest.raises(SourceError, match="fork"):
        client.get("s3://closed/a")


def test_importing_the_client_needs_no_extra() -> None:
    import subprocess

    code = "import sys; sys.modules['obstore'] = None; import catalogs.sources.net.client"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 server with a bucket `closed` that asks for credentials; its host:port."""
    moto = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")
    pytest.importorskip("obstore")
    here = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    here.start()
    host, port = here.get_host_and_port()
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "secret-testing"),
        ("EARTHLOOM_ALLOW_HOSTS", f"{host}:{port}"),
    ):
        monkeypatch.setenv(name, value)
    admin = boto3.client("s3", region_name="us-east-1", endpoint_url=f"http://{host}:{port}")
    for bucket in ("closed", "open"):
        admin.create_bucket(Bucket=bucket)
        acl = "private" if bucket == "closed" else "public-read"
        admin.put_object(Bucket=bucket, Key=ODD, Body=DATA, ACL=acl)
    yield f"{host}:{port}"
    here.stop()


@pytest.mark.parametrize("bucket", ["open", "closed"])
def test_objects_with_credentials(store: str, time: FakeTime, bucket: str) -> None:
    client = Client(Policy(), time.clock())
    href = f"s3://{bucket}/{ODD}"
    assert client.get_range(href, 5, 50) == DATA[5:50]
    assert client.size(href) == len(DATA)
    assert client.opening(href, 10_000) == (
        DATA,
        Version(len(DATA), f'"{md5(DATA).hexdigest()}"', ANY),
    )
    assert client.get(href) == DATA
    assert client.counts().requests == (4 if bucket == "open" else 5)  # refused once
    for call, code in (
        (lambda: client.get_range(href, 0, 9999), "bad_range"),
        (lambda: client.get(href, most=10), "too_large"),
        (lambda: client.get(f"s3://{bucket}/none"), "not_found"),
    ):
        with pytest.raises(Fault) as caught:
            call()
        assert caught.value.code == code
        assert caught.value.__cause__ is None
        assert "secret-testing" not in caught.value.message
    assert time.naps == []


@pytest.mark.parametrize("bucket", ["open", "closed"])
def test_an_object_that_is_replaced_is_refused(store: str, time: FakeTime, bucket: str) -> None:
    import boto3

    client, href = Client(Policy(), time.clock()), f"s3://{bucket}/{ODD}"
    _, version = client.opening(href, 10)
    assert client.get_range(href, 5, 50, version) == DATA[5:50]
    admin = boto3.client("s3", region_name="us-east-1", endpoint_url=f"http://{store}")
    acl = "private" if bucket == "closed" else "public-read"
    admin.put_object(Bucket=bucket, Key=ODD, Body=DATA[::-1], ACL=acl)
    with pytest.raises(Fault) as caught:
        client.get_range(href, 5, 50, version)
    assert (caught.value.code, caught.value.retryable) == ("changed_source", True)
    _, version = client.opening(href, 10)
    assert client.get_range(href, 5, 50, version) == DATA[::-1][5:50]
