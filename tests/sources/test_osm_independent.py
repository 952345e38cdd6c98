"""Tables of real extracts against others' reading of the same files: osmium's own counts and areas.

Every difference is explained by object: nothing is left as "about the same".
"""

import json
import shutil
import subprocess
from collections import Counter, defaultdict
from typing import Any

import osmium
import pytest
import shapely

from catalogs.sources.feature_table import FeatureTable
from catalogs.sources.osm_features import feature_table
from catalogs.sources.osm_tags import public_key, tags_json
from osm_world import REAL
from tests.real_data import real

ONLY_TYPE = {"andorra": {1161383, 1477177, 1477179}}
"""Relations without a tag but `type`: osmium's export counts them as untagged, we keep them."""

Who = tuple[str, int]
NAMES = {"n": "node", "w": "way", "r": "relation"}

pytestmark = [pytest.mark.realdata, pytest.mark.slow]


@pytest.fixture(scope="module", params=REAL)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Name, extract and table of a real extract."""
    path = real(REAL[request.param])
    table = feature_table(path, tmp_path_factory.mktemp(request.param), workers=2)
    return request.param, path, table


def everything(table: FeatureTable) -> list[dict[str, Any]]:
    return table.within((-180, -90, 180, 90)).to_pylist()


def keys_of(rows: list[dict[str, Any]]) -> dict[tuple[str, str], set[int]]:
    """Ids by type and key."""
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    for row in rows:
        for key in json.loads(row["tags"]):
            found[row["osm_type"], key].add(row["osm_id"])
    return found


def test_counts_by_type_and_key_are_osmium_s_own(made: Any) -> None:
    _, path, table = made
    both = [*everything(table), *table.drops().to_pylist()]
    ours = keys_of(both)
    theirs: dict[tuple[str, str], set[int]] = defaultdict(set)
    kept_back: set[tuple[str, str, int]] = set()
    tagged: Counter[str] = Counter()
    for thing in osmium.FileProcessor(str(path)):
        name, tags = NAMES[thing.type_str()], {tag.k: tag.v for tag in thing.tags}
        tagged[name] += tags_json(tags.items()) != "{}"
        for key, value in tags.items():
            if public_key(key) == key:
                theirs[name, key].add(thing.id)
                if tags_json([(key, value)]) == "{}":  # an address or number, under whatever key
                    kept_back.add((name, key, thing.id))
    assert len(theirs) > 50
    assert ours.keys() <= theirs.keys()
    for who, ids in theirs.items():
        hidden = {ident for name, key, ident in kept_back if (name, key) == who}
        assert ours.get(who, set()) == ids - hidden, who
    assert len(kept_back) < 5
    assert Counter(row["osm_type"] for row in both) == tagged
    assert len(both) == table.about["rows"] + sum(table.about["drops"].values())


def test_counts_by_key_are_those_of_osmium_tool(made: Any) -> None:
    _, path, table = made
    said = osmium_tool("tags-count", str(path))
    theirs = {json.loads(key): int(count) for count, key in (line.split("\t") for line in said.splitlines())}  # fmt: skip
    assert len(theirs) > 30
    ours: dict[str, int] = defaultdict(int)
    for (_, key), ids in keys_of([*everything(table), *table.drops().to_pylist()]).items():
        ours[key] += len(ids)
    for key, count in theirs.items():
        assert ours.get(key, 0) == (count if public_key(key) == key else 0), key
    assert ours.keys() <= {public_key(key) for key in theirs}


def test_areas_are_those_of_osmium_tool(made: Any) -> None:
    name, path, table = made
    said = osmium_tool(
        "export", "-f", "geojsonseq", "-a", "type,id", "--geometry-types=polygon", str(path)
    )
    theirs: dict[Who, tuple[Any, dict[str, Any]]] = {}
    for line in filter(str.strip, said.split("\x1e")):
        feature = json.loads(line)
        tags = feature["properties"]
        who = (tags.pop("@type"), tags.pop("@id"))
        theirs[who] = (shapely.geometry.shape(feature["geometry"]), tags)
    rows = {(row["osm_type"], row["osm_id"]): row for row in everything(table)}
    ours = {who: row for who, row in rows.items() if row["kind"] == "area"}
    assert len(ours) > 30
    for who, row in ours.items():
        if who in theirs:
            shape, their = shapely.from_wkb(row["geometry"]), theirs[who][0]
            assert shape.area == pytest.approx(their.area, rel=1e-3), who
            assert shape.symmetric_difference(their).area <= 1e-3 * their.area, who
    assert {ident for kind, ident in ours.keys() - theirs.keys()} == ONLY_TYPE.get(name, set())
    for who in theirs.keys() - ours.keys():  # closed ways that by the polygon rules are lines
        tags = theirs[who][1]
        if tags_json(tags.items()) == "{}":
            assert who not in rows
        else:
            assert rows[who]["kind"] == "line", who
            assert not {"building", "landuse", "amenity"} & tags.keys(), who


def test_areas_are_those_of_the_library_s_handler(made: Any) -> None:
    name, path, table = made
    factory = osmium.geom.WKBFactory()
    theirs: dict[Who, float] = {}
    for thing in osmium.FileProcessor(str(path)).with_areas():
        if thing.is_area() and thing.num_rings()[0] and len(thing.tags):
            shape = shapely.from_wkb(factory.create_multipolygon(thing))
            theirs["way" if thing.from_way() else "relation", thing.orig_id()] = shape.area
    bare = {("relation", ident) for ident in ONLY_TYPE.get(name, ())}
    ours = {
        (row["osm_type"], row["osm_id"]): shapely.from_wkb(row["geometry"]).area
        for row in everything(table)
        if row["kind"] == "area" and (row["osm_type"], row["osm_id"]) not in bare
    }
    assert ours.keys() <= theirs.keys()
    assert {who for who in theirs if who[0] == "relation"} == {who for who in ours if who[0] == "relation"}  # fmt: skip
    for who, area in ours.items():
        assert area == pytest.approx(theirs[who], rel=1e-3), who


def test_what_is_no_row_has_a_reason_that_holds(made: Any) -> None:
    """Each drop is checked against the file by a plain loop: members that are not there, and so on."""
    _, path, table = made
    ways: dict[int, list[int]] = {}
    nodes: set[int] = set()
    relations: dict[int, tuple[str, set[int]]] = {}
    for thing in osmium.FileProcessor(str(path)):
        if thing.is_node():
            nodes.add(thing.id)
        elif thing.is_way():
            ways[thing.id] = [node.ref for node in thing.nodes]
        else:
            inner = {member.ref for member in thing.members if member.type == "w"}
            relations[thing.id] = (thing.tags.get("type", ""), inner)
    for drop in table.drops().to_pylist():
        who, code = (drop["osm_type"], drop["osm_id"]), drop["code"]
        if who[0] == "relation":
            kind, inner = relations[who[1]]
            if code == "not_spatial":
                assert kind not in ("multipolygon", "boundary") or not inner, who
            else:
                assert code == "members_missing", who
                gone = sum(way not in ways or not nodes.issuperset(ways[way]) for way in inner)
                assert drop["message"] == f"{gone} of {len(inner)} member ways are missing"
        elif code == "members_missing":
            assert not nodes.issuperset(ways[who[1]]), who
        else:
            assert code == "geometry_unclosed", who
            assert ways[who[1]][0] != ways[who[1]][-1], who


def osmium_tool(*argv: str) -> str:
    """What osmium-tool says."""
    if shutil.which("osmium") is None:
        pytest.skip("osmium-tool is not installed")
    done = subprocess.run(["osmium", *argv], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout
