"""Check 9: the tar files, their order and counts, and the JSON of the original's layout; and meaning."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
from PIL import Image

from catalogs.files import read_json
from catalogs.releases.verify import verify
from catalogs.world.truth import CLASSES, class_raster, sites
from pipelines.datasets.rsteller import RECIPE
from schemas.samples import KEY
from schemas.tables import json_schema
from schemas.windows import Grid, Window
from tests.rsteller.conftest import Built
from transforms.elements.frame import Frame
from transforms.texts.directions import astray
from transforms.texts.quality import faults

ORIGINAL = {
    "type": "object",
    "required": ["metadata", "annotations"],
    "properties": {
        "metadata": {
            "type": "object",
            "required": ["patch_id", "image_name"],
            "additionalProperties": False,
            "properties": {
                "patch_id": {"type": "integer"},
                "image_name": {"type": "string", "minLength": 1},
            },
        },
        "annotations": {
            "type": "array",
            "minItems": 2,
            "items": {
                "type": "object",
                "required": ["task", "text", "annotator"],
                "additionalProperties": False,
                "properties": {
                    "task": {"enum": [1, 2, 3]},
                    "text": {"type": "string", "minLength": 20},
                    "annotator": {"type": "string", "minLength": 1},
                },
            },
        },
    },
}
"""The JSON member of the original's current release."""

OURS = {
    "type": "object",
    "required": ["lon", "lat", "crs", "split", "osm_type", "osm_id", "element_tags", "background_tags",
                 "prompt_sha256", "rewrite_prompt_sha256", "datetime", "caption_visible", "caption_contextual",
                 "position", "gsd_m", "license", "attribution", "resampled", "date_gap_days"],
    "properties": {
        "lon": {"type": "number", "minimum": -180, "maximum": 180},
        "lat": {"type": "number", "minimum": -90, "maximum": 90},
        "split": {"enum": ["train", "val", "test"]},
        "prompt_sha256": {"pattern": "^[0-9a-f]{64}$"},
        "rewrite_prompt_sha256": {"pattern": "^[0-9a-f]{64}$"},
        "datetime": {"pattern": "^20[0-9]{2}-"},
        "osm_id": {"type": "integer", "minimum": 1},
        "width": {"const": 448},
        "height": {"const": 448},
    },
}  # fmt: skip
"""What stands beside it here."""


def test_9_every_key_has_a_picture_and_a_json(built: Built) -> None:
    """Keys are legal and unique, members stand in one order, pictures have the exact size."""
    keys = []
    for key, found in built.samples():
        keys.append(key)
        assert list(found) == ["jpg", "json"]
        assert KEY.fullmatch(key)
        assert Image.open(io.BytesIO(found["jpg"])).size == (448, 448)
    assert len(set(keys)) == len(keys) == len(built.rows)


def test_9_counts_match_the_indexes(built: Built) -> None:
    """The manifest, the shard index and the table; each shard with its checksum."""
    manifest = read_json(built.release / "manifest.json")
    assert manifest["totals"]["samples"] == len(built.rows)
    sums = dict(
        reversed(line.split("  "))
        for line in (built.release / "SHA256SUMS").read_text().splitlines()
    )
    for split, about in manifest["splits"].items():
        index = read_json(built.release / "metadata" / f"wids-{split}.json")["shardlist"]
        assert sum(shard["nsamples"] for shard in index) == about["samples"]
        assert about["samples"] == sum(row["split"] == split for row in built.rows)
        assert all(f"data/{Path(shard['url']).name}" in sums for shard in index)
    assert set(manifest["splits"]) == {"train", "val", "test"}


def test_9_the_json_is_that_of_the_original_and_more(built: Built) -> None:
    """By both schemas; every key always there; the groups repeat the flat facts."""
    facts = built.facts()
    kinds = json_schema(RECIPE)
    for body in facts.values():
        jsonschema.validate(body, ORIGINAL)
        jsonschema.validate(body, OURS)
        assert set(body) == {*kinds, "metadata", "annotations"}
        first, second = body["annotations"]
        assert (first["task"], first["text"]) == (body["task"], body["caption"])
        assert (second["task"], second["text"]) == (3, body["rewrite"])
    assert len({body["metadata"]["patch_id"] for body in facts.values()}) == len(facts)
    assert {body["task"] for body in facts.values()} == {1, 2}


def test_9_verify_finds_nothing_and_sees_a_changed_group(built: Built) -> None:
    """A caption in the groups that differs from the table's is found."""
    assert verify(built.release) == []
    from catalogs.releases.verify.findings import Report
    from catalogs.releases.verify.shards import check_facts

    content = read_json(built.release / "manifest.json")["content"]
    row = built.rows[0]
    body = built.facts()[row["key"]]
    for change, found in ((None, 0), ("annotations", 1), ("metadata", 1)):
        bad = json.loads(json.dumps(body))
        if change == "annotations":
            bad["annotations"][0]["text"] += " And more."
        elif change:
            bad["metadata"]["patch_id"] += 1
        report = Report()
        check_facts(
            "x",
            json.dumps(bad).encode(),
            row,
            content["json_schema"],
            report,
            content["json_groups"],
        )
        assert len(report.findings) == found


def test_9_public_readers_open_it(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hugging Face `datasets` with the card's features and without, and webdataset."""
    import webdataset as wds

    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    from datasets import load_dataset

    shards = [str(p) for p in sorted((built.release / "data").glob("train-*.tar"))]
    plain = load_dataset(
        "webdataset", data_files={"train": shards}, split="train", cache_dir=str(tmp_path / "a")
    )
    carded = load_dataset(str(built.release), split="train", cache_dir=str(tmp_path / "b"))
    read = list(wds.WebDataset(shards, shardshuffle=False).decode("pil"))
    expected = {key: body for key, body in built.facts().items() if body["split"] == "train"}
    assert len(plain) == len(carded) == len(read) == len(expected)
    for row in (*plain, *carded):
        body = expected[row["__key__"]]
        assert row["json"]["annotations"] == body["annotations"]
        assert row["json"]["metadata"] == body["metadata"]
        assert row["json"]["lon"] == body["lon"]
        assert row["jpg"].size == (448, 448)
    assert {row["__key__"]: row["json"] for row in read} == expected


def test_9_the_order_of_a_second_build_is_the_same(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so is every byte of data and metadata, with one worker, small partitions and small blocks."""
    import pipelines.sequence as sequence
    from pipelines.commands.build import main

    whole = sequence.job_of

    def small(*given: Any) -> Any:
        return replace(whole(*given), partition=6, block=5)

    monkeypatch.setattr(sequence, "job_of", small)
    argv = ["--dataset", "rsteller", "--out", str(tmp_path), "--quiet", "--workers", "1"]
    assert main(argv) == 0
    again = tmp_path / "rsteller" / "v1.0.0"
    for path in sorted((built.release / "data").iterdir()):
        assert path.read_bytes() == (again / "data" / path.name).read_bytes()
    for name in ("samples.parquet", "drops.parquet", "splits.parquet"):
        own, other = (pq.read_table(root / "metadata" / name) for root in (built.release, again))
        assert own.sort_by("key").equals(other.sort_by("key"))


def test_texts_pass_the_checks_that_models_must_pass(built: Built) -> None:
    """Every caption and every rewrite, against rules and directions."""
    for row in built.rows:
        grounds = row["prompt"].rpartition("FACTS\n")[2]
        for name, rules in (("caption", "rsteller"), ("rewrite", "rsteller-rewrite")):
            assert faults(row[name], rules) == (), row[name]
            assert not astray(row[name], grounds), row[name]
        assert 10 <= len(row["rewrite"].split()) <= 50
        assert row["caption"] == f"{row['caption_visible']} {row['caption_contextual']}".rstrip()


def test_visible_and_contextual_text_are_apart(built: Built) -> None:
    """No name of an element in what can be seen, nor in the rewrite; some in the other part."""
    named = 0
    for row in built.rows:
        name = json.loads(row["element_tags"]).get("name", "")
        if name:
            named += name in row["caption_contextual"]
            assert name not in row["caption_visible"] + row["rewrite"]
    assert named > 5


NAMES = {number: name for name, number in CLASSES.items()}
COVER = {
    "natural=water": {"water"}, "landuse=farmland": {"crop"}, "landuse=orchard": {"orchard", "grass"},
    "landuse=forest": {"forest", "tree"}, "natural=wood": {"forest", "tree"}, "landuse=meadow": {"grass"},
    "highway": {"road"}, "waterway": {"water"}, "building": {"building"}, "leisure=pitch": {"pitch", "grass"},
    "landuse=vineyard": {"vineyard"},
}  # fmt: skip
"""Classes of the truth that an element may lie on."""


def test_the_caption_is_of_what_is_there(built: Built) -> None:
    """The class of the element is the truth's where the element lies in the patch."""
    checked = 0
    for row in built.rows:
        wanted = COVER.get(row["element_tag"]) or COVER.get(row["element_tag"].split("=")[0])
        if not wanted or row["year"] != 2022:  # the truth's year
            continue
        site = next(s for s in sites(built.world) if s.id in row["image_name"])
        classes, affine, epsg = class_raster(built.world, site.id, "aerial")
        assert row["crs"] == f"EPSG:{epsg}"
        shape = shapely.from_wkb(row["element_geometry"])
        grid = Grid(row["crs"], tuple(row["transform"]), 448, 448)
        own = Frame.of(Window(grid, row["gsd_m"])).inside(np.array([shape], object))[0]
        west, south, east, north = grid.bounds()
        rng = np.random.default_rng(0)
        if row["task"] == 1:
            spots = rng.random((4000, 2))
            spots = spots[shapely.contains_xy(own, spots[:, 0], spots[:, 1])]
        else:
            where = shapely.line_interpolate_point(own, rng.random(200), normalized=True)
            spots = shapely.get_coordinates(where)
        xs, ys = west + spots[:, 0] * (east - west), south + spots[:, 1] * (north - south)
        cols = np.floor((xs - affine.c) / affine.a).astype(int)
        rows = np.floor((ys - affine.f) / affine.e).astype(int)
        names = [NAMES[c] for c in classes[rows, cols]]
        assert sum(n in wanted for n in names) > 0.6 * len(names), (row["key"], row["element_tag"])
        checked += 1
    assert checked > 15


def test_numbers_of_the_table_agree_with_the_geometry(built: Built) -> None:
    """Recomputed from the released outline and grid: shares, lengths, cells."""
    from pyproj import Geod

    geod = Geod(ellps="WGS84")
    for row in built.rows:
        shape: Any = shapely.from_wkb(row["element_geometry"])
        if row["task"] == 1:
            square = (448 * row["gsd_m"]) ** 2
            true = abs(geod.geometry_area_perimeter(shape)[0]) / square
            assert row["area_share"] == pytest.approx(true, abs=2e-3)
            assert row["area_share"] > 0.05
        else:
            assert row["length_m"] == pytest.approx(geod.geometry_length(shape), rel=2e-3)
            assert row["length_m"] > 0.3 * 268.8


def test_windows_do_not_overlap_and_splits_keep_their_distance(built: Built) -> None:
    """Of one year no two patches share ground; no object is in two splits."""
    years: dict[Any, list[Any]] = {}
    owners: dict[Any, set[str]] = {}
    for row in built.rows:
        years.setdefault(row["year"], []).append(shapely.from_wkb(row["geometry"]))
        owners.setdefault((row["osm_type"], row["osm_id"]), set()).add(row["split"])
    for shapes in years.values():
        pairs = shapely.STRtree(shapes).query(shapes, predicate="intersects")
        assert (pairs[0] == pairs[1]).all()
    assert max(map(len, owners.values())) == 1


def test_without_images_there_is_nothing_to_count(
    built: Built, tmp_path: Path, capsys: Any
) -> None:
    """The recipe starts from them, so a plan without any would say nothing."""
    from pipelines.commands.build import main

    osm = str(built.world.osm)
    argv = ["--dataset", "rsteller", "--osm", osm, "--imagery", "none", "--plan"]
    assert main([*argv, "--out", str(tmp_path)]) == 2
    assert "--imagery none: recipe rsteller starts from images" in capsys.readouterr().err
