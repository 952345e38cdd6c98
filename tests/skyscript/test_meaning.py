"""What a caption says is what the world holds at that place."""

import json
from collections import Counter
from functools import cache

import numpy as np
import pytest
import rasterio.features
import shapely
from rasterio.transform import Affine

from catalogs.rasters import open_raster
from catalogs.world.truth import CLASSES, class_raster, sites
from schemas.windows import from_lonlat
from tests.skyscript.conftest import Built, manifest

COVER = {
    "building": {"building"},
    "landuse=forest": {"forest", "tree"},
    "natural=wood": {"forest", "tree"},
    "natural=water": {"water"},
    "landuse=farmland": {"crop"},
    "landuse=meadow": {"grass"},
    "landuse=vineyard": {"vineyard"},
    "landuse=orchard": {"orchard"},
    "leisure=pitch": {"pitch", "bare", "paved", "grass"},  # sand, asphalt and lawn too
    "leisure=swimming_pool": {"pool"},
    "amenity=parking": {"paved", "road"},
    "natural=beach": {"bare"},
    "natural=wetland": {"wetland"},
}
"""Land-cover classes of the truth that a main tag may stand on."""


@cache
def truth(site: str, extent: str) -> tuple[np.ndarray, Affine, int]:
    from catalogs.world import ensure

    return class_raster(ensure(), site, extent)  # type: ignore[arg-type]


def covers(row: dict) -> Counter[int]:
    """Truth classes under the focus object, in pixels."""
    site, extent = row["scene_ids"][0], "aerial" if row["collection"] == "aerial" else "scene"
    name = next(s.id for s in sites(None) if s.id in site)  # type: ignore[arg-type]
    classes, affine, epsg = truth(name, extent)
    shape = shapely.transform(
        shapely.from_wkb(row["focus_geometry"]),
        lambda xy: np.stack(from_lonlat(f"EPSG:{epsg}", xy[:, 0], xy[:, 1]), axis=1),
    )
    mask = rasterio.features.geometry_mask([shape], classes.shape, affine, invert=True)
    return Counter(classes[mask].tolist())


def expected(main_tag: str) -> set[str]:
    return COVER.get(main_tag) or COVER.get(main_tag.split("=")[0], set())


def test_the_focus_class_agrees_with_the_truth_under_it(built: Built) -> None:
    looked, wrong = Counter[str](), []
    for row in built.rows:
        wanted = expected(row["main_tag"])
        if not wanted:
            continue
        found = covers(row)
        if not found:
            continue  # smaller than a truth pixel
        good = sum(found[CLASSES[name]] for name in wanted)
        looked[row["main_tag"]] += 1
        if good / sum(found.values()) < 0.5:
            names = {v: k for k, v in CLASSES.items()}
            wrong.append((row["key"], row["main_tag"], names[found.most_common(1)[0][0]]))
    assert sum(looked.values()) > 800
    assert len(looked) >= 10
    assert not wrong, Counter((tag, cover) for _, tag, cover in wrong)


def test_water_is_dark_and_forest_bright_in_near_infrared(built: Built) -> None:
    means: dict[tuple[str, str], list[float]] = {}
    for row in built.rows:
        if row["main_tag"] not in ("natural=water", "landuse=forest"):
            continue
        shard = built.release / "data" / row["shard"]
        data = shard.read_bytes()[row["ms_geotiff_offset"] :][: row["ms_geotiff_size"]]
        with rasterio.MemoryFile(data) as memory, memory.open(driver="GTiff") as chip:
            shape = shapely.transform(
                shapely.from_wkb(row["focus_geometry"]),
                lambda xy, crs=row["crs"]: np.stack(from_lonlat(crs, xy[:, 0], xy[:, 1]), axis=1),
            )
            inside = rasterio.features.geometry_mask(
                [shape], chip.shape, chip.transform, invert=True
            )
            nir = chip.read(chip.descriptions.index("nir") + 1)
            if inside.any():
                key = (row["collection"], row["main_tag"])
                means.setdefault(key, []).append(float(nir[inside].mean()))
    for collection in ("aerial", "sentinel-2-l2a"):
        water = means[collection, "natural=water"]
        forest = means[collection, "landuse=forest"]
        assert np.median(water) < 0.6 * np.median(forest)
        assert max(water) < np.median(forest)


def test_both_baselines_tell_the_same_reflectance(built: Built) -> None:
    """Forest in summer, before and after baseline 04.00: the offset is gone from every chip."""
    found: dict[bool, list[float]] = {True: [], False: []}
    for row in built.rows:
        if row["collection"] == "sentinel-2-l2a" and row["main_tag"] == "natural=water":
            assert row["radiometric_convention"] == "dn_pre04"
            new = float(row["processing_baseline"]) >= 4
            assert row["offset_applied"] == (-1000 if new else 0)
            shard = built.release / "data" / row["shard"]
            data = shard.read_bytes()[row["ms_geotiff_offset"] :][: row["ms_geotiff_size"]]
            with rasterio.MemoryFile(data) as memory, memory.open(driver="GTiff") as chip:
                found[new].append(float(np.percentile(chip.read(4), 1)))
    assert found[True]
    assert found[False]
    assert abs(np.median(found[True]) - np.median(found[False])) < 100


def test_west_is_left(built: Built) -> None:
    """A chip's first column lies west of its last, in pixels and in coordinates."""
    row = max((r for r in built.rows if r["collection"] == "aerial"), key=lambda r: r["width"])
    shard = built.release / "data" / row["shard"]
    data = shard.read_bytes()[row["ms_geotiff_offset"] :][: row["ms_geotiff_size"]]
    name = row["scene_ids"][0].split("/")[1]
    scene = next(p for p in built.world.root.rglob("*.tif") if name in str(p))
    with rasterio.MemoryFile(data) as memory, memory.open(driver="GTiff") as chip:
        west, north = chip.transform * (0, 0)
        east, south = chip.transform * (chip.width, chip.height)
        assert west < east
        assert south < north
        with open_raster(str(scene)) as whole:
            col, up = ~whole.transform * (west + 0.3, north - 0.3)
            left = whole.read(1)[int(up) : int(up) + chip.height, int(col)]
        assert np.array_equal(chip.read(1)[:, 0], left)
    assert row["bbox"]["xmin"] < row["bbox"]["xmax"]


@pytest.mark.parametrize(
    "word", ["CANARY", "phone", "website", "wikidata", "@", "<script", "ignore previous"]
)
def test_nothing_personal_or_hostile_in_captions_and_tags(built: Built, word: str) -> None:
    for row in built.rows:
        text = " ".join((row["title"], row["title_multi_objects"], row["center_tags"],
                         row["surrounding_tags"]))  # fmt: skip
        assert word.lower() not in text.lower()


def test_fault_57_no_canary_in_any_file(built: Built) -> None:
    for path in built.release.rglob("*"):
        if path.is_file():
            assert b"CANARY" not in path.read_bytes(), path


def test_names_and_house_numbers_are_dropped_at_every_gsd_and_benches_at_ten_metres(
    built: Built,
) -> None:
    for row in built.rows:
        tags = json.loads(row["center_tags"])
        assert not any(k == "name" or k.startswith(("addr:", "contact:", "name:")) for k in tags)
        if row["gsd_m"] > 5:
            assert "bench" not in tags.values()
            assert "tree" not in tags.values()
            assert not row["main_tag"].startswith("building=house")
    assert any(row["gsd_m"] > 5 for row in built.rows)


def test_every_window_holds_its_focus(built: Built) -> None:
    for row in built.rows:
        window = shapely.from_wkb(row["geometry"]).buffer(1e-9)
        assert window.contains(shapely.from_wkb(row["focus_geometry"])), row["key"]


def test_three_splits_and_five_hundred_samples(built: Built) -> None:
    counts = {k: v["samples"] for k, v in manifest(built)["splits"].items()}
    assert set(counts) == {"train", "val", "test"}
    assert sum(counts.values()) >= 500
    assert min(counts.values()) >= 20


def test_the_release_says_that_it_is_generated(built: Built) -> None:
    assert "generated" in (built.release / "README.md").read_text().lower()[:1500]
