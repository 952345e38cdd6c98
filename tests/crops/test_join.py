"""Parcels of the right year meet the right patch, and what is not known is counted."""

import pyarrow as pa
import pytest
import shapely

from parcel_world import FewParcels, box, context, grid, parcel, sample
from schemas.errors import BuildError, Reject, SourceError
from schemas.windows import Grid
from transforms.crops.declared import packed, unpacked
from transforms.crops.join import Join
from transforms.crops.limits import Least, Mapped, OneSide


def test_parcels_of_the_year_that_share_area() -> None:
    """Neighbours that only touch the patch, and other years, are not among them."""
    ctx = context(
        parcel("inside", box(100, 100, 200, 200), "W"),
        parcel("across", box(500, 500, 900, 900), "M"),
        parcel("beside", box(610, 0, 700, 100), "W"),
        parcel("far", box(5000, 0, 5100, 100), "W"),
        parcel("older", box(100, 300, 200, 400), "W", year=2020),
    )
    one, two = sample(), sample("2020_32utp_patch_0_0", 2020)
    assert Join().across([one, two], ctx) == [one, two]
    assert unpacked(one.facts["_parcels"])["key"].to_pylist() == ["across", "inside"]
    assert unpacked(two.facts["_parcels"])["key"].to_pylist() == ["older"]
    assert (one.facts["parcels"], one.facts["parcels_mapped"]) == (2, 2)
    assert one.facts["classes"] == "110,120"
    assert one.facts["main_class"] == "Maize"  # more of its area lies within
    assert one.facts["country"] == "XW"
    source = ctx.sources["parcels"]
    assert isinstance(source, FewParcels)
    assert [year for _, year in source.asked] == [2020, 2021]  # once a year, not once a patch


def test_a_register_without_a_year_is_refused() -> None:
    """It would be in no patch, without a word."""
    ctx = context(parcel("p", box(10, 10, 90, 90), year=0))
    ctx.sources["parcels"].undated = ("east.gpkg",)
    with pytest.raises(SourceError, match=r"east\.gpkg says no year of harvest"):
        Join().across([sample()], ctx)


def test_reaches_are_metres_on_grids_of_degrees_too() -> None:
    """A parcel of 8.6 km that leaves the patch may be in two splits."""
    degrees = Grid("EPSG:4326", (0.0001, 0.0, 10.0, 0.0, -0.0001, 50.0), 366, 366)
    row = parcel("long", box(0, 0, 1, 1))
    row["geometry"] = shapely.to_wkb(shapely.box(10.03, 49.98, 10.15, 49.985))
    one = sample(on=degrees)
    Join().across([one], context(row))
    name, _, reach = str(one.facts["_wide"]).partition(":")
    assert name == "long" and float(reach) == pytest.approx(8_625, rel=0.005)
    part = pa.table({"split": ["test"], "_wide": [one.facts["_wide"]]})
    assert OneSide().count(part) == {"long test": 1}


def test_outlines_come_back_in_metres() -> None:
    """Within a centimetre of where they were drawn."""
    shape = shapely.affinity.rotate(box(100, 100, 300, 240), 20)
    one = sample()
    Join().across([one], context(parcel("p", shape)))
    found = shapely.from_wkb(unpacked(one.facts["_parcels"])["geometry"][0].as_py())
    assert shapely.area(found ^ shape) < 0.01 * shape.length


def test_a_parcel_belongs_to_each_patch_that_it_crosses() -> None:
    """With the same key, and only there it is called wide."""
    east = Grid(grid().crs, (10.0, 0.0, grid().bounds()[2], 0.0, -10.0, grid().bounds()[3]), 61, 61)
    one, two = sample(), sample("2021_32utp_patch_0_1", on=east)
    rows = parcel("p", box(500, 100, 700, 200)), parcel("q", box(10, 10, 90, 90))
    Join().across([one, two], context(*rows))
    assert unpacked(one.facts["_parcels"])["key"].to_pylist() == ["p", "q"]
    assert unpacked(two.facts["_parcels"])["key"].to_pylist() == ["p"]
    assert one.facts["_wide"] == two.facts["_wide"] == "p:224"


def test_the_plan_is_the_same_whatever_the_partition() -> None:
    """Alone or among others a patch gets the same bytes."""
    rows = [parcel(f"p{i}", box(40 * i, 13 * i, 40 * i + 37, 13 * i + 60)) for i in range(12)]
    alone, first, second = sample(), sample(), sample("2021_32utp_patch_3_3")
    Join().across([alone], context(*rows))
    Join().across([second, first], context(*reversed(rows)))
    assert alone.facts == first.facts


def test_patches_without_parcels_are_dropped_by_name() -> None:
    """Before any pixel is read."""
    empty, unknown, good = sample(), sample(), sample()
    Join().across([empty], context(parcel("far", box(9000, 0, 9100, 100))))
    Join().across([unknown], context(parcel("p", box(0, 0, 100, 100), "?")))
    Join().across([good], context(parcel("p", box(0, 0, 100, 100))))
    with pytest.raises(Reject, match="no_parcels"):
        Least()(empty, context())
    with pytest.raises(Reject, match="no_known_crop"):
        Least()(unknown, context())
    assert Least()(good, context()) is good
    assert empty.facts["country"] is None


def part(*rows: tuple[str, int, int]) -> pa.Table:
    """Rows of a plan."""
    country, parcels, mapped = zip(*rows, strict=True)
    return pa.table({"country": country, "parcels": parcels, "parcels_mapped": mapped})


def test_too_many_unknown_crops_stop_the_build() -> None:
    """By country, over all partitions: one good country does not hide another."""
    step = Mapped(unmapped=0.3)
    totals: dict[str, int] = {}
    parts = part(("XW", 100, 100), ("XE", 10, 8)), part(("XE", 10, 5))
    for one in parts:
        for name, number in step.count(one).items():
            totals[name] = totals.get(name, 0) + number
    with pytest.raises(BuildError, match=r"7 of 20 parcels of XE \(35%\)"):
        step.decide(parts[0], totals, context())
    assert Mapped(unmapped=0.35).decide(parts[0], totals, context()) == {}


def test_a_long_parcel_is_on_one_side() -> None:
    """Of a parcel that patches of several splits show, test keeps its patch."""
    table = pa.table(
        {
            "split": ["train", "val", "test", "train", "train"],
            "_wide": ["long:6000", "long:6000 x:50", "", "short:200", "other:9000"],
        }
    )
    step = OneSide(reach_m=1000)
    totals = step.count(table)
    assert "short train" not in totals
    lost = step.decide(table, totals, context())
    assert set(lost) == {0}
    assert lost[0] == ("parcel_shared", "a patch of val shows parcel long too")


def test_packed_tables_are_the_same_bytes() -> None:
    """However their chunks lie."""
    whole = pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    torn = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])
    assert packed(whole) == packed(torn)
    assert unpacked(packed(torn)).equals(whole)
