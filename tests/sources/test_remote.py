"""Remote files read like local ones, whatever was fetched ahead, in few requests and bounded memory."""

import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs.sources import remote
from catalogs.sources.chunks import Chunk, coalesced
from catalogs.sources.remote import HEADER, Ahead, File
from schemas.errors import Fault

URL = "https://example.org/a.tif"
SPANS = st.lists(
    st.tuples(st.integers(0, 3_000_000), st.integers(1, 200_000)).map(lambda s: (s[0], sum(s))),
    max_size=40,
)


class Memory:
    """Files in memory, with a count of what was asked of them."""

    def __init__(self, **files: bytes) -> None:
        self.files, self.asked = files, list[tuple[int, int]]()
        self.broken = False
        self.gate = threading.Event()
        self.gate.set()
        self.lock = threading.Lock()
        self.busy = self.most = 0

    def opening(self, url: str, most: int) -> tuple[bytes, int]:
        return self.get_range(url, 0, most), len(self.files[Path(url).stem])

    def get_range(self, url: str, start: int, stop: int) -> bytes:
        with self.lock:
            self.asked.append((start, stop))
            self.busy += 1
            self.most = max(self.most, self.busy)
        self.gate.wait(20)
        with self.lock:
            self.busy -= 1
        if self.broken:
            raise Fault("http_503", f"{url}: busy", retryable=True)
        return self.files[Path(url).stem][start:stop]


def noise(length: int) -> bytes:
    return np.random.default_rng(length).bytes(length)


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
        assert ahead.read(URL, start, stop) == memory.files["a"][start:stop]
    ahead.forget(chunks)
    assert ahead.held == 0 and not ahead.remotes[URL].chunks
    ahead.close()


def test_the_order_of_need_is_the_order_of_asking() -> None:
    memory = Memory(a=noise(1 << 23), b=noise(1 << 23))
    ahead = Ahead(memory, connections=1)
    far, near = 6 << 20, 1 << 20
    other = "https://example.org/b.tif"
    wanted = [(URL, far, far + 9), (other, near, near + 9), (URL, near, near + 9)]
    for chunk in ahead.want(wanted):
        assert chunk.data.result(20) == memory.files[Path(chunk.url).stem][chunk.start : chunk.stop]
    asked = [span for span in memory.asked if span[1] - span[0] == 9]
    assert asked == [(far, far + 9), (near, near + 9), (near, near + 9)]
    ahead.close()


def test_memory_is_bounded_and_a_reader_never_waits_for_room() -> None:
    memory = Memory(a=noise(1 << 24))
    ahead = Ahead(memory, budget=2 << 20, connections=4)
    spans = [(at << 20, (at << 20) + (1 << 20)) for at in range(1, 15, 2)]
    chunks = ahead.want((URL, *span) for span in spans)
    last = spans[-1]  # its turn has not come: there is room for two only
    assert ahead.read(URL, *last) == memory.files["a"][slice(*last)]
    assert ahead.held <= 2 << 20
    for span in spans[:-1]:
        assert ahead.read(URL, *span) == memory.files["a"][slice(*span)]
    assert ahead.held == 0
    ahead.forget(chunks)
    ahead.close()


def test_what_was_read_is_let_go_though_the_block_goes_on() -> None:
    """A block of a year is many times the budget, and its list of chunks lives to its end."""
    memory = Memory(a=noise(1 << 25))
    ahead = Ahead(memory, budget=2 << 20, connections=4)
    ahead.remote(URL)
    spans = [(at << 17, (at + 1) << 17) for at in range(1, 256)]
    tracemalloc.start()
    chunks = ahead.want((URL, *span) for span in spans)
    for span in spans:
        assert ahead.read(URL, *span) == memory.files["a"][slice(*span)]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 6 << 20, "of 32 MB"
    ahead.forget(chunks)
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
    assert chunks[0].url == chunks[-1].url == URL
    ahead.forget(chunks)
    assert len(ahead.want([(URL, *near), (URL, *far)])) == 1
    ahead.close()


def test_many_threads_share_a_header_and_its_chunks() -> None:
    memory = Memory(a=noise(1 << 22))
    ahead = Ahead(memory, connections=8)
    ahead.want([(URL, 1 << 20, 3 << 20)])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: ahead.read(URL, (1 << 20) + i, (2 << 20) + i), range(8)))
    assert all(
        data == memory.files["a"][(1 << 20) + i :][: 1 << 20] for i, data in enumerate(found)
    )
    assert memory.asked.count((0, HEADER)) == 1
    ahead.close()


def test_what_was_not_asked_for_is_fetched_when_it_is_read() -> None:
    memory = Memory(a=noise(1 << 20))
    ahead = Ahead(memory)
    file = File(ahead, URL)
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
    file = File(ahead, URL)
    file.seek(1 << 20)
    assert file.read(9) == b""
    assert remote.FAULTS.take(URL).code == "http_503"  # type: ignore[union-attr]
    ahead.forget(chunks)
    memory.broken = False
    file.seek(1 << 20)
    assert file.read(9) == memory.files["a"][1 << 20 :][:9], "another attempt may succeed"
    ahead.close()


def test_forgetting_lets_go_of_all() -> None:
    memory = Memory(a=noise(1 << 22))
    ahead = Ahead(memory, budget=1 << 20, connections=2)
    chunks = ahead.want((URL, at << 18, (at << 18) + 1000) for at in range(1, 15))
    ahead.forget(chunks)
    assert ahead.held == 0 and not ahead.remotes[URL].chunks
    assert all(isinstance(chunk, Chunk) and chunk.taken for chunk in chunks)
    ahead.close()


@contextmanager
def served(monkeypatch: pytest.MonkeyPatch, **files: bytes) -> Iterator[Memory]:
    """Files behind URLs, for `open_raster`."""
    memory = Memory(**files)
    ahead = Ahead(memory)
    monkeypatch.setattr(remote, "ahead", lambda: ahead)
    monkeypatch.setattr("catalogs.rasters.ahead", lambda: ahead)
    yield memory
    ahead.close()


def cog(path: Path, **more: Any) -> bytes:
    """A tiled file of noise, 3 x 600 x 600."""
    pixels = np.random.default_rng(5).integers(0, 4000, (3, 600, 600)).astype("uint16")
    profile = {"driver": "COG", "count": 3, "width": 600, "height": 600, "dtype": "uint16",
               "crs": "EPSG:32632", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6),
               "compress": "deflate", "blocksize": 128, **more}  # fmt: skip
    with rasterio.open(path, "w", **profile) as target:
        target.write(pixels)
    return path.read_bytes()


def test_a_remote_raster_is_the_local_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from catalogs.rasters import SHELF, open_raster

    data = cog(tmp_path / "a.tif")
    with served(monkeypatch, a=data) as memory, rasterio.open(tmp_path / "a.tif") as local:
        with open_raster(URL) as found:
            assert (found.read() == local.read()).all()
            assert found.transform == local.transform and found.crs == local.crs
        assert not any(stop > len(data) for _, stop in memory.asked)
        memory.broken = True
        SHELF.clear()
        out = [np.empty((64, 64), "uint16")]
        with pytest.raises(Fault) as caught:
            SHELF.read(URL, [1], 500, 500, out)
        assert (caught.value.code, caught.value.retryable) == ("http_503", True)
        SHELF.clear()


@pytest.mark.parametrize(
    ("head", "code"),
    [(b"<VRTDataset>", "driver_not_allowed"), (b"<html>", "driver_not_allowed"),
     (b"GIF89a", "not_a_raster"), (b"", "not_a_raster")],
)  # fmt: skip
def test_fault_28_37_what_a_url_may_hold(
    head: bytes, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catalogs.rasters import open_raster

    with served(monkeypatch, a=head.ljust(100)):
        with pytest.raises(Fault) as caught:
            open_raster(URL)
        assert caught.value.code == code


def test_what_two_blocks_want_is_fetched_once_and_nothing_else_is_lost() -> None:
    memory = Memory(a=noise(1 << 23))
    ahead = Ahead(memory)
    tiles = [(at << 18, (at << 18) + 200_000) for at in range(1, 30)]
    first = ahead.want((URL, *tile) for tile in tiles[:16])
    second = ahead.want((URL, *tile) for tile in tiles[12:])  # they share four tiles
    for tile in tiles:
        assert ahead.read(URL, *tile) == memory.files["a"][slice(*tile)]
    asked = [span for span in memory.asked if span != (0, HEADER)]
    assert len(asked) == len(first) + len(second) < 10, "no tile is fetched by itself"
    assert sum(b - a for a, b in asked) < 1.4 * 29 * 200_000
    ahead.forget([*first, *second])
    assert ahead.held == 0
    ahead.close()
