"""Band statistics: of training samples, by collection, against sums made here."""

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import release_world
from catalogs.files import read_json
from catalogs.releases.bands import BandTotal, groups
from catalogs.releases.stac import band_entry
from catalogs.releases.verify import verify
from catalogs.releases.write import write_release
from release_world import BANDS, PX
from schemas.recipes import Recipe
from schemas.scenes import Band, Scene

BRIGHT = np.arange(10, 22) * 10.0
"""8-bit values of the aerial training samples."""


def test_statistics_come_from_training_samples(finished: Path) -> None:
    stats = read_json(finished / "stats" / "stats.json")
    values = 256.0 * (np.arange(24) + 1)
    red = stats["bands"]["collections"]["all"]["red"]
    assert red["mean"] == pytest.approx(values.mean())
    assert red["std"] == pytest.approx(values.std(), abs=1e-3)
    assert red["nodata_share"] == pytest.approx(16 / (32 * 32 + 16), abs=1e-6)
    assert 256 <= red["p1"] <= 512 and 5800 <= red["p99"] <= 6144
    assert stats["classes"]["train"]["effective_number"] == pytest.approx(3.0)
    assert stats["years"]["test"] == {"unknown": 8}


def with_collection() -> Recipe:
    """The tiny recipe with the fact that tells collections apart."""
    read = release_world.Read()
    read = dataclasses.replace(read, gives={**read.gives, "collection": "string"})
    return replace(release_world.RECIPE, make=(read,))


def aerial() -> Scene:
    """A scene of 8-bit pictures."""
    scene = release_world.scenes()["sentinel-2-l2a/S0"]
    bands = tuple(Band(name, "https://host/a.tif", dtype="uint8") for name in BANDS)
    return replace(scene, id="A0", collection="aerial", bands=bands)


def dark(band: str, value: float) -> dict[str, Any]:
    """Sums of an 8-bit band whose pixels all have one value."""
    count = PX * PX
    bins = np.zeros(256, int)
    bins[int((value / 255) ** 0.5 * 256)] = count
    return {
        "band": band, "valid": count, "nodata": 0, "sum": value * count,
        "squares": value * value * count, "min": value, "max": value, "histogram": bins.tolist(),
    }  # fmt: skip


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of Sentinel-2 and aerial samples: the second train shard is aerial."""
    entries = release_world.usual()
    for row in (row for rows in entries.values() for row in rows):
        row["collection"] = "sentinel-2-l2a"
    for row, value in zip(entries["train-000001.tar"], BRIGHT, strict=True):
        row |= {"collection": "aerial", "scene_ids": ["aerial/A0"]}
        row["band_stats"] = [dark(band, value) for band in BANDS]
    world = release_world.build(tmp_path_factory.mktemp("mixed"), entries, recipe=with_collection())
    scenes = {**world.staging.scenes, "aerial/A0": aerial()}
    write_release(*world.inputs()[:4], replace(world.staging, scenes=scenes))
    return world.stage


def test_collections_are_never_pooled(mixed: Path) -> None:
    found = read_json(mixed / "stats" / "stats.json")["bands"]["collections"]
    assert list(found) == ["aerial", "sentinel-2-l2a"]
    wide = 256.0 * (np.arange(12) + 1)
    for name, values in (("aerial", BRIGHT), ("sentinel-2-l2a", wide)):
        for band in BANDS:
            about = found[name][band]
            assert about["mean"] == pytest.approx(values.mean())
            assert about["std"] == pytest.approx(values.std(), abs=1e-3)
            assert (about["min"], about["max"]) == (values.min(), values.max())
            assert about["p99"] == pytest.approx(values.max(), rel=0.01)
    assert verify(mixed) == []


def test_catalogue_and_card_tell_collections_apart(mixed: Path) -> None:
    bands = read_json(mixed / "stac" / "collection.json")["summaries"]["bands"]
    kinds = {entry["name"]: entry["data_type"] for entry in bands}
    assert len(kinds) == len(bands) == 8, "names of bands must be unique"
    assert kinds["aerial/red"] == "uint8" and kinds["sentinel-2-l2a/red"] == "uint16"
    text = (mixed / "README.md").read_text()
    assert f"| `aerial` | `red` | {BRIGHT.mean():g} |" in text
    assert 'own = collections[row["collection"]]' in text


def test_a_collection_of_two_data_types_is_two_groups() -> None:
    scenes = {"a/1": aerial(), "a/2": replace(release_world.scenes()["sentinel-2-l2a/S0"])}
    both = {key: replace(scene, collection="local") for key, scene in scenes.items()}
    assert groups(both, with_collection()) == {"a/1": "local uint8", "a/2": "local uint16"}
    assert groups(both, release_world.RECIPE) == {"a/1": "all uint8", "a/2": "all uint16"}
    assert groups(scenes, with_collection()) == {"a/1": "aerial", "a/2": "sentinel-2-l2a"}


@pytest.mark.parametrize("nodata", [float("nan"), float("-inf"), 0.0])
def test_a_catalogue_is_json_whatever_means_no_data(nodata: float) -> None:
    """STAC 1.1 writes numbers that JSON lacks as text."""
    entry = band_entry("a", Band("a", "a.tif", dtype="float32", nodata=nodata), BandTotal())
    found = json.loads(json.dumps(entry, allow_nan=False))["nodata"]
    assert repr(float(found)) == repr(nodata)
