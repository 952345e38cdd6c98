"""The world's map: what is written down, in order, with hostile text, of mapped places only."""

from collections import Counter

import osmium
import pytest
from rasterio.features import geometry_mask

from catalogs.world import World, osmfile, truth
from catalogs.world.sites import SITES


@pytest.fixture(scope="session")
def objects(world: World) -> list[tuple]:
    rows = []
    for o in osmium.FileProcessor(str(world.osm)):
        tags = dict(o.tags)
        rows.append((o.type_str(), o.id, tags, o.version, o.timestamp, o.user, o.uid))
    return rows


def test_the_map_holds_what_is_written_down(objects, facts):
    told = facts["layers"]["osm"]
    kinds = Counter(kind for kind, *_ in objects)
    assert (kinds["n"], kinds["w"], kinds["r"]) == (told["nodes"], told["ways"], told["relations"])
    per_key = Counter(key for _, _, tags, *_ in objects for key in osmfile.KEYS if key in tags)
    assert dict(sorted(per_key.items())) == told["per_key"]
    main = Counter(filter(None, (osmfile.main_tag(tags) for _, _, tags, *_ in objects)))
    assert dict(sorted(main.items())) == told["per_main_tag"]
    assert len(main) >= 35


def test_the_map_knows_nothing_of_the_unmapped_places(world):
    boxes = [
        (s.lon - 0.03, s.lat - 0.02, s.lon + 0.03, s.lat + 0.02) for s in SITES if not s.mapped
    ]
    for node in osmium.FileProcessor(str(world.osm), osmium.osm.NODE):
        lon, lat = node.location.lon, node.location.lat
        assert not any(w < lon < e and s < lat < n for w, s, e, n in boxes)


def test_the_map_is_sorted_and_dated(objects):
    order = [("nwr".index(kind), number) for kind, number, *_ in objects]
    assert order == sorted(set(order))
    assert all(number > 0 and version >= 1 for _, number, _, version, *_ in objects)
    assert {stamp.year for *_, stamp, _, _ in objects} == {2019, 2020, 2021, 2022}
    assert max(version for _, _, _, version, *_ in objects) > 3


def test_the_map_carries_canaries_and_hostile_text(objects):
    values = [value for _, _, tags, *_ in objects for value in tags.values()]
    assert {user for *_, user, _ in objects} > {"CANARY-user"}
    assert any(value.startswith("+CANARY-555") for value in values)
    for text in ("<script>", "Ignore previous", "=HYPERLINK", "\u202e", "\u0007", "A" * 1024, "湖"):
        assert any(text in value for value in values), text
    notes = {tags.get("note") for _, _, tags, *_ in objects}
    assert {"not closed", "members missing", "no members", "node missing"} <= notes


def test_every_site_has_objects_that_fit_a_window(world):
    """At least 70 mapped things of 8 to 450 m lie inside each aerial picture."""
    for site in [site for site in SITES if site.mapped][::3]:
        west, south, east, north = site.aerial_bounds
        fits = 0
        for item in truth.place(world, site.id).features:
            w, s, e, n = item.geom.bounds
            inside = w > west and e < east and s > south and n < north
            fits += bool(item.tags) and inside and 8 < max(e - w, n - s) < 450
        assert fits >= 70, site.id


def test_the_map_lies_on_the_truth(world):
    """Lakes of the map are water in the truth, inside the aerial picture."""
    place = truth.place(world, "seewiesen")
    classes, affine, epsg = truth.class_raster(world, "seewiesen")
    assert epsg == place.site.epsg == 32632
    lakes = [f.geom for f in place.features if f.tags.get("water") == "lake"]
    inside = ~geometry_mask([lake.buffer(-1) for lake in lakes], classes.shape, affine)
    # the rest is a pier and crowns of trees that hang over the shore
    assert (classes[inside] == truth.CLASSES["water"]).mean() > 0.98
    outside = geometry_mask(
        [
            f.geom.buffer(1)
            for f in place.features
            if "water" in f.paint or f.paint in ("river", "basin")
        ]
        or lakes,
        classes.shape,
        affine,
    )
    assert (classes[outside] == truth.CLASSES["water"]).mean() < 0.02
