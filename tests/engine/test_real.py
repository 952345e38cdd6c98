"""Real imagery and real maps: builds that must come out, and what must be true of them."""

import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import osmium
import pyarrow.parquet as pq
import pytest
import shapely
from rasterio.io import MemoryFile

import building
from building import release
from catalogs.files import read_json
from schemas.visible import load
from transforms.osm import FINEST

DATA = building.ROOT.parent / "shared" / "data"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside the repository"),
]
Capture = pytest.CaptureFixture[str]
LARGE = {"block": 512, "partition": 5_000}


def build(out: Path, imagery: str, osm: str, *more: str) -> int:
    """The exit code of a build from files below the data folder."""
    terms = [] if imagery == "none" else [
        "--license", "imagery=CC-BY-4.0", "--attribution", "imagery=As the data folder says",
    ]  # fmt: skip
    found = imagery if imagery == "none" else str(DATA / imagery)
    argv = ["--dataset", "skyscript", "--imagery", found, "--osm", str(DATA / osm), *terms]
    return building.main([*argv, "--out", str(out), *more], LARGE)


def rows(out: Path) -> list[dict[str, Any]]:
    table = pq.read_table(release(out) / "metadata" / "samples.parquet")
    return list(table.to_pylist())


def members(out: Path, extension: str) -> Iterator[tuple[str, bytes]]:
    """(key, bytes) of a member of every sample."""
    for path in sorted((release(out) / "data").glob("*.tar")):
        with tarfile.open(path) as tar:
            for info in tar:
                key, _, found = info.name.partition(".")
                if found == extension:
                    yield key, tar.extractfile(info).read()  # type: ignore[union-attr]


def focus_inside(found: list[dict[str, Any]], slack: float) -> None:
    """Every window holds its object whole; `slack` in degrees for the bend of a window's edge."""
    for row in found:
        window, focus = (shapely.from_wkb(row[name]) for name in ("geometry", "focus_geometry"))
        assert window.buffer(slack).contains(focus), row["key"]


@pytest.fixture(scope="module")
def banepa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("banepa")
    folder = "banepa_oam_osm"
    code = build(
        out, f"{folder}/banepa_mosaic_rgb_cog.tif", f"{folder}/banepa_buildings_derived.osm.pbf"
    )
    assert code == 0
    return out


def test_banepa_buildings(banepa: Path) -> None:
    found = rows(banepa)
    assert len(found) >= 100
    assert {r["split"] for r in found} == {"train"}
    focus_inside(found, 1e-7)
    for row in found:
        assert row["title"].startswith("an aerial image of building")
        assert row["license"] == "CC-BY-4.0" and row["attribution"]
        assert row["datetime"] is None and row["osm_version"] >= 1
    counts = read_json(release(banepa) / "manifest.json")["counts"]
    assert counts["planned"] == sum(counts[k] for k in ("shipped", "rejected", "failed"))
    assert counts["shipped"] == len(found) and counts["failed"] == 0


def test_banepa_chips_are_the_mosaic(banepa: Path) -> None:
    """Chips hold the mosaic's own pixels, at the place that they name."""
    import rasterio

    by_key = {r["key"]: r for r in rows(banepa)}
    with rasterio.open(DATA / "banepa_oam_osm" / "banepa_mosaic_rgb_cog.tif") as mosaic:
        for key, data in list(members(banepa, "ms.geotiff"))[::40]:
            with MemoryFile(data) as memory, memory.open() as chip:
                assert tuple(chip.transform)[:6] == pytest.approx(by_key[key]["transform"])
                col, row = ~mosaic.transform @ (chip.transform.c, chip.transform.f)
                box = rasterio.windows.Window(round(col), round(row), chip.width, chip.height)
                assert abs(col - round(col)) < 1e-3 and abs(row - round(row)) < 1e-3
                np.testing.assert_array_equal(chip.read(), mosaic.read([1, 2, 3], window=box))


def test_banepa_says_that_splits_are_empty(tmp_path: Path, capsys: Capture) -> None:
    folder = "banepa_oam_osm"
    mosaic, osm = (
        f"{folder}/banepa_mosaic_rgb_cog.tif",
        f"{folder}/banepa_buildings_derived.osm.pbf",
    )
    assert build(tmp_path, mosaic, osm, "--limit", "20") == 0
    said = capsys.readouterr().err
    assert "warning: empty split val" in said and "warning: empty split test" in said


def test_san_francisco(tmp_path: Path) -> None:
    """30 m pixels: only what is large enough for them is captioned; the extract is bzip2'd XML."""
    folder = "sfbay_landsat7_osm"
    assert build(tmp_path, f"{folder}/landsat7_sfbay_rgb.tif", f"{folder}/West-Oakland.osm.bz2",
                 "--set", "splits.val=0", "--set", "splits.test=0") == 0  # fmt: skip
    found = rows(tmp_path)
    assert found
    table = load(None)
    for row in found:
        tags = json.loads(row["center_tags"])
        assert table.main(tags, float(f"{row['gsd_m']:.2g}")) == tuple(
            row["main_tag"].split("=", 1)
        )
    focus_inside(found, 1e-5)


@pytest.fixture(scope="module")
def brandenburg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("brandenburg")
    folder = "brandenburg_s2_osm"
    code = build(
        out, f"{folder}/T33UUU_20170216T102101_B02B03B04B08_10m_cog.tif",
        f"{folder}/gis_osm_landuse-water_a_free_1_area-10000-to-500000.gpkg",
        "--set", "splits.val=0", "--set", "splits.test=0",
    )  # fmt: skip
    assert code == 0
    return out


def test_brandenburg_water_is_dark_in_the_near_infrared(brandenburg: Path) -> None:
    by_key = {r["key"]: r for r in rows(brandenburg)}
    found: dict[str, list[float]] = {"water": [], "forest": []}
    for key, data in members(brandenburg, "ms.geotiff"):
        tag = by_key[key]["main_tag"]
        kind = next((k for k in found if tag.endswith(k)), None)
        if kind is None:
            continue
        focus = shapely.from_wkb(by_key[key]["focus_geometry"])
        with MemoryFile(data) as memory, memory.open() as chip:
            assert chip.count == 4 and chip.descriptions[3] in ("nir", "B08")
            inside = _inside(chip, focus)
            if inside.any():
                found[kind].append(float(chip.read(4)[inside].mean()))
    water, forest = (np.array(found[k]) for k in ("water", "forest"))
    assert len(water) > 3 and len(forest) > 5
    assert water.mean() < forest.mean()
    assert np.median(water) < np.median(forest)


def _inside(chip: Any, shape: Any) -> Any:
    from pyproj import Transformer
    from rasterio.features import geometry_mask

    to = Transformer.from_crs("OGC:CRS84", chip.crs, always_xy=True)
    placed = shapely.transform(shape, to.transform, interleaved=False)
    return geometry_mask([placed], (chip.height, chip.width), chip.transform, invert=True)


def test_brandenburg_pictures_open(brandenburg: Path) -> None:
    from PIL import Image

    sizes = {r["key"]: (r["width"], r["height"]) for r in rows(brandenburg)}
    for key, data in members(brandenburg, "rgb.jpg"):
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.size == sizes[key] and picture.mode == "RGB"


def counted(path: Path, lost: set[str]) -> Counter[str]:
    """Objects by groundable main tag: a plain loop over the extract, without what became a drop."""
    table, found = load(None), Counter[str]()
    keys = table.keys()
    for thing in osmium.FileProcessor(str(path)):
        tags = {t.k: t.v for t in thing.tags}
        if not keys & tags.keys() or f"{thing.type_str()}{thing.id}" in lost:
            continue
        if table.coarsest(tags):
            found.update("=".join(tag) for tag in tags.items() if table.main(dict([tag]), FINEST))
    return found


@pytest.mark.parametrize(
    "osm", ["andorra_osm_srtm/andorra.osm.pbf", "finland_osm/Helsinki.osm.pbf"]
)
def test_counts_by_tag(osm: str, tmp_path: Path, capsys: Capture) -> None:
    assert build(tmp_path, "none", osm, "--plan") == 0
    plan = read_json(building.work(tmp_path) / "plan" / "plan.json")
    drops = pq.read_table(building.work(tmp_path) / "plan" / "drops" / "scan.parquet")
    expected = counted(DATA / osm, set(drops["key"].to_pylist()))
    assert sum(expected.values()) > 3_000
    different = {
        tag: (plan["tags"].get(tag), expected.get(tag))
        for tag in {*plan["tags"], *expected}
        if plan["tags"].get(tag) != expected.get(tag)
    }
    assert not different
    said = capsys.readouterr().err
    tag, count = expected.most_common(1)[0]
    assert f"{count:,}  {tag}" in said
