"""The recipe on a small place: every promise of specs/agbd.md on the released bytes."""

import json
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from pyproj import Transformer

import biomass_world
import pipelines.commands.build as command
import pipelines.commands.export as export_command
from biomass_world import BANDS, CRS, DATES, PLACES, SPLITS, WATER, Biomass
from catalogs.releases.biomass import read_patch
from catalogs.releases.verify import verify
from schemas.biomass import CHANNELS, decibels
from schemas.sensors import L2A_BANDS, SENTINEL_2

TO_CRS = Transformer.from_crs("OGC:CRS84", CRS, always_xy=True)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Biomass:
    return biomass_world.make(tmp_path_factory.mktemp("biomass"))


def built(world: Biomass, out: Path, *more: str) -> Path:
    os.environ["SOURCE_DATE_EPOCH"] = "1700000000"
    assert command.main(world.arguments(out, *more)) == 0
    return out / "agbd" / "v1.0.0"


@pytest.fixture(scope="module")
def done(world: Biomass, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release; not to be changed."""
    return built(world, tmp_path_factory.mktemp("agbd"))


@pytest.fixture(scope="module")
def rows(done: Path) -> list[dict[str, Any]]:
    return pq.read_table(done / "metadata" / "samples.parquet").to_pylist()  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def drops(done: Path) -> list[dict[str, Any]]:
    return pq.read_table(done / "metadata" / "drops.parquet").to_pylist()  # type: ignore[no-any-return]


def test_it_verifies_and_counts_every_shot(done: Path, rows: Any, drops: Any) -> None:
    assert verify(done) == []
    assert len(rows) + len(drops) == 3 * 68
    counts = Counter(drop["code"] for drop in drops)
    assert counts["l4_quality"] == 24
    assert counts.keys() == {
        "l4_quality", "outside_imagery", "buffer", "centre_not_vegetation", "centre_no_canopy",
    }  # fmt: skip
    assert {row["split"] for row in rows} == {"train", "val", "test"}
    assert all(drop["lon"] is not None for drop in drops)


def test_biomass_is_that_of_the_place(rows: Any) -> None:
    """The label equals the truth at the footprint's centre."""
    for row in rows:
        x, y = TO_CRS.transform(row["lon_lowestmode"], row["lat_lowestmode"])
        assert row["agbd"] == pytest.approx(float(biomass_world.biomass(x, y)), abs=1e-3)
        assert row["rh98"] == pytest.approx(row["agbd"] / 10, abs=1e-3)


def test_the_shot_lies_in_the_middle_pixel(rows: Any) -> None:
    """Acceptance check 6, on the scene's own grid."""
    for row in rows:
        x, y = TO_CRS.transform(row["lon_lowestmode"], row["lat_lowestmode"])
        a, _, c, _, e, f = row["transform"]
        assert (row["width"], row["height"]) == (25, 25)
        assert (int((x - c) // a), int((y - f) // e)) == (12, 12)
        assert (a, e) == (10, -10) and c % 10 == 0 and f % 10 == 0


def test_windows_over_the_edge_are_counted(rows: Any, drops: Any) -> None:
    """Acceptance check 6: exactly those within 12 pixels of the edge."""
    lost = {drop["key"] for drop in drops if drop["code"] == "outside_imagery"}
    inside: dict[str, bool] = {}
    for thing in (*rows, *drops):
        x, y = TO_CRS.transform(
            thing.get("lon_lowestmode", thing["lon"]), thing.get("lat_lowestmode", thing["lat"])
        )
        left, top = next(
            (a, b) for a, b in PLACES.values() if a <= x < a + 3000 and b - 3000 < y <= b
        )
        col, row = int((x - left) // 10), int((top - y) // 10)
        inside[thing["key"]] = 12 <= col < 288 and 12 <= row < 288
    early = {drop["key"] for drop in drops if drop["code"] == "l4_quality"}
    assert lost == {key for key, well in inside.items() if not well} - early
    assert lost


@pytest.mark.parametrize("bad", ["waveforms", "link", "heights"])
def test_other_granules_end_the_build(
    world: Biomass, tmp_path: Path, capsys: Any, bad: str
) -> None:
    """A granule of L1B, one with a link to another file, and one without biomass: one sentence each."""
    path = tmp_path / "GEDI04_A.h5"
    own = next((world.folder / "shots").glob("GEDI04*"))
    with h5py.File(path, "w") as file:
        if bad == "waveforms":
            file["BEAM0000/rxwaveform"] = np.zeros(9)
        else:
            file["BEAM0101"] = h5py.ExternalLink(str(own), "/BEAM0101")
    if bad == "heights":
        path = next((world.folder / "shots").glob("GEDI02*"))
    argv = world.arguments(tmp_path / "out", "--quiet")
    argv[argv.index("--shots") + 1] = str(path)
    assert command.main(argv) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    told = {
        "waveforms": "is GEDI L1B (waveforms); it wants L4A or L2A",
        "link": "links out of a granule are not followed",
        "heights": "biomass wants L4A granules",
    }
    assert said.startswith("error: ") and told[bad] in said


def test_an_even_side_is_refused(world: Biomass, tmp_path: Path, capsys: Any) -> None:
    assert command.main(world.arguments(tmp_path, "--set", "windows.px=24")) == 2
    assert "must be odd" in capsys.readouterr().err


def test_the_scene_is_the_nearest_before_the_shot(rows: Any) -> None:
    """Acceptance check 5: not the nearer one after it, nor the older one before it."""
    shot = datetime(2020, 7, 31, 10, tzinfo=UTC)
    for row in rows:
        assert row["sensed"] == shot
        assert row["datetime"] == datetime(2020, 5, 10, 10, 10, 31, tzinfo=UTC)
        assert (
            0
            <= row["day_gap"]
            == pytest.approx((shot - row["datetime"]).total_seconds() / 86400, abs=1e-5)
        )


def test_reflectance_is_that_of_the_ground(done: Path, rows: Any) -> None:
    """Acceptance check 9: the offset of baseline 05.00 is removed; coarser bands are interpolated."""
    day = "20200510"
    for row in rows[::9]:
        found = read_patch(done, row)["s2"]
        a, _, c, _, e, f = row["transform"]
        x, y = np.meshgrid(c + (np.arange(25) + 0.5) * a, f + (np.arange(25) + 0.5) * e)
        for place, band in enumerate(BANDS):
            truth = biomass_world.reflectance(band, day, x, y) * 10_000
            edge = BANDS[band] / 2e6 * 1.5 * 10_000 + 1.1  # half a coarse pixel at the scene's edge
            assert np.abs(found[place] - truth).max() <= edge, band
            assert np.abs(found[place][6:19, 6:19] - truth[6:19, 6:19]).max() <= 1.1
        assert row["processing_baseline"] == "05.00" and row["offset_applied"] == -1000
        assert row["bands"] == ",".join(L2A_BANDS)


def test_an_older_baseline_keeps_its_numbers(world: Biomass, tmp_path: Path) -> None:
    """Acceptance check 9: of 2019 at 02.12, which never had an offset."""
    found = json.loads((world.folder / "items.json").read_text())
    found["features"] = [i for i in found["features"] if "_20190601T" in i["id"]]
    (world.folder / "old.json").write_text(json.dumps(found))
    argv = world.arguments(tmp_path, "--set", "imagery.max_days=600", "--limit", "20")
    argv[argv.index("--imagery") + 1] = str(world.folder / "old.json")
    assert command.main(argv) == 0
    release = tmp_path / "agbd" / "v1.0.0"
    row = pq.read_table(release / "metadata" / "samples.parquet").to_pylist()[0]
    middle = read_patch(release, row)["s2"][3, 12, 12]
    a, _, c, _, e, f = row["transform"]
    truth = biomass_world.reflectance("B04", "20190601", c + 12.5 * a, f + 12.5 * e) * 10_000
    assert abs(middle - truth) <= 1.1
    assert row["offset_applied"] == 0 and row["processing_baseline"] == "02.12"


def test_layers_lie_on_the_same_grid(done: Path, rows: Any) -> None:
    """Radar of the image's year, elevation, canopy height and classes, each at its place."""
    for row in rows[::7]:
        patch = read_patch(done, row)
        assert {name: array.shape for name, array in patch.items()} == {
            "s2": (12, 25, 25), "scl": (1, 25, 25), "palsar": (2, 25, 25), "dem": (1, 25, 25),
            "canopy": (2, 25, 25), "landcover": (2, 25, 25),
        }  # fmt: skip
        assert [patch[n].dtype for n in ("s2", "scl", "palsar", "dem", "canopy", "landcover")] == [
            np.uint16, np.uint8, np.uint16, np.int16, np.uint8, np.uint8,
        ]  # fmt: skip
        radar = patch["palsar"]
        assert set(np.unique(radar[0]).tolist()) <= {0, 5100} and set(
            np.unique(radar[1]).tolist()
        ) <= {0, 2550}
        a, _, c, _, e, f = row["transform"]
        x, y = np.meshgrid(c + (np.arange(25) + 0.5) * a, f + (np.arange(25) + 0.5) * e)
        lon, lat = TO_CRS.transform(x, y, direction="INVERSE")
        assert np.abs(patch["dem"][0] - biomass_world.elevation(lon, lat)).max() <= 1.1
        assert set(np.unique(patch["landcover"][0]).tolist()) <= {112, 40}
        assert any("palsar" in name and name.endswith("_2020") for name in row["layer_ids"])


def test_slope_of_the_ground(rows: Any) -> None:
    """Of the plane that the elevation is, from its gradient in metres."""
    for row in rows:
        x, y = TO_CRS.transform(row["lon_lowestmode"], row["lat_lowestmode"])
        lon, lat = TO_CRS.transform(
            [x + 500, x - 500, x, x], [y, y, y + 500, y - 500], direction="INVERSE"
        )
        height = biomass_world.elevation(lon, lat)
        truth = np.degrees(np.arctan(np.hypot(height[0] - height[1], height[2] - height[3]) / 1000))
        assert row["slope"] == pytest.approx(truth, abs=0.5)  # elevations are whole metres


def test_vegetation_around_the_shot(done: Path, rows: Any, drops: Any) -> None:
    """Acceptance check 7: the lake's shots are lost, the scores are those of the shipped classes."""
    col, line, side = WATER
    for row in rows:
        classes = read_patch(done, row)["scl"][0]
        assert classes[12, 12] == 4 == row["scl_centre"]
        assert row["s2_vegetation_score"] == 100 * int((classes == 4).sum()) // 625 >= 20
    for drop in (d for d in drops if d["code"] == "centre_not_vegetation"):
        x, y = TO_CRS.transform(drop["lon"], drop["lat"])
        left, top = next(
            (a, b) for a, b in PLACES.values() if a <= x < a + 3000 and b - 3000 < y <= b
        )
        assert col <= (x - left) / 10 < col + side and line <= (top - y) / 10 < line + side


def test_splits_are_those_of_the_table(rows: Any) -> None:
    """Acceptance check 10: whole tiles, no shot twice, and a distance between them."""
    assert {(row["s2_tile"], row["split"]) for row in rows} == set(SPLITS.items())
    numbers = [row["shot_number"] for row in rows]
    assert len(set(numbers)) == len(numbers)
    x, y = TO_CRS.transform(
        [row["lon_lowestmode"] for row in rows], [row["lat_lowestmode"] for row in rows]
    )
    places = np.stack([x, y], axis=1)
    splits = np.array([row["split"] for row in rows])
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    assert apart[splits[:, None] != splits[None]].min() >= 1000
    assert {row["tile_region"] for row in rows} == {"Nowhere"}


def test_statistics_are_those_of_the_shipped_train_patches(done: Path, rows: Any) -> None:
    """Recomputed from the files: train alone, fill left out, offset removed."""
    table = {}
    for text in (done / "metadata" / "normalisation.csv").read_text().splitlines()[1:]:
        group, name, *numbers = text.split(",")
        table[group, name] = [float(v) for v in numbers[:6]], int(numbers[6])
    train = [row for row in rows if row["split"] == "train"]
    patches = [read_patch(done, row) for row in train]
    pixels = {
        ("S2_bands", "B04"): np.concatenate([p["s2"][3].ravel() for p in patches]) / 10_000,
        ("S2_bands", "B09"): np.concatenate([p["s2"][9].ravel() for p in patches]) / 10_000,
        ("ALOS_bands", "HV"): np.concatenate([decibels(p["palsar"][1]).ravel() for p in patches]),
        ("DEM", "DEM"): np.concatenate([p["dem"][0].ravel() for p in patches]).astype(float),
        ("CH", "ch"): np.concatenate([p["canopy"][0].ravel() for p in patches]).astype(float),
        ("GEDI", "agbd"): np.array([row["agbd"] for row in train]),
    }
    pixels["CH", "ch"][pixels["CH", "ch"] == 255] = np.nan
    for name, values in pixels.items():
        good = values[np.isfinite(values)]
        (mean, std, low, high, p1, p99), count = table[name]
        assert count == len(good), name
        assert mean == pytest.approx(good.mean(), rel=1e-5) and std == pytest.approx(
            good.std(), abs=2e-5 * abs(mean)
        )
        assert (low, high) == (
            pytest.approx(good.min(), rel=1e-5),
            pytest.approx(good.max(), rel=1e-5),
        )
        width = {"S2_bands": 0.001, "ALOS_bands": 0.05}.get(name[0], 1.0)
        assert (
            abs(p1 - np.percentile(good, 1)) <= width
            and abs(p99 - np.percentile(good, 99)) <= width
        )
    assert table["ALOS_bands", "HH"][0][2] > -20, "the fill of the mosaics does not count"
    assert {name for _, name in table} >= {
        *BANDS,
        "HH",
        "HV",
        "ch",
        "std",
        "DEM",
        "agbd",
        "rh98",
        "date",
    }
    assert table["GEDI", "date"][0][0] == (datetime(2020, 7, 31) - datetime(2019, 4, 16)).days


def test_the_same_bytes_again(world: Biomass, done: Path, tmp_path: Path) -> None:
    again = built(world, tmp_path, "--workers", "2")
    for part in ("data", "metadata"):
        for path in sorted((done / part).rglob("*")):
            if path.is_file():
                assert path.read_bytes() == (again / part / path.name).read_bytes(), path.name


@pytest.fixture(scope="module")
def exported(done: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("exported") / "agbd"
    assert export_command.main([str(done), str(target)]) == 0
    return target


def test_the_table_of_24_channels(exported: Path, rows: Any) -> None:
    """Types of the published variant; content that of the shots and the ground."""
    read = pq.read_table(exported / "val.parquet")
    kinds = {f.name: str(f.type) for f in read.schema.field("metadata").type}
    assert kinds == {
        "s2_num_days": "int16", "gedi_num_days": "uint16", "lat": "float", "lon": "float",
        "agbd_se": "float", "elev_lowes": "float", "leaf_off_f": "uint8", "pft_class": "uint8",
        "region_cla": "uint8", "rh98": "float", "sensitivity": "float", "solar_elev": "float",
        "urban_prop": "uint8",
    }  # fmt: skip
    assert str(read.schema.field("label").type) == "float"
    expected = {row["shot_number"]: row for row in rows if row["split"] == "val"}
    assert len(read) == len(expected)
    for entry in read.to_pylist():
        row = expected[entry["shot_number"]]
        patch = np.array(entry["input"], np.float32)
        assert patch.shape == (24, 25, 25) and len(CHANNELS) == 24
        assert entry["label"] == np.float32(row["agbd"])
        assert entry["metadata"]["s2_num_days"] == 390 and entry["metadata"]["gedi_num_days"] == 472
        assert (entry["lat_lowestmode"], entry["lon_lowestmode"]) == (
            row["lat_lowestmode"],
            row["lon_lowestmode"],
        )
        assert np.nanmax(patch[16]) == pytest.approx(20 * np.log10(5100) - 83, abs=1e-4)


TYPES = {
    "S2_bands": ("uint16", (25, 25, 12)), "S2_SCL": ("uint8", (25, 25)),
    "ALOS_bands": ("uint16", (25, 25, 2)), "CH/ch": ("uint8", (25, 25)), "CH/std": ("uint8", (25, 25)),
    "LC": ("uint8", (25, 25, 2)), "DEM": ("int16", (25, 25)),
    **{f"Sentinel_metadata/{n}": (t, ()) for n, t in (
        ("S2_vegetation_score", "uint8"), ("S2_date", "int16"), ("S2_pbn", "uint16"),
        ("S2_ron", "uint8"), ("S2_boa_offset", "uint8"))},
    **{f"GEDI/{n}": ("float32", ()) for n in (
        "agbd", "agbd_se", "elev_lowes", "sensitivit", "solar_elev", "rh98", "lat_decimal", "lon_decimal")},
    **{f"GEDI/{n}": ("uint8", ()) for n in (
        "pft_class", "region_cla", "leaf_off_f", "urban_prop", "selected_a", "granule_num", "ppds",
        "lat_offset", "lon_offset")},
    "GEDI/shot_numbe": ("uint64", ()), "GEDI/date": ("uint16", ()), "GEDI/track_num": ("uint32", ()),
    "GEDI/version_num": ("uint16", ()),
    "GEDI/lat_lowestmode": ("float64", ()), "GEDI/lon_lowestmode": ("float64", ()),
}  # fmt: skip
"""Paths and types of specs/agbd.md; the last line is ours."""


def datasets(group: Any) -> list[str]:
    """Paths of all datasets below a group."""
    names: list[str] = []
    group.visititems(lambda n, o: names.append(n) if isinstance(o, h5py.Dataset) else None)
    return names


def test_the_file_by_tiles(exported: Path, done: Path, rows: Any) -> None:
    """Paths, types and growing axis as published; pixels and numbers those of the release."""
    for split, tile in (("train", "32TMT"), ("val", "32TMU"), ("test", "32TNT")):
        with h5py.File(exported / f"{split}.h5") as file:
            assert list(file) == [tile]
            found = {name: file[tile][name] for name in datasets(file[tile])}
            assert {n: (str(o.dtype), o.shape[1:]) for n, o in found.items()} == TYPES
            assert all(o.maxshape[0] is None and o.compression == "gzip" for o in found.values())
            assert list(file[tile]["S2_bands"].attrs["order"]) == list(BANDS)
            own = {int(row["shot_number"]): row for row in rows if row["split"] == split}
            numbers = file[tile]["GEDI/shot_numbe"][:].tolist()
            assert sorted(numbers) == sorted(own)
            place = 3
            row = own[numbers[place]]
            patch = read_patch(done, row)
            assert (np.moveaxis(file[tile]["S2_bands"][place], -1, 0) == patch["s2"]).all()
            assert (file[tile]["LC"][place][..., 1] == patch["landcover"][1]).all()
            assert file[tile]["GEDI/lat_lowestmode"][place] == row["lat_lowestmode"]
            assert file[tile]["Sentinel_metadata/S2_pbn"][place] == 500
            assert file[tile]["Sentinel_metadata/S2_ron"][place] == 22


def test_members_open_by_themselves(done: Path, rows: Any) -> None:
    """Names, CRS and nodata in every file."""
    row = rows[0]
    expected = {
        "s2": (12, 0),
        "palsar": (2, 0),
        "dem": (1, -9999),
        "canopy": (2, 255),
        "landcover": (2, 255),
    }
    for name, (count, nodata) in expected.items():
        with (done / "data" / row["shard"]).open("rb") as stream:
            stream.seek(row[f"{name}_geotiff_offset"])
            data = stream.read(row[f"{name}_geotiff_size"])
        with rasterio.MemoryFile(data) as memory, memory.open() as file:
            assert (file.count, file.nodata, str(file.crs)) == (count, nodata, CRS)
            assert list(file.transform)[:6] == row["transform"]
            assert all(file.descriptions)
    assert tuple(SENTINEL_2[band] for band in BANDS) == L2A_BANDS
    assert set(DATES) == {"20190601", "20200510", "20200820"}
