"""Label rasters: who owns a pixel, whatever the order; how far from the edge; what is never averaged."""

import random
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.features import geometry_mask

from parcel_world import box, context, grid, parcel, sample, shapes
from schemas.errors import Reject
from schemas.samples import Image
from schemas.windows import Grid, from_lonlat, near_metres
from transforms.context import Context
from transforms.crops.coverage import exact
from transforms.crops.declared import unpacked
from transforms.crops.join import Join
from transforms.crops.labels import Labels
from transforms.crops.outlines import drawn_in, projected, unit_sides
from transforms.crops.rasters import covered, edge_distance, painted, ranks

SLANTED = shapely.affinity.rotate(box(103, 88, 391, 304), 31)


def test_the_centre_decides() -> None:
    """Pixel by pixel as a mask of rasterio; no pixel of it is given by a touch."""
    numbers, shared = painted(shapes(SLANTED), np.zeros(1, np.int64), grid())
    place = Affine(*grid().transform)
    expected = geometry_mask([SLANTED], (61, 61), place, invert=True)
    assert np.array_equal(numbers > 0, expected)
    y, x = np.nonzero(numbers)
    a, _, c, _, e, f = grid().transform
    assert shapely.contains_xy(SLANTED, c + a * (x + 0.5), f + e * (y + 0.5)).all()
    assert not shared.any()


def test_touch_takes_more_and_half_the_area_about_as_much() -> None:
    """All-touched holds both others; a pixel by coverage is covered by half at least."""
    order = np.zeros(1, np.int64)
    centre, _ = painted(shapes(SLANTED), order, grid())
    touched, _ = painted(shapes(SLANTED), order, grid(), all_touched=True)
    cover = exact(shapes(SLANTED), grid())
    half, _ = covered(cover, order, grid())
    share = np.zeros(61 * 61)
    share[cover.pixel] = cover.share
    assert np.array_equal(half.ravel() > 0, share >= 0.5)
    assert (touched > 0)[centre > 0].all()
    assert (touched > 0)[half > 0].all()
    assert (touched > 0).sum() > (half > 0).sum()
    assert abs(int((half > 0).sum()) - int((centre > 0).sum())) < 0.03 * (centre > 0).sum()


@pytest.mark.parametrize("rule", ["centre", "all_touched", "coverage"])
def test_the_order_of_parcels_does_not_matter(rule: str) -> None:
    """Overlaps go to the smaller parcel, of equals to the one whose key comes first."""
    fields = {"a": box(0, 0, 300, 300), "b": box(200, 200, 400, 400), "c": box(250, 100, 450, 300),
              "d": box(390, 390, 420, 420)}  # fmt: skip
    seen = set()
    for seed in range(6):
        names = list(fields)
        random.Random(seed).shuffle(names)
        parts = shapes(*(fields[n] for n in names))
        order = ranks(shapely.area(parts), names)
        if rule == "coverage":
            numbers, shared = covered(exact(parts, grid()), order, grid())
        else:
            numbers, shared = painted(parts, order, grid(), rule == "all_touched")
        owner = np.array(["", *names])[numbers]
        seen.add((owner.tobytes(), shared.tobytes()))
    assert len(seen) == 1
    assert owner[22, 22] == "b"  # smaller than a
    assert owner[25, 27] == "b"  # as large as c, and before it
    assert owner[39, 39] == "d"
    assert owner[5, 5] == "a"
    assert owner[55, 55] == ""
    assert shared[22, 22]
    assert shared[25, 27]
    assert not shared[5, 5]


def by_hand(numbers: Any) -> Any:
    """Least distance to a pixel of another number, over sides and corners."""
    y, x = np.mgrid[: numbers.shape[0], : numbers.shape[1]]
    found = np.zeros(numbers.shape, int)
    for row, column in np.argwhere(numbers > 0):
        other = numbers != numbers[row, column]
        apart = np.maximum(abs(y - row), abs(x - column))
        found[row, column] = apart[other].min() if other.any() else 255
    return found


def test_distance_to_the_edge() -> None:
    """As measured pixel against pixel; the rim of the chip is no edge."""
    parts = shapes(
        SLANTED, box(-80, -80, 120, 90), box(400, 300, 900, 900), box(400, 250, 900, 300)
    )
    numbers, _ = painted(parts, np.arange(4), grid())
    found = edge_distance(numbers)
    assert np.array_equal(found, by_hand(numbers))
    assert found.dtype == np.uint32
    assert found[0, 0] > found[0, 11] == 1
    assert (edge_distance(np.ones((5, 5), np.uint32), most=9) == 9).all()


def labelled(*rows: Any, rule: str = "centre") -> Any:
    """A sample through `Join` and `Labels`."""
    ctx = context(*rows)
    one = sample()
    Join().across([one], ctx)
    blank = np.zeros((1, 61, 61), np.uint16)
    one.images["image"] = Image(blank, ("B02",), grid(), 0, np.ones((61, 61), bool))
    return Labels(rule=rule)(one, ctx)


def test_labels_of_a_patch() -> None:
    """Classes and numbers lie on the parcel's pixels; unmapped is 998, the background 0."""
    one = labelled(
        parcel("p1", box(10, 10, 200, 200), "W"),
        parcel("p2", box(200, 10, 400, 200), "M"),
        parcel("p3", box(10, 200, 200, 400), "?"),
    )
    found = one.images["labels"]
    assert found.bands == ("class", "parcel", "edge")
    classes, numbers, edge = found.array
    assert found.array.dtype == np.uint32
    assert set(np.unique(classes).tolist()) == {0, 110, 120, 998}
    assert (classes[1:20, 1:20] == 110).all()
    assert (numbers[1:20, 1:20] == 1).all()
    assert (classes[1:20, 20:40] == 120).all()
    assert (classes[20:40, 1:20] == 998).all()
    assert (classes == 0).sum() == 61 * 61 - 19 * 19 - 2 * 19 * 20
    assert edge[1, 1] == 1
    assert edge[10, 10] == 10
    table = unpacked(one.facts["_numbers"]).to_pylist()
    assert [row["parcel"] for row in table] == ["p1", "p2", "p3"]
    assert [row["pixels"] for row in table] == [361, 380, 380]
    assert table[2]["parcel_id"] == f"{one.id}/3"
    assert one.facts["label_share"] == pytest.approx(1121 / 3721)
    assert one.facts["mapped_share"] == pytest.approx(741 / 3721)
    assert one.facts["shared_share"] == 0


def test_overlaps_are_counted() -> None:
    """And the smaller parcel keeps the pixels."""
    one = labelled(
        parcel("p1", box(0, 0, 300, 300), "W"), parcel("p2", box(100, 100, 200, 200), "M")
    )
    classes = one.images["labels"].array[0]
    assert (classes[10:20, 10:20] == 120).all()
    assert one.facts["shared_share"] == pytest.approx(100 / 3721)


def test_a_patch_of_slivers_has_no_labels() -> None:
    """A parcel that holds no pixel's centre is no label, and a patch of none is dropped."""
    with pytest.raises(Reject, match="no_labels"):
        labelled(parcel("p1", box(11, 11, 14, 300)))
    assert labelled(parcel("p1", box(11, 11, 14, 300)), rule="all_touched").images["labels"]


def test_edges_are_densified() -> None:
    """A long edge that is straight in degrees is not in metres."""
    south = shapely.box(8.0, 47.9, 9.2, 48.0)  # 90 km along a parallel
    coarse, fine = (projected(shapes(south), "EPSG:32632", step)[0] for step in (0.0, 0.002))
    lon = np.linspace(8.0, 9.2, 7919)
    points = shapely.points(*from_lonlat("EPSG:32632", lon, np.full(len(lon), 47.9)))
    assert shapely.distance(coarse.boundary, points).max() > 50
    assert shapely.distance(fine.boundary, points).max() < 0.01


def test_the_rim_is_drawn_in() -> None:
    """By metres on the ground; what is too narrow is gone, not turned inside out."""
    wide, narrow = drawn_in(shapes(box(0, 0, 100, 200), box(0, 0, 15, 200)), 10, (1.0, 1.0))
    assert wide.equals(box(10, 10, 90, 190))
    assert narrow.is_empty
    mercator = drawn_in(shapes(box(0, 0, 100, 200)), 10, (0.5, 0.5))[0]
    assert mercator.equals(box(20, 20, 80, 180))


def test_the_rim_is_as_wide_everywhere_in_degrees() -> None:
    """A degree of longitude is shorter than one of latitude."""
    degrees = Grid("EPSG:4326", (0.0001, 0.0, 10.0, 0.0, -0.0001, 49.92), 100, 400)
    found = drawn_in(shapes(shapely.box(10.0, 49.9, 10.01, 49.91)), 10, unit_sides(degrees))[0]
    west, south, _, _ = found.bounds
    assert near_metres(10.0, 49.9, west, 49.9) == pytest.approx(10, rel=1e-3)
    assert near_metres(10.0, 49.9, 10.0, south) == pytest.approx(10, rel=1e-3)


def test_an_unknown_rule_is_refused() -> None:
    """When the recipe is read."""
    with pytest.raises(ValueError, match="centre, all_touched, coverage"):
        Labels(rule="bilinear")


def test_nothing_is_opened() -> None:
    """Labels come from what the plan carries: `make` needs no source."""
    one = labelled(parcel("p1", box(10, 10, 200, 200)))
    assert Labels()(one, Context()).images["labels"].grid == Grid(**_fields(grid()))


def _fields(on: Grid) -> dict[str, Any]:
    return {name: getattr(on, name) for name in ("crs", "transform", "width", "height", "tile")}
