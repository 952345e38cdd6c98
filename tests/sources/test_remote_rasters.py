"""Remote rasters are the local ones, and each is read in one version."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from catalogs.sources import remote
from catalogs.sources.remote import Ahead, File
from remote_files import URL, Memory, cog, noise, served
from schemas.errors import Fault
from schemas.scenes import Part


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
