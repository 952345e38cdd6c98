"""Blocks: some hundreds of windows that lie close together in one scene's tiles."""

from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.chance import digest
from schemas.recipes import Recipe, name_of

DEFAULT_TILE = 512

STRIP = 48
"""Tiles side by side, those of all dates counted, of which two rows stay decoded (of four bands of 16
bit: 200 MB)."""


def tile_order(table: pa.Table) -> pa.Table:
    """Rows sorted by scene, then tile row, tile column, key: each tile is decoded once.

    A scene too wide, or of too many dates, for its rows of tiles to stay decoded is read in strips.
    """
    tile = np.maximum(np.nan_to_num(table["tile"].to_numpy(), nan=0), 0)
    tile = np.where(tile > 0, tile, DEFAULT_TILE)
    ids = table["scene_ids"].to_pylist()
    dates = np.array([len(scenes or ()) for scenes in ids], np.int64)
    right = table["col"].to_numpy() // tile
    keyed = pa.table(
        {
            "scene": pa.array([i[0] if i else "" for i in ids], pa.string(), from_pandas=False),
            "strip": right // np.maximum(2, STRIP // np.maximum(1, dates)),
            "down": table["row"].to_numpy() // tile,
            "right": right,
            "key": table["key"],
        }
    )
    by = [(name, "ascending") for name in keyed.column_names]
    return table.take(pc.sort_indices(keyed, by))


def blocks(table: pa.Table, most: int) -> Iterator[pa.Table]:
    """Cut one partition's windows, in `tile_order`, into blocks of at most `most`.

    The cut falls where the scene or the tile row changes, as near to the middle as such a change
    lies, and is repeated on both halves. A new window moves the cuts of its own partition only.
    """
    if not len(table):
        return
    table = tile_order(table)
    tile = table["tile"].to_numpy()
    tile = np.where(tile > 0, tile, DEFAULT_TILE)
    scene = np.unique(
        [i[0] if i else "" for i in table["scene_ids"].to_pylist()], return_inverse=True
    )[1]
    down = table["row"].to_numpy() // tile
    change = np.flatnonzero((np.diff(scene) != 0) | (np.diff(down) != 0)) + 1

    def halves(start: int, stop: int) -> Iterator[pa.Table]:
        if stop - start <= most:
            yield table.slice(start, stop - start)
            return
        middle = (start + stop) // 2
        inner = change[
            (change > start + (stop - start) // 8) & (change < stop - (stop - start) // 8)
        ]
        at = int(inner[np.argmin(np.abs(inner - middle))]) if len(inner) else middle
        yield from halves(start, at)
        yield from halves(at, stop)

    yield from halves(0, len(table))


@cache
def code_version() -> str:
    """A hash of everything whose change may change a plan or a chip: code, tables, codec versions."""
    root = Path(__file__).resolve().parents[2]
    folders = ("schemas", "transforms", "catalogs/sources")
    files = [
        p for f in folders for p in (root / f).rglob("*") if p.suffix in (".py", ".csv", ".txt")
    ]
    files += [root / "catalogs" / name for name in ("rasters.py", "readers.py", "shelf.py")]
    texts = [(str(p.relative_to(root)), p.read_text(encoding="utf-8")) for p in sorted(files)]
    codecs = [
        (name, version(name))
        for name in ("numpy", "pillow", "deflate", "rasterio", "pyproj", "shapely", "exactextract")
    ]
    return digest(texts, codecs)[:16]


def step_settings(steps: Any) -> list[tuple[str, dict[str, Any]]]:
    """(name, arguments) of steps, for digests and for people."""
    from dataclasses import fields

    return [(name_of(s), {f.name: getattr(s, f.name) for f in fields(s) if f.init}) for s in steps]


def block_id(table: pa.Table, recipe: Recipe, seed: int, code: str, fingerprints: Any) -> str:
    """Content address: windows and facts, scene fingerprints, make settings, code version."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    import hashlib

    rows_sum = hashlib.sha256(sink.getvalue()).hexdigest()
    members = [(ext, step_settings([enc])) for ext, enc in recipe.pack.members.items()]
    return digest(rows_sum, seed, code, step_settings(recipe.make), members, fingerprints)[:20]
