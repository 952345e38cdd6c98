"""OSM extracts that are cut, damaged, broken or hostile (numbers: the fault matrix)."""

import contextlib
import hashlib
import json
import unicodedata
import zlib
from pathlib import Path

import osmium
import pyarrow as pa
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalogs.sources.osm import Expect, OsmDrop, features, inspect, open_osm
from catalogs.sources.osm_tags import tags_json
from catalogs.sources.pbf_file import blobs
from osm_world import World, counted, rows, small_town, square
from schemas.errors import SourceError, UsageError
from schemas.text import clean

KEYS = ["building", "highway", "landuse", "natural", "amenity", "leisure", "railway"]


@pytest.fixture
def town() -> World:
    return small_town()


def test_unknown_needs_of_a_file_are_named(tmp_path: Path) -> None:
    head = zlib.compress(b"\x22\x0eOsmSchema-V0.6\x22\x06Future")
    blob = b"\x10\x18\x1a" + bytes([len(head)]) + head
    path = tmp_path / "b.osm.pbf"
    name = b"\x0a\x09OSMHeader\x18" + bytes([len(blob)])
    path.write_bytes(len(name).to_bytes(4, "big") + name + blob)
    with pytest.raises(SourceError, match="needs Future: rewrite it with `osmium cat"):
        open_osm(path)


@given(st.data())
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_fault_50_any_damage_is_a_source_error_or_harmless(
    town: World, tmp_path: Path, data: st.DataObject
) -> None:
    plain, path = tmp_path / "a.osm", tmp_path / "b.osm.pbf"
    if not plain.exists():
        town.write(plain)
        with osmium.SimpleWriter(osmium.io.File(str(path), "pbf,pbf_compression=none")) as writer:
            osmium.apply(str(plain), writer)
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    broken = tmp_path / "c.osm.pbf"
    broken.write_bytes(whole)
    with contextlib.suppress(SourceError):
        rows(broken, KEYS)


def test_fault_49_pbf_cut_at_a_blob_boundary(tmp_path: Path) -> None:
    world = World()
    for index in range(20_000):
        world.node((index / 1e4, 1), {"natural": "tree"})
    path = world.write(tmp_path / "a.osm.pbf")
    whole = path.read_bytes()
    with path.open("rb") as stream:
        *_, (start, _, size) = blobs(stream, path)
    last = whole.rindex(b"\x0a\x07OSMData") - 4
    assert start + size == len(whole)
    digest = hashlib.md5(whole).hexdigest()
    path.write_bytes(whole[:last])
    assert "unverified" in inspect(path).note
    assert 0 < len(rows(path, ["natural"])[0]) < 20_000  # the library sees no fault
    with pytest.raises(SourceError, match=f"has {last} bytes, expected {len(whole)}"):
        open_osm(path, Expect(size=len(whole)))
    with pytest.raises(SourceError, match="sha256"):
        open_osm(path, Expect(sha256=hashlib.sha256(whole).hexdigest()))
    path.with_name("a.osm.pbf.md5").write_text(f"{digest}  a.osm.pbf\n")
    with pytest.raises(SourceError, match=r"md5 in a\.osm\.pbf\.md5"):
        open_osm(path)
    path.write_bytes(whole)
    assert inspect(path).note == ""
    assert inspect(path).sha256 == hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.999])
def test_fault_50_pbf_cut_elsewhere(town: World, tmp_path: Path, share: float) -> None:
    path = town.write(tmp_path / "a.osm.pbf")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(
        SourceError, match=r"a\.osm\.pbf .*(cut|damaged|no OSM extract|no supported)"
    ):
        open_osm(path)


@pytest.mark.parametrize("suffix", [".osm", ".osm.bz2", ".osm.gz"])
def test_fault_50_text_cut(town: World, tmp_path: Path, suffix: str) -> None:
    path = town.write(tmp_path / f"a{suffix}")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(SourceError, match=r"a\.osm"):
        list(open_osm(path).features(KEYS, None, lambda drop: None))


def test_fault_50_flipped_byte(town: World, tmp_path: Path) -> None:
    path = town.write(tmp_path / "a.osm.pbf")
    whole = bytearray(path.read_bytes())
    whole[-30] ^= 0xFF
    path.write_bytes(whole)
    with pytest.raises(SourceError, match=r"a\.osm\.pbf is damaged at byte \d+ \("):
        rows(path, KEYS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"", "is empty"),
        (b"<!DOCTYPE html><html><body>503</body></html>", "web page"),
        (b"\x89PNG\r\n\x1a\n", "no supported kind: expected .osm.pbf"),
        (b"<?xml version='1.0'?><kml></kml>", "no supported kind"),
        (b"\x1f\x8bnot gzip at all", "damaged"),
    ],
)
def test_fault_50_not_an_osm_file(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.osm.pbf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        open_osm(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_history_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.osm.pbf"
    file = osmium.io.File(str(path), "pbf")
    file.has_multiple_object_versions = True
    with osmium.SimpleWriter(file) as writer:
        writer.add_node(osmium.osm.mutable.Node(id=1, location=(1, 1), version=1))
    with pytest.raises(SourceError, match="snapshot"):
        inspect(path)


def test_fault_51_broken_geometry_is_reported_once(tmp_path: Path) -> None:
    world, house = World(), {"building": "yes"}
    world.way(1, square((0, 0)), house, closed=True)
    world.way(2, [(1, 1), (2, 2), (2, 1), (1, 2)], house, closed=True)  # bow tie
    world.way(3, [(1, 1), (2, 1)], house, closed=True)  # there and back
    world.way(4, square((3, 3)), house)  # open
    world.way(5, [(5, 5), (5, 5)], {"building": "yes", "highway": "path"})
    world.way(6, [(6, 6), (6.5, 6), (7, 6)], house, closed=True)  # flat
    world.way(7, square((7, 7)), house, closed=True)
    world.ways[-1].nodes[0] = 9001
    world.way(8, square((8, 8)), {}, closed=True)
    world.way(9, square((9, 9)), {})  # open outer ring
    outer = {"type": "multipolygon", "building": "yes"}
    world.relation(1, [("w", 8, "outer"), ("w", 999, "outer")], outer)
    world.relation(2, [("w", 9, "outer")], outer)
    world.relation(3, [("w", 8, "")], {"type": "site", "building": "yes"})
    world.relation(4, [("w", 8, "outer")], outer)
    tiny = [(20, 20), (21, 20), (21, 21), (20.5, 21.0), (20.501, 21.001), (20.5005, 20.999)]
    world.way(10, [*tiny, (20, 21)], house, closed=True)  # a knot of far below 1 %
    path = world.write(tmp_path / "a.osm.pbf")
    found, drops = rows(path)
    assert {(r["osm_type"], r["osm_id"]) for r in found} == {
        ("way", 1), ("way", 10), ("relation", 4)
    }  # fmt: skip
    assert all(shapely.from_wkb(row["geometry"]).is_valid for row in found)
    assert {(drop.osm_type, drop.osm_id): drop.code for drop in drops} == {
        ("way", 2): "geometry_invalid",
        ("way", 3): "zero_area",
        ("way", 4): "geometry_unclosed",
        ("way", 5): "geometry_invalid",
        ("way", 6): "zero_area",
        ("way", 7): "geometry_unclosed",
        ("relation", 1): "members_missing",
        ("relation", 2): "geometry_unclosed",
        ("relation", 3): "not_spatial",
    }
    assert all(drop.message for drop in drops)
    bow = next(drop for drop in drops if drop.osm_id == 2 and drop.osm_type == "way")
    assert (bow.lon, bow.lat) == (1.5, 1.5)
    assert len(found) + len(drops) == counted(path, ["building"])[""].total()


@pytest.mark.parametrize("gone", [0, 1, 3])
def test_fault_51_a_way_without_all_its_nodes_is_no_shorter_way(tmp_path: Path, gone: int) -> None:
    world = World()
    world.way(1, [(0, 0), (1, 0), (2, 0), (3, 0)], {"highway": "path"})
    del world.nodes[gone]
    found, drops = rows(world.write(tmp_path / "a.osm.pbf"), ["highway"])
    assert not found
    assert [drop.code for drop in drops] == ["members_missing"]


def test_fault_51_huge_multipolygon(tmp_path: Path) -> None:
    world = World()
    world.way(1, square((0, 0), 1), {}, closed=True)
    members = [("w", 1, "outer")]
    for index in range(2000):
        at = (0.01 + index % 50 * 0.019, 0.01 + index // 50 * 0.019)
        world.way(index + 2, square(at, 0.009), {}, closed=True)
        members.append(("w", index + 2, "inner"))
    world.relation(1, members, {"type": "multipolygon", "natural": "wood"})
    found, drops = rows(world.write(tmp_path / "a.osm.pbf"), ["natural"])
    assert not drops
    assert shapely.from_wkb(found[0]["geometry"]).area == pytest.approx(1 - 2000 * 0.009**2)


def test_fault_51_rings_that_share_an_edge(tmp_path: Path) -> None:
    world = World()
    for index, at in enumerate([(0, 0), (0.001, 0), (0.0002, 0)]):
        world.way(index + 1, square(at, 0.001 if index < 2 else 0.0005), {}, closed=True)
    tags = {"type": "multipolygon", "landuse": "grass"}
    world.relation(1, [("w", 1, "outer"), ("w", 2, "outer")], tags)
    world.relation(2, [("w", 1, "outer"), ("w", 2, "outer"), ("w", 2, "outer")], tags)
    world.relation(3, [("w", 1, "outer"), ("w", 3, "inner")], tags)  # the hole lies on the edge
    world.way(4, square((0.0005, 0.0005)), {}, closed=True)
    world.relation(4, [("w", 1, "outer"), ("w", 4, "inner")], tags)  # half outside
    found, drops = rows(world.write(tmp_path / "a.osm.pbf"), ["landuse"])
    sizes = {row["osm_id"]: shapely.from_wkb(row["geometry"]).area for row in found}
    assert sizes[1] == pytest.approx(2e-6) == sizes[2]
    assert all(shapely.from_wkb(row["geometry"]).is_valid for row in found)
    assert {drop.osm_id: drop.code for drop in drops if drop.osm_id == 4} == {4: "geometry_invalid"}


def test_fault_54_tags_that_are_not_utf8(tmp_path: Path) -> None:
    world = World()
    world.node((1, 1), {"natural": "tree", "name": "CANARY"})
    world.node((1, 2), {"natural": "tree"})
    path = world.write(tmp_path / "a.osm")
    plain = tmp_path / "b.osm.pbf"
    with osmium.SimpleWriter(osmium.io.File(str(plain), "pbf,pbf_compression=none")) as writer:
        for node in osmium.FileProcessor(str(path)):
            writer.add_node(node)
    plain.write_bytes(plain.read_bytes().replace(b"CANARY", b"\xff\xfe\xed\xa0\x80\xff"))
    found, drops = rows(plain, ["natural"])
    assert [row["osm_id"] for row in found] == [2]
    assert [(drop.osm_id, drop.code) for drop in drops] == [(1, "text_invalid")]


def test_fault_53_the_same_object_twice(town: World, tmp_path: Path) -> None:
    town.node((10.0, 50.0), {"amenity": "second"}, id=1)
    town.ways.append(town.ways[0])  # not beside its double
    town.relations.append(town.relations[0])
    path = town.write(tmp_path / "a.osm.pbf")
    found, drops = rows(path, KEYS)
    assert len(found) == 5
    assert json.loads(found[0]["tags"])["amenity"] == "bench"
    assert sorted((drop.osm_type, drop.osm_id, drop.code) for drop in drops) == [
        ("node", 1, "duplicate"), ("relation", 3, "duplicate"), ("way", 5, "duplicate"),
    ]  # fmt: skip


def test_a_file_that_wrongly_declares_itself_sorted(town: World, tmp_path: Path) -> None:
    header = osmium.io.Header()
    header.set("sorting", "Type_then_ID")
    assert len(rows(town.write(tmp_path / "a.osm.pbf", header), KEYS)[0]) == 5
    path = tmp_path / "b.osm.pbf"
    with osmium.SimpleWriter(str(path), header=header) as writer:
        for thing in [*town.relations, *town.nodes, *town.ways]:
            writer.add(thing)
    with pytest.raises(SourceError, match="osmium sort"):
        rows(path, KEYS)


TEXT = st.text(alphabet=st.characters(codec=None), max_size=400)


@given(st.dictionaries(TEXT, TEXT, max_size=6))
def test_fault_54_tags_are_clean_json(tags: dict[str, str]) -> None:
    text = tags_json(tags.items())
    assert text == tags_json(reversed(list(tags.items())))
    text.encode("utf-8")
    found = json.loads(text)
    assert list(found) == sorted(found)
    for part in [*found, *found.values()]:
        assert part == clean(part) != ""
        assert unicodedata.is_normalized("NFC", part)
        assert len(part) <= 255
        assert not {unicodedata.category(c) for c in part} & {"Cc", "Cs"}


def test_fault_54_hostile_text_through_a_file(tmp_path: Path) -> None:
    world = World()
    value = "\u202eevil\u200b\x07 🌲 مرحبا " + "x" * 900
    world.node((1, 1), {"natural": "tree", "inscription": value, "nam\u0301e": "e\u0301"})
    found, _ = rows(world.write(tmp_path / "a.osm.pbf"), ["natural"])
    tags = json.loads(found[0]["tags"])
    assert tags["inscription"].startswith("evil 🌲 مرحبا xxx")
    assert len(tags["inscription"]) == 255
    assert "é" in tags.values()


def test_fault_57_nothing_personal_leaves_the_reader(tmp_path: Path) -> None:
    canary = "canary"
    world = World()
    tags = dict.fromkeys(("phone", "contact:phone", "contact:email", "email", "fax", "website", "mobile", "operator:phone", "contact_person", "addr:housenumber", "addr:street", "note", "note:de", "fixme", "FIXME", "description", "description:en", "facebook", "owner", "user", "uid", "created_by", "disused:phone"), canary)  # fmt: skip
    tags |= {"operator": "canary@example.org", "ref": "+49 30 1234567", "building": "house"}
    world.way(1, square((0, 0)), tags, closed=True, user=canary, uid=77777, changeset=88888)
    drops: list[OsmDrop] = []
    path = world.write(tmp_path / "a.osm.pbf")
    table = pa.Table.from_batches(features(path, ["building"], on_drop=drops.append))
    assert json.loads(table["tags"][0].as_py()) == {"building": "house"}
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    for trace in (b"canary", b"77777", b"1234567"):
        assert trace not in sink.getvalue().to_pybytes()


def test_a_folder_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is a folder; name one file in it \(\.osm\.pbf, .*GPKG"):
        open_osm(tmp_path)


@pytest.mark.parametrize("text", ["abc", "g" * 32, "d" * 31, "d" * 33, "d" * 32 + "\n"])
def test_what_cannot_be_an_md5(text: str) -> None:
    with pytest.raises(UsageError, match=r"--osm-md5 .*32 hexadecimal digits"):
        Expect(md5=text)


def test_an_object_in_two_blobs_is_one_row(tmp_path: Path) -> None:
    from osmium.osm.mutable import Node

    path = tmp_path / "twice.osm.pbf"
    with osmium.SimpleWriter(str(path)) as writer:
        for ident in [*range(1, 12_000), 5]:
            place = (ident / 1e4, 2)
            writer.add_node(Node(id=ident, version=1, location=place, tags={"natural": "tree"}))
    with path.open("rb") as stream:
        assert sum(name == "OSMData" for _, name, _ in blobs(stream, path)) > 1
    found, drops = rows(path, ["natural"])
    assert len(found) == 11_999
    assert [(d.osm_id, d.code) for d in drops] == [(5, "duplicate")]
    assert drops[0].message == "the object is in the file more than once; the first was kept"
