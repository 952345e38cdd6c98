"""The footprint filter: exact counts by reason, in order; facts; losses that never pile up in memory."""

import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import mgrs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from catalogs.sources.gedi import open_shots
from granules import BEAMS, L2A_NAME, L4A_NAME, l2a, l4a, line, shot_numbers
from pipelines.acts.drops import dropping, reasons
from schemas.errors import SourceError
from schemas.mgrs import epsg, tiles
from schemas.samples import Drop, Drops
from transforms.context import Context
from transforms.footprints import Shots
from transforms.footprints.predicates import included


def scan(step: Shots, location: Path, **ctx: Any) -> tuple[pa.Table, Counter[str], list[Any]]:
    """Kept rows, losses by reason, and the losses."""
    lost: list[Any] = []
    context = Context(sources={"shots": open_shots(location)}, **ctx)
    tables = list(step.scan(context, lost.append))
    counts: Counter[str] = Counter()
    for drop in lost:
        counts[drop.code] += len(drop.ids) if isinstance(drop, Drops) else 1
    nothing = pa.table({"key": pa.array([], pa.string())})
    return (pa.concat_tables(tables) if tables else nothing), counts, lost


def mixed(folder: Path, name: str = L4A_NAME) -> Path:
    """Acceptance check 1: 8 beams with one absent, mixed flags, fills, values on the borders."""
    good = {b: line(4, lat=10.0 + i) for i, b in enumerate(BEAMS[1:])}
    good["BEAM0101"] = {
        **line(10, lat=30),
        "l4_quality_flag": [0, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        "degrade_flag": [
            70,
            3,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ],  # the first fails two: counted under the first
        "sensitivity": [0.97, 0.97, 0.95, 0.9500001, 0.5, 0.97, 0.97, 0.97, 0.97, 0.97],
        "agbd": [1, 1, 1, 1, 1, -9999, 500.0, 500.01, 0.0, -0.5],
    }
    return l4a(folder / name, good)


def test_exact_counts(tmp_path: Path) -> None:
    """Acceptance check 1."""
    kept, counts, _ = scan(Shots(), mixed(tmp_path))
    assert counts == {
        "l4_quality": 1, "degrade": 1, "sensitivity": 2, "agbd_missing": 1, "agbd_range": 2,
    }  # fmt: skip
    assert len(kept) == 6 * 4 + 3
    own = kept.filter(pa.compute.equal(kept["beam"], "BEAM0101"))
    places = [int(number) % 10**8 for number in own["shot_number"].to_pylist()]
    assert places == [3, 6, 8]
    assert own["agbd"].to_pylist() == [1, 500, 0]


def test_every_shot_is_kept_or_lost_once(tmp_path: Path) -> None:
    kept, _, lost = scan(Shots(), mixed(tmp_path))
    keys = [*kept["key"].to_pylist(), *(key for drop in lost for key in drop.ids)]
    assert len(keys) == len(set(keys)) == 6 * 4 + 10
    assert all(key.startswith("s") and len(key) == 19 for key in keys)


def test_facts(tmp_path: Path) -> None:
    """Numbers as text, coordinates as they are, heights by number; the time twice."""
    beams = {"BEAM0110": {**line(2, lon=-0.4, lat=-0.4), "pft_class": [255, 4]}}
    l4a(tmp_path / L4A_NAME, beams)
    l2a(tmp_path / L2A_NAME, {"BEAM0110": {**line(2), "rh98": [12.5, 13.25]}})
    kept, _, _ = scan(Shots(), tmp_path)
    assert set(Shots().gives) <= set(kept.column_names)
    row = kept.to_pylist()[0]
    assert row["shot_number"] == str(shot_numbers("BEAM0110", 1)[0]).zfill(18)
    assert row["key"] == f"s{row['shot_number']}"
    assert (
        (row["lon"], row["lat"]) == (-0.4, -0.4) == (row["lon_lowestmode"], row["lat_lowestmode"])
    )
    assert (row["beam"], row["beam_type"], row["version"]) == ("BEAM0110", "full", "V2")
    assert (row["rh98"], row["agbd"], row["agbd_se"]) == (12.5, 120.5, 8.25)
    assert row["pft_class"] is None
    assert row["sensed"] == row["_sensed"]
    assert row["sensed"].year == 2020
    assert (row["orbit"], row["track"], row["production"]) == (9168, 1234, 2)
    assert row["granule"] == L4A_NAME.removesuffix(".h5")
    found = mgrs.MGRS().toMGRS(-0.4, -0.4, MGRSPrecision=0)
    assert row["s2_tile"] == found


@pytest.mark.parametrize(
    ("step", "values", "code", "left"),
    [
        (Shots(quality=False), {"l4_quality_flag": [0, 1, 1]}, "", 3),
        (Shots(degrade=False), {"degrade_flag": [70, 1, 1]}, "", 3),
        (Shots(solar=0), {"solar_elevation": [0.0, 0.1, -9999]}, "solar_elevation", 1),
        (Shots(beams="coverage"), {}, "beam_type", 0),
        (Shots(beams="full"), {}, "", 3),
        (Shots(surface=True), {"surface_flag": [1, 0, 255]}, "surface", 1),
        (Shots(stale=True), {"stale_return_flag": [1, 0, 0]}, "stale", 2),
        (Shots(leaf_on=True), {"leaf_off_flag": [1, 0, 255]}, "leaf_off", 1),
        (Shots(urban=50), {"urban_proportion": [50, 51, 255]}, "urban", 1),
        (Shots(water=10), {"landsat_water_persistence": [10, 11, 0]}, "water", 2),
    ],
)
def test_options(tmp_path: Path, step: Shots, values: Any, code: str, left: int) -> None:
    """Each can be switched; a value that is missing meets no rule."""
    path = l4a(tmp_path / L4A_NAME, {"BEAM1000": {**line(3), **values}})
    kept, counts, _ = scan(step, path)
    assert len(kept) == left
    assert counts == ({code: 3 - left} if code else {})


def test_the_rule_of_release_003(tmp_path: Path) -> None:
    """`degrade_include_flag` where it is there, the digits of `degrade_flag` where it is not."""
    name = L4A_NAME.replace("V002", "V003")
    flags = {"degrade_flag": [0, 3, 5, 70], "degrade_include_flag": [1, 1, 0, 0]}
    path = l4a(tmp_path / name, {"BEAM0101": {**line(4), **flags}}, version=3)
    kept, counts, _ = scan(Shots(), path)
    assert (len(kept), counts) == (2, {"degrade": 2})
    import h5py

    with h5py.File(path, "a") as file:
        del file["BEAM0101/degrade_include_flag"]
    assert len(scan(Shots(), path)[0]) == 2
    allowed = {10 * ten + unit for ten in (0, 1, 2, 3, 4, 6) for unit in (0, 3, 8)}
    assert {f for f in range(256) if included(np.array([f]))[0]} == allowed


def test_wrong_biomass_of_the_first_production(tmp_path: Path) -> None:
    """Production 01 of release 002 is counted; 0 takes it; a file of another name is taken."""
    path = l4a(tmp_path / L4A_NAME.replace("_02_V002", "_01_V002"), {"BEAM0101": line(3)})
    assert scan(Shots(), path)[1] == {"production": 3}
    assert len(scan(Shots(production=0), path)[0]) == 3
    assert len(scan(Shots(), path.rename(tmp_path / "mine.h5"))[0]) == 3


def test_region_and_box(tmp_path: Path) -> None:
    """Shots outside the box are never asked for; those outside the region are counted."""
    path = l4a(tmp_path / L4A_NAME, {"BEAM0101": line(100, lon=12, lat=47)})
    region = shapely.box(12.0, 47.0, 12.02, 47.01)
    kept, counts, _ = scan(Shots(), path, bbox=(12.0, 47.0, 12.02, 47.02), region=region)
    assert len(kept) == 26 and counts == {"region": 25}
    triangle = shapely.Polygon([(12, 47.0001), (12.02, 47.0201), (12, 47.0201)])
    kept, counts, _ = scan(Shots(), path, region=triangle)
    assert len(kept) == 0 and counts == {"region": 50}


def test_granules_of_level_2_have_no_biomass(tmp_path: Path) -> None:
    path = l2a(tmp_path / L2A_NAME, {"BEAM0101": line(3)})
    with pytest.raises(SourceError, match=r"1 granule of GEDI L2A; biomass wants L4A"):
        scan(Shots(), path)


def test_a_broken_granule_is_a_row(tmp_path: Path) -> None:
    l4a(tmp_path / L4A_NAME, {"BEAM0101": line(3)})
    (tmp_path / "GEDI04_A_Cut.h5").write_bytes(b"nothing")
    kept, counts, lost = scan(Shots(), tmp_path)
    assert len(kept) == 3 and counts == {"gedi:unreadable": 1}
    assert lost[0].id == "gedi04_a_cut-h5" and lost[0].outcome == "failed"


def spoilt(path: Path, how: str) -> None:
    """An optional dataset that leads to another file, or a chunk of nonsense."""
    if how == "link":
        with h5py.File(path, "a") as file:
            del file["BEAM0101/land_cover_data/pft_class"]
            file["BEAM0101/land_cover_data/pft_class"] = h5py.ExternalLink("/etc/passwd", "/x")
        return
    name = "BEAM0101/rh" if "GEDI02" in path.name else "BEAM0101/agbd"
    with h5py.File(path) as file:
        chunk = file[name].id.get_chunk_info(0)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("how", "code"), [("link", "gedi:external_link"), ("chunk", "gedi:unreadable")]
)
def test_a_granule_that_breaks_while_it_is_read_is_a_row(
    tmp_path: Path, how: str, code: str
) -> None:
    """Its head is good: in a folder the others go on, alone it ends the build."""
    bad = L4A_NAME.replace("O09168", "O09169")
    other = {**line(5, lat=48.0), "shot_number": shot_numbers("BEAM0101", 5, orbit=9169)}
    l4a(tmp_path / L4A_NAME, {"BEAM0101": line(3)})
    spoilt(l4a(tmp_path / bad, {"BEAM0101": other}), how)
    kept, counts, lost = scan(Shots(), tmp_path)
    assert kept["granule"].unique().to_pylist() == [Path(L4A_NAME).stem] and len(kept) == 3
    assert counts == {code: 1}
    assert lost[0].outcome == "failed" and bad in lost[0].message
    with pytest.raises(SourceError, match=bad):
        scan(Shots(), tmp_path / bad)
    (tmp_path / L4A_NAME).unlink()
    (tmp_path / L4A_NAME).write_bytes(b"nothing")
    with pytest.raises(SourceError, match="GEDI04_A"):
        scan(Shots(), tmp_path)


def test_a_broken_granule_of_level_2_costs_no_shot(tmp_path: Path) -> None:
    l4a(tmp_path / L4A_NAME, {"BEAM0101": line(3)})
    spoilt(l2a(tmp_path / L2A_NAME, {"BEAM0101": line(3)}), "chunk")
    kept, counts, _ = scan(Shots(), tmp_path)
    assert len(kept) == 3 and kept["rh98"].null_count == 3
    assert counts == {"gedi:unreadable": 1}


def test_shots_of_a_broken_newer_granule_come_from_the_older(tmp_path: Path) -> None:
    newer = L4A_NAME.replace("_02_V002", "_03_V002")
    l4a(tmp_path / L4A_NAME, {"BEAM0101": line(3)})
    spoilt(l4a(tmp_path / newer, {"BEAM0101": line(3)}), "chunk")
    kept, counts, _ = scan(Shots(), tmp_path)
    assert kept["granule"].to_pylist() == [Path(L4A_NAME).stem] * 3
    assert counts == {"gedi:unreadable": 1}


def test_settings_that_nothing_meets() -> None:
    for wrong in (
        {"sensitivity": 2},
        {"least": 10, "most": 5},
        {"beams": "strong"},
        {"urban": 101},
    ):
        with pytest.raises(ValueError, match=r"footprints\.Shots"):
            Shots(**wrong)  # type: ignore[arg-type]


def test_losses_are_written_as_they_come(tmp_path: Path) -> None:
    """A million losses cost no more memory than some ten thousand, and count up."""

    def lose(count: int, path: Path) -> int:
        tracemalloc.start()
        with dropping(path, "plan") as sink:
            for start in range(0, count, 20_000):
                ids = [f"s{i:018d}" for i in range(start, start + 20_000)]
                nothing = np.full(20_000, np.nan)
                sink(Drops(ids, "footprints.Shots", "l4_quality", "no", nothing, nothing))
            sink(Drop("x", "footprints.Shots", "odd", "at /home/me/x.h5"))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert sink.count == count + 1
        return peak

    small = lose(40_000, tmp_path / "few.parquet")
    large = lose(400_000, tmp_path / "many.parquet")
    assert large < 1.5 * small
    assert reasons([tmp_path / "many.parquet"], ("step", "code")) == {
        ("footprints.Shots", "l4_quality"): 400_000, ("footprints.Shots", "odd"): 1,
    }  # fmt: skip
    last = pq.read_table(tmp_path / "many.parquet").slice(400_000).to_pylist()[0]
    assert (last["key"], last["message"], last["act"]) == ("x", "at x.h5", "plan")
    assert pq.read_table(tmp_path / "many.parquet")["lon"].null_count == 400_001


def test_squares_against_the_reference_library() -> None:
    """Names of 100 km squares everywhere, with Norway, Svalbard and the borders of zones and bands."""
    rng = np.random.default_rng(5)
    lon, lat = rng.uniform(-180, 180, 4000), rng.uniform(-80, 84, 4000)
    edges = [(6.0, 60.0), (3.0, 57.5), (2.9999, 57.5), (11.99, 63.9), (8.99, 78.0), (9.0, 78.0),
             (21.0, 72.0), (33.0, 80.0), (41.99, 83.99), (-180.0, 0.0), (179.9999, -0.0001),
             (0.0, 0.0), (-0.0001, -0.0001), (15.0, 72.0), (15.0, 71.9999)]  # fmt: skip
    lon, lat = np.append(lon, [e[0] for e in edges]), np.append(lat, [e[1] for e in edges])
    library = mgrs.MGRS()
    expected = [
        library.toMGRS(y, x, MGRSPrecision=0).zfill(5) for x, y in zip(lon, lat, strict=True)
    ]
    assert tiles(lon, lat).tolist() == expected
    assert tiles(np.array([0.0, 0.0]), np.array([-80.1, 84.5])).tolist() == ["", ""]


def test_zone_of_a_tile() -> None:
    """EPSG 326zz for bands N to X, 327zz for C to M."""
    assert epsg("30NXM") == 32630
    assert epsg("21LXF") == 32721
    assert epsg("T60HTE") == 32760
    assert epsg("01KAB") == 32701
    for wrong in ("30IXM", "61NXM", "30NXW", "XYZ", ""):
        with pytest.raises(ValueError, match="no MGRS tile"):
            epsg(wrong)
