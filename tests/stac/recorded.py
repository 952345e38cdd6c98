"""Recorded answers of real catalogues, and the scenes in them."""

import gzip
import json
from pathlib import Path
from typing import Any

import yaml

from catalogs.sources.area import Area
from catalogs.sources.harvest import Harvest, Wanted, harvest
from catalogs.sources.stac_fields import Lost
from schemas.scenes import Scene
from stub_api import Json

EARTH = Area.of_box((-180, -90, 180, 90))
MIXED = "TestCLISearch.test_filter_inprocess"
"""Earth Search: Sentinel-2 of three collections, and Sentinel-1."""

NAIP = "TestItemSearch.test_intersects_results"
"""Planetary Computer."""


def read(path: Path) -> Json:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def cassette(path: Path) -> list[tuple[Json, Json]]:
    """(request, JSON answer) pairs of a VCR recording."""
    found = []
    for one in yaml.safe_load(path.read_text(encoding="utf-8"))["interactions"]:
        body = one["response"]["body"]["string"]
        data = body if isinstance(body, bytes) else body.encode()
        text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        found.append((one["request"], json.loads(text)))
    return found


def items_of(real: Path, name: str, collection: str) -> list[Json]:
    """The items of a collection in a document or a recording, as they were given."""
    path = real / name
    if path.is_file():
        document = read(path)
        found: list[Any] = document.get("features") or [document]
    else:
        answers = cassette(real / "cassettes" / f"{name}.yaml")
        found = [item for _, answer in answers for item in answer.get("features", [])]
    return [item for item in found if item["collection"] == collection]


def gathered(items: list[Json], collections: tuple[str, ...] = ()) -> tuple[Harvest, Lost]:
    """What is found in items, wherever and whenever they are, and what is lost."""
    lost: Lost = []
    return harvest(items, Wanted(collections, "https://host.example", EARTH), lost), lost


def scenes(items: list[Json]) -> list[Scene]:
    """The scenes of items of which none is lost."""
    found, lost = gathered(items)
    assert lost == []
    return list(found.scenes)
