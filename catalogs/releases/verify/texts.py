"""Nothing signed, nothing private; the card and the shard indexes agree with the files."""

import fnmatch
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from catalogs.files import read_json
from catalogs.releases.verify.findings import Report
from schemas.text import counted

SIGNED = (
    r"(?i)(?:\bsig|\btoken|\bX-Amz-Signature|\bX-Amz-Credential|\bX-Goog-Signature"
    r"|\bSharedAccessSignature|\bAWSAccessKeyId|\baccess_token)=|\bse=20[0-9][0-9]"
)
"""Signs of a signed or authorised address."""

PRIVATE = (
    r"(?i)(?:\bcontact:)?\b(?:phone|mobile|fax|e-?mail|changeset|uid)\b[\"']?\s*[=:]\s*[\"']?[^\s\"',]"
    r"|\+[0-9]{1,3}[ -][0-9]{2,5}[ -]?[0-9]{3,}"
)
"""Contact data of people and accounts of mappers."""

TEXT = {".json", ".md", ".txt", ".yaml", ".yml", ".cff", ".html", ".csv"}


def check_texts(release: Path, good: set[str], report: Report) -> None:
    """Search text files and the string columns of tables for what must not be published."""
    for path in sorted(good | {"manifest.json"}):
        suffix = Path(path).suffix
        with report.reading("private", path):
            if suffix in TEXT:
                report.counts["private"] += 1
                text = (release / path).read_text(encoding="utf-8")
                for check, pattern in (("signed", SIGNED), ("private", PRIVATE)):
                    for line in _hits(pattern, text):
                        report.fault(check, path, line)
            elif suffix == ".parquet":
                _columns(release / path, path, report)


def _hits(pattern: str, text: str) -> list[str]:
    return [
        f"line {number}: ...{found.group(0)[:40]}"
        for number, line in enumerate(text.splitlines(), 1)
        if (found := re.search(pattern, line))
    ]


def _columns(full: Path, path: str, report: Report) -> None:
    with pq.ParquetFile(full) as file:
        names = [
            f.name for f in file.schema_arrow if f.type in (pa.string(), pa.list_(pa.string()))
        ]
        if not names:
            return
        for batch in file.iter_batches(batch_size=16_384, columns=names):
            report.counts["private"] += batch.num_rows
            for name in names:
                column = batch.column(name)
                flat = pc.list_flatten(column) if pa.types.is_list(column.type) else column
                values = pc.unique(flat)
                for check, pattern in (("signed", SIGNED), ("private", PRIVATE)):
                    for value in values.filter(
                        pc.fill_null(pc.match_substring_regex(values, pattern), False)
                    ).to_pylist():
                        report.fault(check, path, f"column {name}: {value[:80]!r}")


def check_card(release: Path, manifest: dict[str, Any], report: Report) -> None:
    """README front matter: parses, names exactly the tar files, and the members' features."""
    where = "README.md"
    with report.reading("card", where):
        text = (release / where).read_text(encoding="utf-8")
        body = yaml.safe_load(text.split("---\n")[1])
        tars = {e["path"]: e["split"] for e in manifest["files"] if e["path"].startswith("data/")}
        named: dict[str, str] = {}
        for config in body["configs"]:
            for entry in config["data_files"]:
                hits = fnmatch.filter(tars, entry["path"])
                named.update(dict.fromkeys(hits, entry["split"]))
        report.expect(named == tars, "card", where, "its configs do not name exactly the tar files")
        fields = [entry["name"] for entry in body["dataset_info"]["features"]]
        members = [member["extension"] for member in manifest["content"]["members"]]
        report.expect(
            fields == [*members, "__key__", "__url__"], "card", where,
            f"its features {fields} are not the members {members}",
        )  # fmt: skip
        if manifest["generated"]:
            report.expect("GENERATED" in text, "card", where, "does not say that data is generated")


def check_indexes(
    release: Path, manifest: dict[str, Any], good: dict[str, str], report: Report
) -> None:
    """wids-*.json and samples.fgb agree with the manifest."""
    tars = {e["path"]: e for e in manifest["files"] if e["path"].startswith("data/")}
    seen = set()
    for split in manifest["splits"]:
        where = f"metadata/wids-{split}.json"
        with report.reading("index", where):
            for entry in read_json(release / where)["shardlist"]:
                path = entry["url"].removeprefix("../")
                seen.add(path)
                true = tars[path]
                same = entry["nsamples"] == true["rows"] and entry["filesize"] == true["bytes"]
                same = same and good.get(path, entry["md5sum"]) == entry["md5sum"]
                report.expect(same, "index", where, f"{path}: count, size or md5 differs")
    report.expect(seen == set(tars), "index", "metadata", "wids-*.json do not list every tar file")
    where = "metadata/samples.fgb"
    if where in good:
        import pyogrio
        from pyogrio.errors import DataSourceError

        try:
            count = pyogrio.read_info(release / where, force_feature_count=True)["features"]
        except DataSourceError as error:
            report.fault("index", where, f"cannot be read: {error}")
            return
        total = manifest["totals"]["samples"]
        said = f"{counted(count, 'feature')} for {counted(total, 'sample')}"
        report.expect(count == total, "index", where, said)
