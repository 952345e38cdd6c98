"""The sample world's registers: their faults are found, and their crops get the codes of the truth."""

from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import shapely

from catalogs.sources.crop_codes import Codes, open_codes
from catalogs.sources.crop_report import Tally
from catalogs.sources.parcels import Parcels, open_parcels
from catalogs.world import codes as truth
from catalogs.world import parcels as registers
from catalogs.world.layout import Place, lay_out
from catalogs.world.sites import SITES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The registers and code tables alone: they need no pixels."""
    folder = tmp_path_factory.mktemp("registers")
    there = everywhere()
    registers.gather(there, folder / "parcels", ())
    truth.gather(there, folder / "codes", ())
    return folder


@cache
def everywhere() -> tuple[Place, ...]:
    return tuple(map(lay_out, SITES))


@pytest.fixture(scope="module")
def parcels(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Parcels:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARTHLOOM_CACHE", str(tmp_path_factory.mktemp("cache")))
        return open_parcels(world / "parcels")


@pytest.fixture(scope="module")
def codes(world: Path) -> Codes:
    return open_codes(world / "codes")


def table(parcels: Parcels) -> pa.Table:
    return pa.concat_tables(parcels.batches())


def test_every_declaration_is_there_once_with_its_outline(parcels: Parcels) -> None:
    found = {(r["country"], r["year"], r["id"]): r for r in table(parcels).to_pylist()}
    expected = dropped = 0
    for country, years, epsg in (("XW", registers.WEST, 32632), ("XE", registers.EAST, 32633)):
        for year in years:
            rows, faults = registers.declared(everywhere(), year, epsg)
            expected += len({row.id for row in rows}) - 1
            dropped += 2
            assert (country, year, faults["bow_tie"]) not in found
            for row in rows:
                if row.id == faults["bow_tie"]:
                    continue
                got = found[country, year, row.id]
                shape = shapely.from_wkb(got["geometry"])
                shared = shapely.intersection(shape, row.shape.buffer(0)).area
                assert shared == pytest.approx(shape.area, rel=1e-6)
                if row.id != faults["small_crossing"]:
                    assert got["area_m2"] == pytest.approx(row.area, rel=1e-3)
                    assert got["declared_m2"] == pytest.approx(row.area, abs=1, rel=1e-3)
    assert len(found) == len(parcels) == expected
    counts = parcels.counts
    assert (counts["duplicate"], counts["geometry"], counts["repaired"]) == (3, 3, 3)
    assert counts["read"] == expected + dropped
    assert sorted({d["code"] for d in parcels.drops().to_pylist()}) == ["duplicate", "geometry"]


def test_crops_get_the_codes_of_the_truth(parcels: Parcels, codes: Codes) -> None:
    mapped = codes.map(table(parcels))
    names = {(list_, name): crop for crop in truth.CROPS.values()
             for list_, name in (("XW", crop.west), ("XE", crop.east))}  # fmt: skip
    unknown = 0
    for row in mapped.to_pylist():
        crop = names.get((row["code_list"], row["crop_name"]))
        if crop is None:
            unknown += 1
            assert row["mapping_status"] == "unmapped" and row["crop_name"] == truth.UNKNOWN[1]
            continue
        assert (row["s4a_code"], row["hcat3_code"], row["hcat4_code"], row["usage"]) == (
            crop.icc, crop.hcat3, crop.hcat4, crop.usage,
        )  # fmt: skip
        assert row["s4a_by"] == "table"
    assert unknown == 3
    tally = Tally(codes)
    tally.add(mapped)
    assert 0.95 < tally.report()["schemes"]["s4a"]["share"] < 1


def test_terms_and_dates_of_the_registers(parcels: Parcels, codes: Codes) -> None:
    assert {about.licence for about in parcels.abouts} == {"CC0-1.0"}
    rows = table(parcels)
    assert set(rows["collection"].to_pylist()) == {"world-west", "world-east"}
    west = np.array(rows["country"].to_pylist()) == "XW"
    days = np.array([d and d.isoformat()[5:10] for d in rows["determined"].to_pylist()])
    assert set(days[west]) == {"05-15"} and set(days[~west]) == {None}
    assert all(about.licence for about in codes.abouts)
