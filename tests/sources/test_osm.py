"""Reading OSM extracts: whole files only, one row for each object, nothing personal."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import osmium
import pytest
import shapely

from catalogs.sources.osm import inspect, open_osm
from catalogs.sources.osm_tags import bits, is_area
from osm_world import REAL, World, counted, rows, small_town
from schemas.errors import UsageError
from tests.real_data import real

ROOT = Path(__file__).parents[2]
KEYS = ["building", "highway", "landuse", "natural", "amenity", "leisure", "railway"]


@pytest.fixture
def town() -> World:
    return small_town()


def test_one_row_for_each_object_with_its_shape(town: World, tmp_path: Path) -> None:
    found, drops = rows(town.write(tmp_path / "a.osm.pbf"), KEYS)
    assert not drops
    assert [(r["osm_type"], r["osm_id"], r["kind"]) for r in found] == [
        ("node", 1, "point"), ("way", 5, "area"), ("way", 6, "line"), ("way", 7, "line"),
        ("relation", 3, "area"),
    ]  # fmt: skip
    assert found[0]["tags"] == '{"amenity":"bench","name":"Bank am See"}'
    wood = shapely.from_wkb(found[4]["geometry"])
    assert wood.geom_type == "Polygon" and wood.is_valid and len(wood.interiors) == 1
    assert wood.exterior.is_ccw
    assert wood.area == pytest.approx(1e-4 - 1e-6)
    house = found[1]
    assert (house["west"], house["south"], house["east"], house["north"]) == (
        10,
        50,
        10.001,
        50.001,
    )


@pytest.mark.parametrize("suffix", [".osm", ".osm.bz2", ".osm.gz"])
def test_every_format_gives_the_same_rows(town: World, tmp_path: Path, suffix: str) -> None:
    one = rows(town.write(tmp_path / "a.osm.pbf"), KEYS)
    assert rows(town.write(tmp_path / f"b{suffix}"), KEYS) == one
    assert inspect(tmp_path / f"b{suffix}").format == suffix[1:]


def test_format_is_found_by_content_not_by_name(town: World, tmp_path: Path) -> None:
    path = town.write(tmp_path / "a.osm.pbf").rename(tmp_path / "download")
    assert inspect(path).format == "pbf"
    assert len(rows(path, KEYS)[0]) == 5


@pytest.mark.parametrize(
    "options", ["pbf_dense_nodes=false", "pbf_compression=none", "locations_on_ways=true",
                "add_metadata=none", "pbf_compression=lz4"]
)  # fmt: skip
def test_every_variant_of_pbf(town: World, tmp_path: Path, options: str) -> None:
    plain = town.write(tmp_path / "a.osm.pbf")
    path = tmp_path / "b.osm.pbf"
    places = osmium.NodeLocationsForWays(osmium.index.create_map("flex_mem"))
    with osmium.SimpleWriter(osmium.io.File(str(path), f"pbf,{options}")) as writer:
        if "ways" in options:
            osmium.apply(str(plain), places, _WithoutNodes(writer))
        else:
            osmium.apply(str(plain), writer)
    found, drops = rows(path, KEYS)
    assert not drops
    wanted = [row for row in rows(plain, KEYS)[0] if "ways" not in options or row["osm_id"] > 1]
    for row in wanted if "metadata" in options else ():
        row["version"] = 0
    assert found == wanted


class _WithoutNodes(osmium.SimpleHandler):
    def __init__(self, writer: osmium.SimpleWriter) -> None:
        super().__init__()
        self.way = writer.add_way
        self.relation = writer.add_relation


def test_batches_do_not_change_rows(town: World, tmp_path: Path) -> None:
    path = town.write(tmp_path / "a.osm.pbf")
    assert rows(path, KEYS, batch_rows=1) == rows(path, KEYS)


def test_times_are_utc_and_null_where_absent(tmp_path: Path) -> None:
    world = World()
    world.node((1, 1), {"natural": "tree"}, timestamp="2019-04-21T10:00:00Z")
    world.node((1, 2), {"natural": "tree"})
    found, _ = rows(world.write(tmp_path / "a.osm.pbf"), ["natural"])
    assert found[0]["timestamp"].isoformat() == "2019-04-21T10:00:00+00:00"
    assert found[1]["timestamp"] is None
    assert found[0]["version"] == 1


@pytest.mark.parametrize(
    ("tags", "area"),
    [
        ({"building": "yes"}, True),
        ({"building": "no"}, False),
        ({"highway": "pedestrian"}, False),
        ({"highway": "pedestrian", "area": "yes"}, True),
        ({"landuse": "grass", "area": "no"}, False),
        ({"highway": "services"}, True),
        ({"barrier": "fence"}, False),
        ({"barrier": "fence", "landuse": "farmyard"}, True),
        ({"natural": "coastline"}, False),
        ({"natural": "water"}, True),
        ({"railway": "rail"}, False),
        ({"railway": "platform"}, True),
        ({"leisure": "track"}, False),
        ({"leisure": "pitch"}, True),
        ({"waterway": "riverbank"}, True),
        ({"power": "line"}, False),
        ({"man_made": "pier"}, True),
        ({}, False),
    ],
)
def test_polygon_rule(tags: dict[str, str], area: bool) -> None:
    said = 0
    for key, value in tags.items():
        said |= bits(key, value)
    assert is_area(np.array([said])).tolist() == [area]


def test_bbox_keeps_what_is_centred_in_it(tmp_path: Path) -> None:
    world = World()
    for lon in (10.0, 20.0, 179.9, -179.9):
        world.node((lon, 0), {"natural": "tree"})
    path = world.write(tmp_path / "a.osm.pbf")

    def ids(bbox: tuple[float, float, float, float]) -> list[int]:
        return [row["osm_id"] for row in rows(path, ["natural"], bbox=bbox)[0]]

    assert ids((9, -1, 11, 1)) == [1]
    assert ids((179, -1, -179, 1)) == [3, 4]
    assert ids((50, -1, 51, 1)) == []


def test_order_of_types_does_not_matter(town: World, tmp_path: Path) -> None:
    """Some services write ways before their nodes."""
    path = tmp_path / "a.osm.pbf"
    with osmium.SimpleWriter(str(path)) as writer:
        for thing in [*town.relations, *reversed(town.ways), *reversed(town.nodes)]:
            writer.add(thing)
    found, drops = rows(path, KEYS)
    assert not drops
    straight, _ = rows(town.write(tmp_path / "b.osm.pbf"), KEYS)
    by_id = {(row["osm_type"], row["osm_id"]): row for row in found}
    assert [by_id[row["osm_type"], row["osm_id"]] for row in straight] == straight


@pytest.mark.realdata
@pytest.mark.parametrize("name", REAL)
def test_real_rows_and_drops_are_an_independent_count(name: str) -> None:
    path = real(REAL[name])
    total = counted(path, KEYS)
    for keys in (KEYS, *([key] for key in KEYS)):
        found, drops = rows(path, keys)
        seen = Counter(row["osm_type"] for row in found) + Counter(drop.osm_type for drop in drops)
        assert seen == total[keys[0] if len(keys) == 1 else ""], keys
        assert len({(row["osm_type"], row["osm_id"]) for row in found}) == len(found)
        assert all(json.loads(row["tags"]).keys() & set(keys) for row in found)
        assert shapely.is_valid(shapely.from_wkb([row["geometry"] for row in found])).all()


@pytest.mark.realdata
@pytest.mark.parametrize("name", REAL)
def test_real_areas_agree_with_osmium_s_assembler(name: str) -> None:
    path = real(REAL[name])
    found, _ = rows(path, KEYS)
    keep, factory = osmium.filter.KeyFilter(*KEYS), osmium.geom.WKBFactory()
    made = {}
    for thing in osmium.FileProcessor(str(path)).with_areas(keep).with_filter(keep):
        if thing.is_area() and thing.num_rings()[0]:
            who = ("way" if thing.from_way() else "relation", thing.orig_id())
            made[who] = shapely.from_wkb(factory.create_multipolygon(thing))
    ours = {
        (row["osm_type"], row["osm_id"]): shapely.from_wkb(row["geometry"])
        for row in found
        if row["kind"] == "area"
    }
    relations = {who for who in made if who[0] == "relation"}
    assert {who for who in ours if who[0] == "relation"} == relations
    assert ours.keys() <= made.keys()  # osmium also makes areas of roundabouts and fences
    assert all(shapely.equals(area, made[who]) for who, area in ours.items())


@pytest.mark.realdata
def test_real_banepa_has_1466_buildings() -> None:
    found, drops = rows(real("banepa_oam_osm/banepa_buildings_derived.osm.pbf"))
    assert (len(found), drops) == (1466, [])
    assert {row["kind"] for row in found} == {"area"}
    assert {row["timestamp"] for row in found} == {None}


@pytest.mark.realdata
def test_real_header() -> None:
    extract = open_osm(real(REAL["andorra"])).extract
    assert extract.timestamp == "2013-05-28T18:59:04Z"
    assert extract.bbox == (1.422104, 42.43509, 1.780386, 42.65717)


def test_same_bytes_under_any_hash_seed_and_without_pandas(town: World, tmp_path: Path) -> None:
    path = town.write(tmp_path / "a.osm.pbf")
    script = (
        "import hashlib, sys, pathlib\n"
        "from catalogs.sources.osm import features\n"
        f"keys = set({KEYS!r})\n"
        "parts = list(features(pathlib.Path(sys.argv[1]), keys, on_drop=print))\n"
        "assert 'pandas' not in sys.modules\n"
        "data = b''.join(bytes(b) for p in parts for c in p.columns for b in c.buffers() if b)\n"
        "print(hashlib.sha256(data).hexdigest())\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script, str(path)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }  # fmt: skip
    assert len(outputs) == 1


def test_no_keys_is_a_usage_error(town: World, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        rows(town.write(tmp_path / "a.osm.pbf"), [])
