"""The tar files: members copied out of the blocks by offset, texts rendered here."""

import hashlib
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from catalogs.files import atomic
from schemas.recipes import Recipe
from schemas.samples import KEY
from schemas.scenes import Scene
from schemas.tables import BAND_STATS, hidden, json_schema, member_columns, samples_schema, vector
from schemas.text import counted
from transforms.packing.deal import Shard
from transforms.planning.rows import column


def header(name: str, size: int) -> bytes:
    """A USTAR header: mode 0644, no owner, mtime 0."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o644, 0
    return info.tobuf(tarfile.USTAR_FORMAT)


class Payloads:
    """Block payloads, opened once each, read by offset."""

    def __init__(self, folder: Path, most: int = 256) -> None:
        self.folder, self.most = folder, most
        self.open: dict[str, int] = {}

    def read(self, block: str, offset: int, size: int) -> bytes:
        """`size` bytes of a block at `offset`.

        Raises:
            OSError: fewer bytes are there.
        """
        if block not in self.open:
            if len(self.open) >= self.most:
                self.close()
            self.open[block] = os.open(self.folder / f"{block}.bin", os.O_RDONLY)
        data = os.pread(self.open[block], size, offset)
        if len(data) != size:
            raise OSError(f"{block}.bin: {len(data)} of {counted(size, 'byte')} at {offset}")
        return data

    def close(self) -> None:
        """Close all files."""
        for handle in self.open.values():
            os.close(handle)
        self.open.clear()


def build_shard(
    table: pa.Table,
    shard: Shard,
    recipe: Recipe,
    scenes: Mapping[str, Scene],
    payloads: Payloads,
    tar: Path,
    weights: Mapping[str, float] | None = None,
) -> tuple[pa.Table, str]:
    """Write one tar file; returns its rows (`samples_schema`, `hidden`, `band_stats`) and its sha256.

    Args:
        weights: sampling weight of each class, for rows whose `sampling_weight` no step has given.

    Raises:
        ValueError: a key is not `[a-z0-9_-]+` or stands twice.
    """
    names = json_schema(recipe)
    total = hashlib.sha256()
    out: list[dict[str, Any]] = []
    at = 0
    seen: set[str] = set()
    with atomic(tar) as stream:
        for index, row in enumerate(_rows(table, recipe)):
            key = row["key"]
            if not KEY.fullmatch(key) or key in seen:
                raise ValueError(f"key {key!r} is not [a-z0-9_-]+ or stands twice")
            seen.add(key)
            scene = scenes[row["scene_ids"][0]] if row["scene_ids"] else None
            row.update(
                shard=f"{shard.name}.tar",
                index=index,
                license=scene.licence if scene else "",
                attribution=scene.attribution if scene else "",
                lon=row["centre_lon"],
                lat=row["centre_lat"],
            )
            if weights and row.get("sampling_weight", 0.0) is None:
                row["sampling_weight"] = weights[row[recipe.label]]
            content = hashlib.sha256()
            for extension, encoder in recipe.pack.members.items():
                begin, length = member_columns(extension)
                if hasattr(encoder, "render"):
                    data = encoder.render(row, names)
                else:
                    data = payloads.read(row["_block"], row[begin], row[length])
                padding = -len(data) % 512
                piece = header(f"{key}.{extension}", len(data)) + data + b"\0" * padding
                content.update(data)
                total.update(piece)
                stream.write(piece)
                row[begin], row[length] = at + 512, len(data)
                at += len(piece)
            row["sha256"] = content.hexdigest()
            out.append(row)
        end = b"\0" * (1024 + -(at + 1024) % 10240)
        total.update(end)
        stream.write(end)
    return _packed(out, table, recipe), total.hexdigest()


def _rows(table: pa.Table, recipe: Recipe) -> Iterator[dict[str, Any]]:
    heavy = [n for n in ("bbox", "band_stats", *vectors(table)) if n in table.column_names]
    for batch in table.drop_columns(heavy).to_batches(max_chunksize=1000):
        yield from batch.to_pylist()


def vectors(table: pa.Table) -> list[str]:
    """Columns that hold a model's vectors: they go on as they are."""
    return [item.name for item in table.schema if vector(item.type)]


def _packed(rows: list[dict[str, Any]], table: pa.Table, recipe: Recipe) -> pa.Table:
    schema = samples_schema(recipe)
    arrays: list[Any] = []
    for item in schema:
        if item.name in ("bbox", "geometry", *vectors(table)):
            arrays.append(table[item.name])
        else:
            arrays.append(column([row[item.name] for row in rows], item.type))
    beside = hidden(recipe)
    arrays += [table[item.name] for item in beside]
    stats = table["band_stats"] if "band_stats" in table.column_names else None
    arrays.append(stats if stats is not None else column([[]] * len(rows), BAND_STATS))
    return pa.Table.from_arrays(arrays, names=[*schema.names, *beside.names, "band_stats"])
