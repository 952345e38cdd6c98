"""Gates around a footprint, scenes before a shot, tiles and their splits, coordinates near zero."""

import csv
import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from catalogs.releases.biomass_tiles import Tiles, baseline, product, split_degrees
from schemas.errors import Reject, UsageError
from schemas.samples import Image, Sample
from schemas.scenes import Band, Scene
from schemas.windows import Grid
from transforms.context import Context
from transforms.footprints.around import CanopyKnown, Slope, Vegetated
from transforms.footprints.relief import slope_degrees
from transforms.imagery.nearest import in_time
from transforms.tile_splits import ByTile, split_table

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
GRID = Grid("EPSG:32632", (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_200_000.0), 25, 25)


def sample(name: str, array: Any, nodata: float | None = None) -> Sample:
    """A sample with one image."""
    array = np.asarray(array)
    valid = np.ones(array.shape[1:], bool) if nodata is None else (array != nodata).all(axis=0)
    image = Image(array, tuple(str(i) for i in range(len(array))), GRID, nodata, valid)
    return Sample("s1", 9.0, 46.9, images={name: image})


def classes(count: int, centre: int = 4) -> Sample:
    """A scene classification with so many pixels of vegetation, the middle one among them or not."""
    found = np.full(625, 5, np.uint8)
    order = [312, *(i for i in range(625) if i != 312)]
    found[order[: count if centre == 4 else count + 1]] = 4
    found[312] = centre
    return sample("mask", found.reshape(1, 25, 25))


def test_vegetation_124_and_125() -> None:
    """Acceptance check 7: 20 % of 625 is 125; the middle pixel must be class 4."""
    kept = Vegetated()(classes(125), Context())
    assert kept.facts == {"s2_vegetation_score": 20, "scl_centre": 4}
    with pytest.raises(Reject, match="124 of 625") as caught:
        Vegetated()(classes(124), Context())
    assert caught.value.code == "little_vegetation"
    with pytest.raises(Reject, match="class 5") as caught:
        Vegetated()(classes(500, centre=5), Context())
    assert caught.value.code == "centre_not_vegetation"
    off = Vegetated(centre=False, share=0.0)(classes(0, centre=6), Context())
    assert off.facts == {"s2_vegetation_score": 0, "scl_centre": 6}
    with pytest.raises(Reject, match="no scene classification"):
        Vegetated()(Sample("s1", 9.0, 46.9), Context())


def test_canopy_height_must_be_known() -> None:
    """255 is no height; 0 is one."""
    array = np.full((2, 25, 25), 255, np.uint8)
    array[0].flat[:124] = 7
    array[0, 12, 12] = 0
    kept = CanopyKnown()(sample("canopy", array, 255), Context())
    assert kept.facts == {"canopy_share": 0.2}
    array[0, 0, 0] = 255
    with pytest.raises(Reject, match="124 of 625"):
        CanopyKnown()(sample("canopy", array, 255), Context())
    array[0] = 7
    array[0, 12, 12] = 255
    with pytest.raises(Reject, match="middle pixel"):
        CanopyKnown()(sample("canopy", array, 255), Context())


@pytest.mark.parametrize("degrees", [0.0, 5.0, 30.0, 60.0])
def test_slope_of_a_plane(degrees: float) -> None:
    """In any direction, whatever the size of pixels."""
    rows, cols = np.mgrid[0:25, 0:25].astype(float)
    steep = np.tan(np.radians(degrees))
    for turn in (0.0, 0.7, 2.5):
        height = steep * (np.cos(turn) * cols * 10 + np.sin(turn) * rows * 30)
        assert slope_degrees(height, 10, 30) == pytest.approx(degrees, abs=1e-9)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:32632"])
def test_slope_is_of_the_ground_whatever_the_grid(crs: str) -> None:
    """Five metres a pixel on pixels that are laid out to be 10 m on the ground at 60 N."""
    side = {"EPSG:4326": (10 / (111_320 * 0.5011), 10 / 111_412), "EPSG:3857": (20.0, 20.0),
            "EPSG:32632": (10.0, 10.0)}[crs]  # fmt: skip
    to = Transformer.from_crs("OGC:CRS84", crs, always_xy=True)
    x, y = to.transform(9.0, 60.0)
    place = Grid(crs, (side[0], 0.0, x, 0.0, -side[1], y), 25, 25)
    rows, cols = np.mgrid[0:25, 0:25]
    for height in (rows * 5, cols * 5):
        image = Image(
            height[None].astype(np.int16), ("dem",), place, -9999, np.ones((25, 25), bool)
        )
        here = Sample("s1", 9.0, 60.0, images={"dem": image})
        found = Slope()(here, Context()).facts["slope"]
        assert found == pytest.approx(math.degrees(math.atan(0.5)), abs=0.2)


def test_slope_is_a_fact_and_a_limit() -> None:
    rows, _ = np.mgrid[0:25, 0:25]
    dem = (rows * 10).astype(np.int16)[None]
    found = Slope()(sample("dem", dem, -9999), Context()).facts["slope"]
    assert found == pytest.approx(45, abs=0.02)  # 10 m of the grid are 10.004 m of ground there
    with pytest.raises(Reject, match=r"slope 45\.0 degrees, at most 30"):
        Slope(most=30)(sample("dem", dem, -9999), Context())
    dem[0, 12, 13] = -9999
    assert Slope()(sample("dem", dem, -9999), Context()).facts == {"slope": None}
    with pytest.raises(Reject, match="no elevation"):
        Slope(most=30)(sample("dem", dem, -9999), Context())


SHOT = datetime(2020, 6, 30, 12, tzinfo=UTC)


def scene(minutes: int, cloud: float | None, number: int) -> Scene:
    """A scene so long before the shot."""
    when = SHOT - timedelta(minutes=minutes)
    return Scene(
        f"scene-{number:03d}", "s2", when, GRID, "", (Band("B04", "x"),), "CC0-1.0", "", cloud=cloud
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.integers(-400_000, 400_000), st.one_of(st.none(), st.sampled_from([0.0, 5.0, 80.0]))
        ),
        max_size=12,
    ),
    st.integers(0, 400_000),
)
def test_the_nearest_scene_before_a_shot(found: list[tuple[int, float | None]], limit: int) -> None:
    """Acceptance check 5: not later, within the limit, and no nearer one was there."""
    scenes = [scene(minutes, cloud, i) for i, (minutes, cloud) in enumerate(found)]
    chosen = in_time(scenes, (SHOT, SHOT), before=True, max_days=limit / 1440)
    fit = [
        s
        for s in scenes
        if s.datetime and timedelta(0) <= SHOT - s.datetime <= timedelta(minutes=limit)
    ]
    assert len(chosen) == len(fit)
    if fit:
        best = chosen[0]
        assert best.datetime is not None and best.datetime <= SHOT
        gaps = [SHOT - s.datetime for s in fit if s.datetime]
        assert SHOT - best.datetime == min(gaps)
        same = [s for s in fit if s.datetime == best.datetime]
        clear = min(101.0 if s.cloud is None else s.cloud for s in same)
        assert (101.0 if best.cloud is None else best.cloud) == clear
        assert best.id == min(s.id for s in same if s.cloud == best.cloud)


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.exists(), reason="the real tables are not beside the repository")
def test_the_published_splits() -> None:
    """Acceptance check 10: 306 / 67 / 106 tiles, none in two splits; each keeps its own."""
    path = DATA / "taxonomies" / "agbd_tile_splits.csv"
    table = split_table(str(path))
    assert Counter(split for split, _ in table.values()) == {"train": 306, "val": 67, "test": 106}
    with path.open() as stream:
        read = list(csv.DictReader(stream))
    assert len(read) == len(table) == 479
    rows = pa.table({"s2_tile": [row["s2_tile"] for row in read]})
    found = ByTile(table=str(path)).columns(rows, Context(seed=3))
    assert found["split"] == [row["split"] for row in read]
    assert found["tile_region"] == [row["region"] for row in read]
    assert len(set(found["tile_region"])) == 11


def test_other_tiles_by_hash(tmp_path: Path) -> None:
    """The table's tiles first; the rest by name and seed, in the shares asked for."""
    path = tmp_path / "splits.csv"
    path.write_text("s2_tile,split,region\n30NXM,validation,Ghana\n")
    names = [
        f"{zone:02d}{band}{col}{row}"
        for zone in range(1, 61)
        for band in "NPQ"
        for col in "ABC"
        for row in "EF"
    ]
    rows = pa.table({"s2_tile": ["30NXM", *names]})
    found = ByTile(table=str(path), val=0.2, test=0.3).columns(rows, Context(seed=1))
    assert found["split"][0] == "val" and found["tile_region"][:2] == ["Ghana", ""]
    counts = Counter(found["split"][1:])
    assert (
        abs(counts["test"] / len(names) - 0.3) < 0.05
        and abs(counts["val"] / len(names) - 0.2) < 0.05
    )
    again = ByTile(table=str(path), val=0.2, test=0.3).columns(rows.slice(5, 3), Context(seed=1))
    assert again["split"] == found["split"][5:8]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("s2_tile,split\n30IXM,train\n", "line 2 has tile '30IXM'"),
        ("s2_tile,split\n30NXM,dev\n", "split 'dev'"),
        ("tile,split\n30NXM,train\n", "expected columns s2_tile"),
        ("s2_tile,split\n30NXM,train\n30NXM,test\n", "line 3 names 30NXM again"),
    ],
)
def test_a_table_of_splits_that_is_none(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "splits.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=told):
        split_table(str(path))
    with pytest.raises(UsageError, match="cannot be read"):
        split_table(str(tmp_path / "none.csv"))


def test_no_shot_in_two_splits_over_overlapping_tiles() -> None:
    """Acceptance check 10: Sentinel-2 tiles overlap by 10 km, squares do not; nearer than the buffer falls."""
    x = np.linspace(9.0, 9.004, 30)
    lat = np.full(30, 46.99)
    from schemas.mgrs import tiles

    rows = pa.table(
        {
            "key": [f"s{i:018d}" for i in range(30)], "lon": x - 0.002, "lat": lat,
            "centre_lon": x - 0.002, "centre_lat": lat, "radius_m": np.full(30, 177.0),
            "gsd_m": np.full(30, 10.0), "rank": np.arange(30), "s2_tile": tiles(x - 0.002, lat).tolist(),
        }
    )  # fmt: skip
    assert set(rows["s2_tile"].to_pylist()) == {"32TMT", "32TNT"}
    step = ByTile(val=0.0, test=0.5)
    splits = step.columns(rows, Context(seed=0))["split"]
    if len(set(splits)) == 1:
        step, splits = next(
            (step, found)
            for seed in range(20)
            if len(set(found := step.columns(rows, Context(seed=seed))["split"])) == 2
        )
    seed = next(s for s in range(20) if step.columns(rows, Context(seed=s))["split"] == splits)
    nothing = rows.slice(0, 0)
    lost = step.settle(rows, nothing, Context(seed=seed))
    assert set(lost) == {i for i, split in enumerate(splits) if split == "train"}, (
        "all lie within 1 km"
    )
    assert {code for code, _ in lost.values()} == {"buffer"}


@pytest.mark.parametrize("lat", [-0.4, 0.0, -0.0, -12.0, 54.987654321, -33.25])
def test_latitudes_survive(tmp_path: Path, lat: float) -> None:
    """Acceptance check 11: 0.4 S and 0.0 come back from the HDF5 file, by full name and by pair."""
    patch = {
        "s2": np.ones((12, 25, 25), np.uint16), "scl": np.full((1, 25, 25), 4, np.uint8),
        "palsar": np.ones((2, 25, 25), np.uint16), "dem": np.zeros((1, 25, 25), np.int16),
        "canopy": np.zeros((2, 25, 25), np.uint8), "landcover": np.zeros((2, 25, 25), np.uint8),
    }  # fmt: skip
    row = dict.fromkeys(
        ("agbd", "agbd_se", "elev_lowestmode", "sensitivity", "solar_elevation", "rh98", "pft_class",
         "region_class", "leaf_off_flag", "urban_proportion", "selected_algorithm", "sub_granule", "ppds"),
    )  # fmt: skip
    row |= {
        "lat_lowestmode": lat, "lon_lowestmode": -0.25, "s2_tile": "30MYE", "scene_ids": ["a/b"],
        "s2_vegetation_score": 20, "datetime": SHOT, "sensed": SHOT, "processing_baseline": "05.10",
        "shot_number": "091680600300633871", "track": 1, "version": "V2",
    }  # fmt: skip
    with Tiles(tmp_path / "x.h5") as tiles:
        tiles.add([row], [patch])
        tiles.add([row], [patch])
    with h5py.File(tmp_path / "x.h5") as file:
        gedi = file["30MYE/GEDI"]
        assert gedi["lat_lowestmode"][:].tolist() == [lat, lat]
        assert gedi["lon_lowestmode"][0] == -0.25
        whole, part = int(gedi["lat_offset"][0]), float(gedi["lat_decimal"][0])
        assert np.copysign(whole, part) + part == pytest.approx(lat, abs=1e-7)
        assert gedi["shot_numbe"][:].tolist() == [91680600300633871] * 2
        assert gedi["agbd"][0] == -9999 and gedi["pft_class"][0] == 255
        assert file["30MYE/S2_bands"].shape == (2, 25, 25, 12)


def test_what_names_tell() -> None:
    assert split_degrees(-0.4) == (0, np.float32(-0.4))
    assert (baseline("05.10"), baseline("N0212"), baseline("")) == (510, 212, 0)
    name = "sentinel-2-l2a/S2A_MSIL2A_20190107T103411_N0211_R108_T30NXM_20190107T120000"
    assert product(name) == (108, "30NXM")
    assert product("local/mine") == (0, "")
