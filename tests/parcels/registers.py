"""Small registers that the tests write, and the real samples."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from catalogs.sources.parcels import open_parcels
from catalogs.sources.terms import Override
from tests.real_data import real
from tests.vector_files import write

SAMPLES = {
    "at": "at_inspire_schlaege_2025-1_polygon.gpkg.zip",
    "br-ba-lem": "br_ba_lem_LEM_dataset.zip",
    "de-bb": "de_bb_antrag.zip",
    "dk": "dk_Marker_2026.zip",
    "es-cat": "es_cat_Cultius_DUN2023_GPKG.zip",
    "nl": "nl_brpgewaspercelen_definitief_2023.gpkg",
}

TERMS = {"licence": "CC0-1.0", "attribution": "Tests", "country": "XE", "id": "id", "name": "crop"}


def sample(name: str) -> Path:
    """A real register of 100 parcels."""
    return real(f"lpis_samples/{SAMPLES[name]}")


def register(path: Path, shapes: list[Any], crs: Any = 25833, **columns: list[Any]) -> Path:
    """A register with `id` and `crop` unless given, and its sidecar."""
    columns.setdefault("id", [f"P{i}" for i in range(len(shapes))])
    columns.setdefault("crop", ["Weizen"] * len(shapes))
    return write(path, columns, shapes, crs)


def say(path: Path, **more: Any) -> None:
    """A sidecar beside a register."""
    beside = path.with_name(path.name.split(".")[0] + ".parcels.json")
    beside.write_text(json.dumps({**TERMS, **more}), encoding="utf-8")


def fields(count: int, side: float = 100.0, west: float = 400_000.0) -> list[Any]:
    """Squares side by side in EPSG:25833, 20 m apart, in rows of 100."""
    places = np.arange(count)
    x = west + (places % 100) * (side + 20)
    y = 5_700_000 + (places // 100) * (side + 20)
    return list(shapely.box(x, y, x + side, y + side))


def opened(path: Path, terms: Override | None = None, **more: Any) -> tuple[Any, list[Any]]:
    """The parcels of a register with a sidecar, and its drops."""
    say(path, **more)
    parcels = open_parcels(path, terms)
    return parcels, parcels.drops().to_pylist()


def ids(parcels: Any) -> list[str]:
    """The register's ids of all parcels, sorted."""
    table = pa.concat_tables(parcels.batches())
    return sorted(table["id"].to_pylist())
