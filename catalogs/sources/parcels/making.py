"""Registers become one GeoParquet table, sorted by year and place; memory does not grow with them."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.runs import Runs
from catalogs.sources.parcels.columns import COLUMNS, DROPS
from catalogs.sources.parcels.doubles import Doubles, later, repeated
from catalogs.sources.parcels.files import Table, tables
from catalogs.sources.parcels.profiles import Profile
from catalogs.sources.parcels.rows import Rows, geometry_prints
from catalogs.sources.parcels.settings import Settled, UnknownColumns, settled
from catalogs.sources.terms import Override
from schemas.curves import hilbert

READ = 8192
"""Rows read at a time."""

RUN = 65_536
"""Rows of a sorted run, and about those put in order at a time."""

RUN_BYTES = 1 << 26
"""Bytes of a run from which it is written, however few rows they are."""

GROUP = 4096
"""Rows of a row group: what is read at least for a question."""

PLACED = COLUMNS.append(pa.field("_row", pa.int64())).append(pa.field("_file", pa.int64())).append(
    pa.field("_at", pa.int64())
)  # fmt: skip
"""A parcel, the how manyeth row it is of all, and where it was read."""

AGAIN = "its outline came before, with the same id or the same crop"

YEAR_BITS = 48  # of a Hilbert code: the year stands above them

OPTIONS: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 3,
    "use_dictionary": ["collection", "country", "code_list", "crop_code", "crop_name"],
    "write_page_checksum": True,
}


@dataclass
class Made:
    """What was read of the registers.

    Attributes:
        profiles: of each source file, one or several.
        undated: names of files none of whose parcels has a year.
    """

    counts: Counter[str] = field(default_factory=Counter)
    profiles: list[tuple[Path, Profile]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    years: set[int] = field(default_factory=set)
    undated: list[str] = field(default_factory=list)


def collected(
    files: Sequence[Path], terms: Override, folder: Path, drops: pq.ParquetWriter
) -> Made:
    """Read all files into sorted runs and marks under `folder`; what is lost goes to `drops`.

    Raises:
        SourceError: a file cannot be read; see `settings.settled`, `files.tables` and `rows.Rows`.
    """
    made, total = Made(), 0
    runs, doubles, ids = Runs(folder / "runs"), Doubles(folder / "marks"), Doubles(folder / "ids")
    runs.folder.mkdir()
    held: list[pa.Table] = []
    for number, source in enumerate(files):
        own = tables(source, folder / "unpacked" / str(number))
        years: set[int] = set()
        for table, known in _settled(own, terms, made.notes):
            how = replace(known, part=_part(table, own, files))
            rows = Rows(table, how)
            for batch in table.batches(sorted(set(how.columns.values())), READ):
                part, at = rows.read(batch)
                write_drops(drops, source.name, rows.drops)
                if not len(part):
                    continue
                numbers = np.arange(total, total + len(part))
                total += len(part)
                keys = [key.encode() for key in part["key"].to_pylist()]
                shapes, crops = geometry_prints(part)
                ids.add(keys, numbers)
                doubles.add(
                    (b"k" + key + shape for key, shape in zip(keys, shapes, strict=True)), numbers
                )
                doubles.add(
                    (b"c" + crop + shape for crop, shape in zip(crops, shapes, strict=True)),
                    numbers,
                )
                years.update(part["year"].unique().to_pylist())
                for name, values in (("_row", numbers), ("_file", np.full(len(part), number)),
                                     ("_at", at)):  # fmt: skip
                    part = part.append_column(name, pa.array(values, pa.int64()))
                held.append(part)
                if sum(map(len, held)) >= RUN or sum(t.nbytes for t in held) >= RUN_BYTES:
                    _run(runs, held)
            rows.finish()
            made.counts.update(rows.counts)
            made.notes += rows.notes
            if (source, how.profile) not in made.profiles:
                made.profiles.append((source, how.profile))
        made.years |= years
        if years == {0}:
            made.undated.append(source.name)
    if held:
        _run(runs, held)
    return made


def _settled(
    own: Sequence[Table], terms: Override, notes: list[str]
) -> list[tuple[Table, Settled]]:
    """The layers of a file whose columns are known, and how they are read; others go to `notes`.

    Raises:
        SourceError: none is known.
    """
    found, unknown = [], []
    for table in own:
        try:
            found.append((table, settled(table, terms)))
        except UnknownColumns as error:
            unknown.append((table, error))
    if not found:
        raise unknown[0][1]
    notes += [f"{t.source.name}: layer {t.layer} holds no crop and is not read" for t, _ in unknown]
    return found


def _part(table: Table, own: Sequence[Table], files: Sequence[Path]) -> str:
    """What tells ids of a table from others of its collection: the layer, and the folder of its file.

    "" where its file has no other table, and no file in another folder is called the same.
    """
    source, found = table.source, []
    if any(source.parent != f.parent and _stem(source) == _stem(f) for f in files):
        top = os.path.commonpath([f.parent for f in files])
        found.append(source.parent.relative_to(top).as_posix())
    if len(own) > 1:
        top = os.path.commonpath([each.path.parent for each in own])
        found += [table.path.relative_to(top).as_posix(), table.layer]
    return "/".join(found)


def _stem(path: Path) -> str:
    return path.name.split(".")[0].lower()


def _run(runs: Runs, held: list[pa.Table]) -> None:
    """Write what is held as a run, and forget it."""
    rows = pa.concat_tables(held).combine_chunks()
    held.clear()
    place = hilbert(rows["lon"].to_numpy(), rows["lat"].to_numpy())
    codes = (rows["year"].to_numpy().astype(np.uint64) << np.uint64(YEAR_BITS)) | place
    runs.add(rows.cast(PLACED), codes, f"{rows['_row'][0].as_py():012d}")


def write_drops(sink: pq.ParquetWriter, name: str, lost: list[tuple[int, str, str, str]]) -> None:
    """Append rows that were lost of a file."""
    if lost:
        row, ident, code, message = (list(values) for values in zip(*lost, strict=True))
        sink.write_table(pa.table([[name] * len(lost), row, ident, code, message], schema=DROPS))


def ordered(
    folder: Path, files: Sequence[Path], drops: pq.ParquetWriter, counts: Counter[str]
) -> Iterator[pa.Table]:
    """The parcels of `collected` by year, place and key, each once; its doubles go to `drops`.

    Where an id comes again with another outline, the key is made of both (counted as `id_again`).
    """
    lost, runs = later(Doubles(folder / "marks").shared()), Runs(folder / "runs")
    ids = Doubles(folder / "ids").shared()
    again = repeated(ids[~np.isin(ids["row"], lost)])
    counts["id_again"] = len(again)
    for low, high in runs.ranges(RUN):
        rows, codes = runs.coded(low, high)
        rows = _keyed(rows, np.isin(rows["_row"].to_numpy(), again))
        keys = np.array(rows["key"].to_pylist(), object)
        order = np.lexsort((rows["_row"].to_numpy(), keys.astype(str), codes))
        rows = rows.take(pa.array(order))
        double = np.isin(rows["_row"].to_numpy(), lost)
        twice: dict[int, list[tuple[int, str, str, str]]] = defaultdict(list)
        for row in rows.filter(pa.array(double)).select(["_file", "_at", "id"]).to_pylist():
            twice[row["_file"]].append((row["_at"], row["id"], "duplicate", AGAIN))
        for number, own in sorted(twice.items()):
            write_drops(drops, files[number].name, own)
        yield rows.filter(pa.array(~double)).select(COLUMNS.names)


def _keyed(rows: pa.Table, again: npt.NDArray[np.bool_]) -> pa.Table:
    """Rows with other keys, of their outlines too, where their ids are those of others."""
    places = np.flatnonzero(again)
    if not len(places):
        return rows
    keys = rows["key"].to_pylist()
    shapes, _ = geometry_prints(rows.take(pa.array(places)))
    for row, shape in zip(places.tolist(), shapes, strict=True):
        home, _, own = keys[row].rpartition("-")
        keys[row] = f"{home}-{hashlib.sha256(own.encode() + shape).hexdigest()[:16]}"
    return rows.set_column(rows.schema.get_field_index("key"), "key", pa.array(keys, pa.string()))


def write(
    parts: Iterator[pa.Table], sink: Any, meta: Callable[[], dict[bytes, bytes]] = dict
) -> int:
    """Write parcels in row groups of `GROUP`; returns how many.

    Args:
        meta: the file's metadata, asked for when all rows are written.
    """
    held, count = COLUMNS.empty_table(), 0
    with pq.ParquetWriter(sink, COLUMNS, **OPTIONS) as writer:
        for part in parts:
            held = pa.concat_tables([held, part]).combine_chunks()
            full = len(held) // GROUP * GROUP
            if full:
                writer.write_table(held.slice(0, full), GROUP)
                held, count = held.slice(full), count + full
        if len(held):
            writer.write_table(held.combine_chunks(), GROUP)
        writer.add_key_value_metadata(meta())
    return count + len(held)
