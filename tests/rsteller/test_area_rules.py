"""Check 2: which closed ways and relations are areas, as the reader hands them on."""

from pathlib import Path

import osmium
import pyarrow as pa
import pytest
from osmium.osm.mutable import Node, Relation, Way

from catalogs.sources.feature_index import FeatureIndex
from catalogs.sources.osm import features

CASES: list[tuple[dict[str, str], str]] = [
    ({"building": "yes"}, "area"),
    ({"building": "no"}, "line"),
    ({"landuse": "forest"}, "area"),
    ({"amenity": "school"}, "area"),
    ({"leisure": "park"}, "area"),
    ({"leisure": "golf_course"}, "area"),
    ({"place": "islet"}, "area"),
    ({"shop": "mall"}, "area"),
    ({"tourism": "zoo"}, "area"),
    ({"historic": "ruins"}, "area"),
    ({"office": "company"}, "area"),
    ({"military": "range"}, "area"),
    ({"golf": "fairway"}, "area"),
    ({"area": "yes"}, "area"),
    ({"area": "yes", "highway": "pedestrian"}, "area"),
    ({"area": "no", "building": "yes"}, "line"),
    ({"area": "no", "leisure": "park"}, "line"),
    ({"highway": "residential"}, "line"),
    ({"highway": "pedestrian"}, "line"),
    ({"highway": "services"}, "area"),
    ({"highway": "rest_area"}, "area"),
    ({"highway": "elevator"}, "area"),
    ({"waterway": "riverbank"}, "area"),
    ({"waterway": "dock"}, "area"),
    ({"waterway": "boatyard"}, "area"),
    ({"waterway": "dam"}, "area"),
    ({"waterway": "stream"}, "line"),
    ({"barrier": "wall"}, "line"),
    ({"barrier": "hedge"}, "line"),
    ({"barrier": "hedge", "area": "yes"}, "area"),
    ({"railway": "station"}, "area"),
    ({"railway": "turntable"}, "area"),
    ({"railway": "roundhouse"}, "area"),
    ({"railway": "platform"}, "area"),
    ({"railway": "rail"}, "line"),
    ({"power": "plant"}, "area"),
    ({"power": "substation"}, "area"),
    ({"power": "generator"}, "area"),
    ({"power": "transformer"}, "area"),
    ({"power": "line"}, "line"),
    ({"natural": "water"}, "area"),
    ({"natural": "coastline"}, "line"),
    ({"natural": "cliff"}, "line"),
    ({"natural": "ridge"}, "line"),
    ({"natural": "arete"}, "line"),
    ({"natural": "tree_row"}, "line"),
    ({"man_made": "works"}, "area"),
    ({"man_made": "cutline"}, "line"),
    ({"man_made": "embankment"}, "line"),
    ({"man_made": "pipeline"}, "line"),
    ({"aeroway": "apron"}, "area"),
    ({"aeroway": "taxiway"}, "line"),
]
"""Tags of a closed way, and what it is."""

RELATIONS: list[tuple[dict[str, str], str | None]] = [
    ({"type": "multipolygon", "natural": "water"}, "area"),
    ({"type": "multipolygon", "highway": "residential"}, "area"),
    ({"type": "boundary", "boundary": "administrative", "admin_level": "8"}, "area"),
    ({"type": "route", "highway": "residential"}, None),
]
"""Tags of a relation of one closed way; None where it is no object on the map."""


@pytest.fixture(scope="module")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every case as a square of its own, every relation around one more."""
    path = tmp_path_factory.mktemp("rules") / "rules.osm.pbf"
    corners = ((0, 0), (1, 0), (1, 1), (0, 1))
    with osmium.SimpleWriter(str(path)) as writer:
        every = len(CASES) + len(RELATIONS)
        for number in range(every):
            for k, (x, y) in enumerate(corners):
                place = (7 + 0.001 * (2 * number + x), 50 + 0.001 * y)
                writer.add_node(Node(id=10 * number + k + 1, location=place, version=1))
        for number in range(every):
            refs = [10 * number + k + 1 for k in (0, 1, 2, 3, 0)]
            tags = CASES[number][0] if number < len(CASES) else {}
            writer.add_way(Way(id=number + 1, nodes=refs, tags=tags, version=1))
        for number, (tags, _) in enumerate(RELATIONS):
            members = [("w", len(CASES) + number + 1, "outer")]
            writer.add_relation(Relation(id=number + 1, members=members, tags=tags, version=1))
    return path


def test_2_closed_ways(extract: Path) -> None:
    """More than thirty sets of tags, among them the exceptions of the spec."""
    assert len(CASES) > 30
    keys = {key for tags, _ in CASES for key in tags}
    table = pa.Table.from_batches(list(features(extract, keys, on_drop=lambda drop: None)))
    ways = zip(
        table["osm_type"].to_pylist(),
        table["osm_id"].to_pylist(),
        table["kind"].to_pylist(),
        strict=True,
    )
    found = {ident: kind for what, ident, kind in ways if what == "way"}
    wrong = [(tags, found[n]) for n, (tags, kind) in enumerate(CASES, 1) if found[n] != kind]
    assert wrong == []


def test_2_relations(extract: Path) -> None:
    """Multipolygons and boundaries are areas, whatever else they carry; routes are no objects."""
    table = FeatureIndex.of(extract).table
    rows = table.filter(pa.compute.equal(table["osm_type"], "relation")).to_pylist()
    found = {row["osm_id"]: row["kind"] for row in rows}
    expected = {n: kind for n, (_, kind) in enumerate(RELATIONS, 1) if kind}
    assert found == expected


def test_the_index_answers_by_place_and_key(extract: Path) -> None:
    """Against a plain look at every row."""
    index = FeatureIndex.of(extract)
    bounds = (7.0105, 50.0, 7.0185, 50.001)
    rows = index.table.to_pylist()
    near = [r for r in rows if r["west"] <= bounds[2] and r["east"] >= bounds[0]]
    assert near and len(near) < len(rows)
    assert index.within(bounds).to_pylist() == near
    some = [r for r in near if '"historic"' in r["tags"] or '"office"' in r["tags"]]
    assert some and index.within(bounds, ["historic", "office"]).to_pylist() == some
    assert len(index.within((8, 50, 9, 51))) == 0
