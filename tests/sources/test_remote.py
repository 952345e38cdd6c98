"""Remote files read like local ones, whatever was fetched ahead, in few requests and bounded memory."""

import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogs.sources import remote
from catalogs.sources.chunks import Chunk, coalesced
from catalogs.sources.net.outcomes import CHANGED
from catalogs.sources.remote import HEADER, Ahead, File
from schemas.errors import Fault
from schemas.scenes import Part
from schemas.sources import Version

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

    def version(self, url: str) -> Version:
        data = self.files[Path(url).stem]
        return Version(len(data), f'"{crc32(data)}"')

    def opening(self, url: str, most: int) -> tuple[bytes, Version]:
        return self.get_range(url, 0, most), self.version(url)

    def get_range(self, url: str, start: int, stop: int, like: Version | None = None) -> bytes:
        with self.lock:
            self.asked.append((start, stop))
            self.busy += 1
            self.most = max(self.most, self.busy)
        self.gate.wait(20)
        with self.lock:
            self.busy -= 1
        if self.broken:
            raise Fault("http_503", f"{url}: busy", retryable=True)
        if like is not None and like != self.version(url):
            raise CHANGED.fault(url)
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


def test_memory_is_bounded_and_a_reader_never_waits_for_room() -> None:
    memory = Memory(a=noise(1 << 24))
    ahead = Ahead(memory, budget=2 << 20, connections=4)
    spans = [(at << 20, (at << 20) + (1 << 20)) for at in range(1, 15, 2)]
    chunks = ahead.want((URL, *span) for span in spans)
    last = spans[-1]  # its turn has not come: there is room for two only
    assert ahead.read(ahead.remote(URL), *last) == memory.files["a"][slice(*last)]
    assert ahead.errands.held <= 3 << 20, "what a reader needs is counted, and never waits"
    for span in spans[:-1]:
        assert ahead.read(ahead.remote(URL), *span) == memory.files["a"][slice(*span)]
    assert ahead.errands.held == 0
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
        assert ahead.read(ahead.remote(URL), *span) == memory.files["a"][slice(*span)]
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


def test_forgetting_lets_go_of_all() -> None:
    memory = Memory(a=noise(1 << 22))
    ahead = Ahead(memory, budget=1 << 20, connections=2)
    chunks = ahead.want((URL, at << 18, (at << 18) + 1000) for at in range(1, 15))
    ahead.forget(chunks)
    assert ahead.errands.held == 0 and not ahead.remotes[URL].chunks
    assert all(isinstance(chunk, Chunk) and chunk.errand.taken for chunk in chunks)
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


def cog(path: Path, seed: int = 5, **more: Any) -> bytes:
    """A tiled file of noise, 3 x 600 x 600."""
    pixels = np.random.default_rng(seed).integers(0, 4000, (3, 600, 600)).astype("uint16")
    profile = {"driver": "COG", "count": 3, "width": 600, "height": 600, "dtype": "uint16",
               "crs": "EPSG:32632", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6),
               "compress": "deflate", "blocksize": 128, **more}  # fmt: skip
    with rasterio.open(path, "w", **profile) as target:
        target.write(pixels)
    return path.read_bytes()


def test_a_remote_raster_is_the_local_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from catalogs.rasters import open_raster
    from catalogs.shelf import SHELF
    from catalogs.sources.headers import describe

    data = cog(tmp_path / "a.tif")
    with served(monkeypatch, a=data) as memory, rasterio.open(tmp_path / "a.tif") as local:
        with open_raster(URL) as found:
            assert (found.read() == local.read()).all()
            assert found.transform == local.transform and found.crs == local.crs
        assert not any(stop > len(data) for _, stop in memory.asked)
        memory.broken = True
        SHELF.clear()
        scene = describe(tmp_path / "a.tif")
        band = replace(scene.bands[0], href=URL)
        out = [np.empty((64, 64), "uint16")]
        with pytest.raises(Fault) as caught:
            SHELF.read(Part((band,), scene, (500, 500, 64, 64)), out)
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
    for tile in [*tiles[:16], *tiles[12:]]:
        assert ahead.read(ahead.remote(URL), *tile) == memory.files["a"][slice(*tile)]
    asked = [span for span in memory.asked if span != (0, HEADER)]
    assert len(asked) == len({*first, *second}) < 10, "no tile is fetched by itself"
    assert sum(b - a for a, b in asked) < 1.4 * 29 * 200_000
    ahead.forget([*first, *second])
    assert ahead.errands.held == 0 and not ahead.remotes[URL].chunks
    ahead.close()


def test_what_one_block_lets_go_of_stays_for_the_other() -> None:
    memory = Memory(a=noise(1 << 23))
    ahead = Ahead(memory)
    tiles = [(at << 18, (at << 18) + 200_000) for at in range(1, 10)]
    first = ahead.want((URL, *tile) for tile in tiles)
    second = ahead.want((URL, *tile) for tile in tiles)
    ahead.forget(first)
    for tile in tiles:
        assert ahead.read(ahead.remote(URL), *tile) == memory.files["a"][slice(*tile)]
    assert len([span for span in memory.asked if span != (0, HEADER)]) == len(second) < 4
    ahead.forget(second)
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


def test_first_bytes_of_few_files_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "FILES", 3)
    memory = Memory(**{f"f{n}": noise(1 << 17) for n in range(6)})
    ahead = Ahead(memory)
    for n in range(6):
        ahead.remote(f"https://example.org/f{n}.tif")
    assert len(ahead.remotes) == 3 and not ahead.opening
    ahead.close()


def test_what_is_forgotten_is_never_read_as_empty() -> None:
    """A reader that comes while a chunk is being forgotten gets its bytes, not none of them."""
    memory = Memory(a=noise(1 << 22))
    found: list[bytes] = []

    class Watched(Ahead):
        def _drop(self, chunk: Chunk) -> None:
            reader = threading.Thread(
                target=lambda: found.append(self.read(chunk.remote, chunk.start, chunk.start + 9))
            )
            reader.start()
            reader.join(0.1)
            super()._drop(chunk)
            readers.append(reader)

    readers: list[threading.Thread] = []
    ahead = Watched(memory, budget=1, connections=1)
    ahead.remote(URL)
    memory.gate.clear()  # the first of two chunks is under way, and the second one waits for room
    chunks = ahead.want([(URL, 1 << 20, (1 << 20) + 9), (URL, 3 << 20, (3 << 20) + 9)])
    waiting = threading.Thread(target=ahead.forget, args=(chunks[1:],))
    waiting.start()
    waiting.join(0.5)
    memory.gate.set()
    for thread in (waiting, *readers):
        thread.join(20)
    assert set(found) == {memory.files["a"][3 << 20 : (3 << 20) + 9]}
    ahead.close()


def test_a_file_is_read_in_one_version() -> None:
    """What was fetched stays good; what comes after a change is refused, until it is opened anew."""
    old, new = noise(1 << 21), noise((1 << 21) + 1)[: 1 << 21]
    memory = Memory(a=old)
    ahead = Ahead(memory)
    before = File(ahead, ahead.remote(URL))
    chunks = ahead.want([(URL, 1 << 20, (1 << 20) + 9)])
    chunks[0].errand.found.result(20)
    memory.files["a"] = new
    before.seek(1 << 20)
    assert before.read(9) == old[1 << 20 :][:9], "fetched before the change"
    before.seek(700_000)
    assert before.read(9) == b""
    assert remote.FAULTS.take(URL).code == "changed_source"  # type: ignore[union-attr]
    asked = len(memory.asked)
    before.seek(900_000)
    assert before.read(9) == b"" and len(memory.asked) == asked, "it is known to be gone"
    after = File(ahead, ahead.remote(URL))
    for at in (0, 700_000, 1 << 20):
        after.seek(at)
        assert after.read(9) == new[at : at + 9]
    ahead.forget(chunks)
    assert ahead.errands.held == 0
    remote.FAULTS.by_url.clear()
    ahead.close()


def test_chunks_under_way_are_those_of_the_file_they_were_asked_of() -> None:
    old, new = noise(1 << 21), noise((1 << 21) + 1)[: 1 << 21]
    memory = Memory(a=old)
    ahead = Ahead(memory)
    stale = ahead.remote(URL)
    memory.files["a"] = new
    first = ahead.want([(URL, 1 << 20, (1 << 20) + 9)])
    with pytest.raises(Fault) as caught:
        ahead.read(stale, 1 << 20, (1 << 20) + 9)
    assert caught.value.code == "changed_source"
    second = ahead.want([(URL, 1 << 20, (1 << 20) + 9)])
    assert second[0].remote is not stale
    assert ahead.read(second[0].remote, 1 << 20, (1 << 20) + 9) == new[1 << 20 :][:9]
    ahead.forget([*first, *second])
    assert ahead.errands.held == 0
    ahead.close()


def test_a_piece_of_work_sees_one_version_of_a_raster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catalogs.shelf import SHELF
    from catalogs.sources.headers import describe

    old = cog(tmp_path / "a.tif")
    new = cog(tmp_path / "b.tif", seed=6)

    scene = describe(tmp_path / "a.tif")
    band = replace(scene.bands[0], href=URL)

    def read(at: int) -> Any:
        out = [np.empty((64, 64), "uint16")]
        SHELF.read(Part((band,), scene, (at, at, 64, 64)), out)
        return out[0]

    def pixels(name: str, at: int) -> Any:
        with rasterio.open(tmp_path / name) as local:
            return local.read(1, window=rasterio.windows.Window(at, at, 64, 64))

    with served(monkeypatch, a=old) as memory:
        SHELF.clear()
        assert (read(0) == pixels("a.tif", 0)).all()
        before = SHELF.version(band)
        memory.files["a"] = new
        for at in (500, 300):  # of a tile that is not there yet; then of the file opened anew
            with pytest.raises(Fault) as caught:
                read(at)
            assert caught.value.code == "changed_source"
        assert SHELF.seen == {URL: before}
        SHELF.begin()
        assert (read(500) == pixels("b.tif", 500)).all()
        assert (read(0) == pixels("b.tif", 0)).all(), "nothing is answered from the old tiles"
        assert SHELF.seen == {URL: memory.version(URL)} != {URL: before}
        SHELF.clear()
