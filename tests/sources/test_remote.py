"""Remote files read like local ones, whatever was fetched ahead, in few requests."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs.sources import remote
from catalogs.sources.chunks import coalesced
from catalogs.sources.remote import HEADER, Ahead, File
from remote_files import URL, Memory, noise
from schemas.errors import Fault
from schemas.sources import Version

SPANS = st.lists(
    st.tuples(st.integers(0, 3_000_000), st.integers(1, 200_000)).map(lambda s: (s[0], sum(s))),
    max_size=40,
)


@given(SPANS, st.integers(0, 300_000), st.integers(1, 2_000_000))
def test_requests_cover_what_is_asked_and_little_more(
    spans: list[tuple[int, int]], gap: int, longest: int
) -> None:
    found = coalesced(spans, gap, longest)
    asked = np.zeros(3_300_000, bool)
    for start, stop in spans:
        asked[start:stop] = True
    got = np.zeros_like(asked)
    for start, stop, count in found:
        assert not got[start:stop].any(), "nothing is fetched twice"
        got[start:stop] = True
        assert count == asked[start:stop].sum()
        holes = np.diff(np.flatnonzero(asked[start:stop]))
        assert holes.max(initial=0) <= gap + 1
    assert (got | ~asked).all()


@settings(max_examples=60, deadline=None)
@given(SPANS, SPANS, st.integers(50_000, 400_000))
def test_reads_are_the_files_bytes(
    wanted: list[tuple[int, int]], reads: list[tuple[int, int]], budget: int
) -> None:
    memory = Memory(a=noise(3_200_000))
    ahead = Ahead(memory, budget, connections=3)
    ahead.remote(URL)
    chunks = ahead.want((URL, start, stop) for start, stop in wanted)
    for start, stop in [*wanted, *reads]:
        assert ahead.read(ahead.remote(URL), start, stop) == memory.files["a"][start:stop]
    ahead.forget(chunks)
    assert ahead.errands.held == 0 and not ahead.remotes[URL].chunks
    ahead.close()


def test_the_order_of_need_is_the_order_of_asking() -> None:
    memory = Memory(a=noise(1 << 23), b=noise(1 << 23))
    ahead = Ahead(memory, connections=1)
    far, near = 6 << 20, 1 << 20
    other = "https://example.org/b.tif"
    wanted = [(URL, far, far + 9), (other, near, near + 9), (URL, near, near + 9)]
    for chunk in ahead.want(wanted):
        assert (
            chunk.errand.found.result(20)
            == memory.files[Path(chunk.remote.url).stem][chunk.start : chunk.stop]
        )
    asked = [span for span in memory.asked if span[1] - span[0] == 9]
    assert asked == [(far, far + 9), (near, near + 9), (near, near + 9)]
    ahead.close()


def test_only_what_is_read_together_is_fetched_together() -> None:
    """Tiles that touch in the file, one needed at once and one at the end of the block."""
    memory = Memory(a=noise(1 << 22), b=noise(1 << 25))
    ahead = Ahead(memory, budget=8 << 20)
    other = "https://example.org/b.tif"
    near, far = (1 << 20, (1 << 20) + 9), ((1 << 20) + 9, (1 << 20) + 99)
    between = [(other, at << 18, (at + 1) << 18) for at in range(1, 40)]
    chunks = ahead.want([(URL, *near), *between, (URL, *far)])
    assert [(c.start, c.stop) for c in (chunks[0], chunks[-1])] == [near, far]
    assert chunks[0].remote.url == chunks[-1].remote.url == URL
    ahead.forget(chunks)
    assert len(ahead.want([(URL, *near), (URL, *far)])) == 1
    ahead.close()


def test_many_threads_share_a_header_and_its_chunks() -> None:
    memory = Memory(a=noise(1 << 22))
    ahead = Ahead(memory, connections=8)
    ahead.want([(URL, 1 << 20, 3 << 20)])
    with ThreadPoolExecutor(8) as pool:
        found = list(
            pool.map(
                lambda i: ahead.read(ahead.remote(URL), (1 << 20) + i, (2 << 20) + i), range(8)
            )
        )
    assert all(
        data == memory.files["a"][(1 << 20) + i :][: 1 << 20] for i, data in enumerate(found)
    )
    assert memory.asked.count((0, HEADER)) == 1
    ahead.close()


def test_what_was_not_asked_for_is_fetched_when_it_is_read() -> None:
    memory = Memory(a=noise(1 << 20))
    ahead = Ahead(memory)
    file = File(ahead, ahead.remote(URL))
    file.seek(-100, 2)
    assert file.read() == memory.files["a"][-100:] and file.tell() == 1 << 20
    file.seek(200_000)
    pieces = [file.read(10) for _ in range(500)]  # a directory, in pieces
    assert b"".join(pieces) == memory.files["a"][200_000:205_000]
    assert len(memory.asked) == 3, "header, end, and one for all pieces"
    assert file.read(0) == b"" and file.seek(1, 1) == 205_001
    ahead.close()


def test_a_fault_of_a_fetch_is_that_of_the_read() -> None:
    memory = Memory(a=noise(1 << 21))
    ahead = Ahead(memory)
    ahead.remote(URL)
    memory.broken = True
    chunks = ahead.want([(URL, 1 << 20, (1 << 20) + 9)])
    file = File(ahead, ahead.remote(URL))
    file.seek(1 << 20)
    assert file.read(9) == b""
    assert remote.FAULTS.take(URL).code == "http_503"  # type: ignore[union-attr]
    ahead.forget(chunks)
    memory.broken = False
    file.seek(1 << 20)
    assert file.read(9) == memory.files["a"][1 << 20 :][:9], "another attempt may succeed"
    ahead.close()


def test_what_two_blocks_want_is_fetched_once_and_nothing_else_is_lost() -> None:
    memory = Memory(a=noise(1 << 23))
    ahead = Ahead(memory)
    tiles = [(at << 18, (at << 18) + 200_000) for at in range(1, 30)]
    first = ahead.want((URL, *tile) for tile in tiles[:16])
    second = ahead.want((URL, *tile) for tile in tiles[12:])  # they share four tiles
    for tile in [*tiles[:16], *tiles[12:]]:
        assert ahead.read(ahead.remote(URL), *tile) == memory.files["a"][slice(*tile)]
    asked = [span for span in memory.asked if span != (0, HEADER)]
    assert len(asked) == len({*first, *second}) < 10, "no tile is fetched by itself"
    assert sum(b - a for a, b in asked) < 1.4 * 29 * 200_000
    ahead.forget([*first, *second])
    assert ahead.errands.held == 0 and not ahead.remotes[URL].chunks
    ahead.close()


def test_one_bad_tile_spoils_no_other() -> None:
    """Tiles that share a request are read by themselves where it fails."""
    data = noise(1 << 21)
    bad = (1_500_000, 1_600_000)

    class Torn(Memory):
        def get_range(self, url: str, start: int, stop: int, like: Version | None = None) -> bytes:
            if start < bad[1] and stop > bad[0]:
                raise Fault("bad_range", "torn")
            return super().get_range(url, start, stop, like)

    ahead = Ahead(Torn(a=data))
    tiles = [(at, at + 100_000) for at in range(100_000, 2_000_000, 100_000)]
    chunks = ahead.want((URL, *tile) for tile in tiles)
    for tile in tiles:
        if tile == bad:
            with pytest.raises(Fault):
                ahead.read(ahead.remote(URL), *tile)
        else:
            assert ahead.read(ahead.remote(URL), *tile) == data[slice(*tile)]
    ahead.forget(chunks)
    ahead.close()


def test_files_that_cannot_be_opened_are_told_at_once() -> None:
    memory = Memory(a=noise(1 << 17))
    ahead = Ahead(memory)
    gone = "https://example.org/gone.tif"
    assert ahead.prepare([URL, gone, URL]) == {gone}
    assert ahead.prepare([URL]) == set()
    ahead.close()
