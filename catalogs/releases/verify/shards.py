"""Tar files against samples.parquet: order, names, offsets, sums, texts, facts and pixels."""

import hashlib
import json
import mmap
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalogs.releases.sorting import batches, ordered
from catalogs.releases.verify.archive import Member, TarError, mapped, members
from catalogs.releases.verify.chips import check_image, check_raster
from catalogs.releases.verify.findings import Report
from schemas.chance import unit
from schemas.samples import KEY
from schemas.tables import flat, grouped, member_columns, vector
from schemas.text import counted

DECODED = 2000
"""Pictures are decoded for all samples up to so many, else for about so many, chosen by key."""

JSON_TYPES = {"string": str, "int64": int, "float64": float, "bool": bool}


def check_shards(release: Path, manifest: dict[str, Any], good: set[str], report: Report) -> None:
    """Compare every tar file with its rows.

    Args:
        good: files that are as the manifest says; others were reported already.
    """
    table = release / "metadata" / "samples.parquet"
    stated = {
        entry["path"].removeprefix("data/"): entry
        for entry in manifest["files"]
        if entry["path"].startswith("data/")
    }
    total = manifest["totals"]["samples"]
    share = 1.0 if total < DECODED else DECODED / total
    seen = set()
    with report.reading("shards", "metadata/samples.parquet"):
        for name, rows in by_shard(table):
            seen.add(name)
            path = f"data/{name}"
            if name not in stated:
                report.fault(
                    "shards", path, f"named by {counted(rows.num_rows, 'row')}, not in the release"
                )
                continue
            same = rows.num_rows == stated[name].get("rows")
            said = f"{counted(rows.num_rows, 'row')}, the manifest says {stated[name].get('rows')}"
            report.expect(same, "counts", path, said)
            splits = set(pc.unique(rows["split"]).to_pylist())
            split = stated[name].get("split")
            said = f"holds rows of {sorted(map(str, splits))}, the manifest says {split}"
            report.expect(splits == {split}, "counts", path, said)
            if path in good:
                with report.reading("shards", path):
                    check_shard(release / path, rows, manifest["content"], share, report)
        for name in sorted(set(stated) - seen):
            report.fault("shards", f"data/{name}", "no row of samples.parquet names it")
    if share < 1:
        every = counted(total, "sample")
        decoded = report.counts["decoded"]
        report.notes.append(f"pixels decoded for {decoded:,} of {every}, chosen by key")


def by_shard(table: Path) -> Iterator[tuple[str, pa.Table]]:
    """(shard, rows by index) of samples.parquet, in flat memory."""
    with pq.ParquetFile(table) as file:
        names = [f.name for f in file.schema_arrow
                 if f.name not in ("geometry", "bbox") and not vector(f.type)]  # fmt: skip
        schema = pa.schema([file.schema_arrow.field(name) for name in names])
    with TemporaryDirectory(prefix="verify-") as scratch:
        pieces = ordered(
            lambda: batches([table], names, rows=4096), lambda b: b.column("shard"),
            ["index", "key"], schema, Path(scratch),
        )  # fmt: skip
        name, held = "", schema.empty_table()
        for piece in pieces:
            for entry in pc.value_counts(piece["shard"]).to_pylist():
                rows = piece.filter(pc.equal(piece["shard"], entry["values"]))
                if entry["values"] != name:
                    if held.num_rows:
                        yield name, held
                    name, held = entry["values"], rows
                else:
                    held = pa.concat_tables([held, rows])
        if held.num_rows:
            yield name, held


def check_shard(
    path: Path, rows: pa.Table, content: dict[str, Any], share: float, report: Report
) -> None:
    """Compare one tar file with its rows, sorted by index."""
    where = f"data/{path.name}"
    extensions = [member["extension"] for member in content["members"]]
    table = rows.to_pylist()
    with mapped(path) as data:
        count = 0
        try:
            for key, found in samples(data):
                report.counts["samples"] += 1
                _names(where, key, found, extensions, report)
                if count < len(table):
                    row = table[count]
                    report.expect(
                        row["key"] == key and row["index"] == count, "order", where,
                        f"sample {count} is {key}, samples.parquet says {row['key']} at "
                        f"{row['index']}",
                    )  # fmt: skip
                    if row["key"] == key:
                        _sample(where, data, row, found, content, share, report)
                count += 1
        except TarError as error:
            report.fault("tar", where, str(error))
    report.expect(
        count == len(table), "counts", where,
        f"{counted(count, 'sample')} in the tar file, "
        f"{counted(len(table), 'row')} in samples.parquet",
    )  # fmt: skip


def samples(data: mmap.mmap) -> Iterator[tuple[str, dict[str, Member]]]:
    """(key, members by extension) of each run of members with one key."""
    key, held = "", dict[str, Member]()
    for member in members(data):
        stem, _, extension = member.name.partition(".")
        if stem != key or extension in held:
            if held:
                yield key, held
            key, held = stem, {}
        held[extension] = member
    if held:
        yield key, held


def _names(
    where: str, key: str, found: dict[str, Member], extensions: list[str], report: Report
) -> None:
    report.expect(KEY.fullmatch(key), "names", where, f"{key!r} is no legal key")
    report.expect(
        list(found) == extensions, "members", where,
        f"{key}: members {', '.join(found)}; every sample has {', '.join(extensions)}",
    )  # fmt: skip
    for member in found.values():
        for fault in member.faults:
            report.fault("tar", where, f"{member.name}: {fault}")


def _sample(
    where: str,
    data: mmap.mmap,
    row: dict[str, Any],
    found: dict[str, Member],
    content: dict[str, Any],
    share: float,
    report: Report,
) -> None:
    key, digest = row["key"], hashlib.sha256()
    decode = share >= 1 or unit(0, key) < share
    report.counts["decoded"] += decode
    for about in content["members"]:
        member = found.get(about["extension"])
        if member is None:
            continue
        offset, size = (row[name] for name in member_columns(about["extension"]))
        report.expect(
            (offset, size) == (member.offset, member.size), "offsets", where,
            f"{member.name} lies at {member.offset} with {counted(member.size, 'byte')}, "
            f"samples.parquet says {offset} and {size}",
        )  # fmt: skip
        body = data[member.offset : member.offset + member.size]
        digest.update(body)
        if about["feature"] == "json":
            groups = content.get("json_groups", {})
            check_facts(where, body, row, content["json_schema"], report, groups)
        elif about["feature"] == "string" and about["column"]:
            same = body == (row[about["column"]] or "").encode()
            report.expect(
                same, "texts", where, f"{member.name} differs from column {about['column']}"
            )
        elif decode and about["feature"] == "image":
            check_image(where, member.name, body, row, report)
        elif decode and "tiff" in about["media_type"]:
            check_raster(where, member.name, body, row, about["bands"], report)
    same = digest.hexdigest() == row["sha256"]
    report.expect(same, "sums", where, f"{key}: sha256 of its members differs from samples.parquet")


def check_facts(
    where: str,
    body: bytes,
    row: dict[str, Any],
    schema: dict[str, str],
    report: Report,
    groups: dict[str, Any] | None = None,
) -> None:
    """The JSON member: fixed flat schema, never null, equal to the row; groups repeat flat facts."""
    key = row["key"]
    try:
        facts = json.loads(body)
    except ValueError:
        report.fault("json", where, f"{key}: the JSON member does not parse")
        return
    report.counts["json"] += 1
    names = {*schema, *(groups or {})}
    if not isinstance(facts, dict) or set(facts) != names:
        odd = sorted(set(facts) ^ names) if isinstance(facts, dict) else ["not an object"]
        report.fault(
            "json", where, f"{key}: JSON keys differ from the schema: {', '.join(odd[:8])}"
        )
        return
    for name, kind in schema.items():
        value = facts[name]
        if type(value) is not JSON_TYPES[kind]:
            said = "null" if value is None else type(value).__name__
            report.fault("json", where, f"{key}: {name} is {said}, the schema says {kind}")
            continue
        stored = row[name]
        if isinstance(stored, list):
            stored = ",".join(stored)
        if flat(stored, kind) != value:
            report.fault("json", where, f"{key}: {name} is {value!r}, the table says {stored!r}")
    for name, template in (groups or {}).items():
        said = f"{key}: {name} does not repeat the sample's facts"
        report.expect(facts[name] == grouped(template, facts), "json", where, said)
