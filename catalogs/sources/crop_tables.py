"""Code tables of crops as files: recognised by their columns, read, and checked for sense."""

import csv
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from catalogs.files import sha256
from catalogs.sources.parcels.encoding import EncodingError, mended
from catalogs.sources.terms import Override
from schemas.errors import SourceError, UsageError, nearest

Row = dict[str, str]


@dataclass(frozen=True)
class Layout:
    """One kind of table.

    Attributes:
        columns: those that it has; the first layout that fits counts.
        title, licence, attribution: of the published table, for a copy of it.
        numbers: columns whose cells are whole numbers or empty.
    """

    name: str
    columns: frozenset[str]
    title: str
    licence: str
    attribution: str
    numbers: tuple[str, ...] = ()


LAYOUTS = (
    Layout(
        "hcat4", frozenset({"code", "name", "level", "parent_code", "seasonality_code"}),
        "HCAT4 crop taxonomy", "CC-BY-4.0",
        "EuroCrops v2, European Commission, Joint Research Centre", ("level", "seasonality_code"),
    ),
    Layout(
        "taxonomy", frozenset({"code", "name", "level", "parent_code"}), "", "", "", ("level",),
    ),
    Layout(
        "s4a", frozenset({"source", "native_crop_code_or_name", "s4a_code"}),
        "Sen4AgriNet mapping of native crops", "MIT", "Sen4AgriNet (Sykas et al., 2022)", ("s4a_code",),
    ),
    Layout(
        "v1", frozenset({"mapping_file", "original_code", "original_name", "hcat3_code"}),
        "EuroCrops v1 mappings of countries to HCAT3", "CC-BY-SA-4.0",
        "EuroCrops (Schneider et al., 2023)",
    ),
    Layout(
        "v2", frozenset({"nuts", "original_code", "original_name", "hcat4_code", "usage_code"}),
        "EuroCrops v2 mappings of regions to HCAT4", "CC-BY-4.0",
        "EuroCrops v2, European Commission, Joint Research Centre", ("usage_code",),
    ),
)  # fmt: skip

ICC = Layout(
    "icc", frozenset(), "FAO Indicative Crop Classification as Sen4AgriNet has it", "MIT",
    "FAO; Sen4AgriNet (Sykas et al., 2022)",
)  # fmt: skip

HCAT3 = Layout(
    "hcat3", frozenset(), "HCAT3 crop taxonomy", "CC-BY-SA-4.0",
    "EuroCrops (Schneider et al., 2023)",
)  # fmt: skip


@dataclass(frozen=True)
class CodeTable:
    """A table of the folder."""

    path: Path
    layout: Layout
    rows: tuple[Row, ...]
    checksum: str


def code_tables(folder: Path) -> list[CodeTable]:
    """The tables of a folder that are of a known layout, by name; others are left alone.

    Raises:
        SourceError: there is none, or one is no UTF-8, or its taxonomy makes no sense.
    """
    paths = [folder] if folder.is_file() else sorted(folder.glob("*.csv"))
    found = [table for path in paths if (table := _read(path)) is not None]
    if not found:
        known = "; ".join(", ".join(sorted(layout.columns)) for layout in LAYOUTS)
        raise SourceError(f"{folder} holds no table of crop codes: give CSV files with {known}")
    for table in found:
        if table.layout.name in ("icc", "hcat3", "hcat4"):
            check_taxonomy(table)
    return found


def own_terms(folder: Path) -> Override:
    """What `codes.json` of the folder says of its tables; it stands before the terms of their layouts.

    Raises:
        UsageError: it is no JSON object of texts, or says something else than licence and attribution.
    """
    path = (folder.parent if folder.is_file() else folder) / "codes.json"
    if not path.is_file():
        return Override()
    try:
        said = {str(k): str(v) for k, v in dict(json.loads(path.read_text("utf-8"))).items()}
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path}: not a JSON object ({error})") from error
    for name in said:
        if name not in ("licence", "attribution"):
            raise UsageError(
                f"{path}: {name!r} is not understood; {nearest(name, ('licence', 'attribution'))}"
            )
    return Override(**said)


def _read(path: Path) -> CodeTable | None:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            there = {str(name).strip().lower() for name in reader.fieldnames or ()}
            layout = next((entry for entry in LAYOUTS if entry.columns <= there), None)
            if layout is None:
                return None
            rows = tuple(
                {str(k).strip().lower(): mended(str(v or "")).strip() for k, v in row.items() if k}
                for row in reader
            )
    except EncodingError as error:
        raise EncodingError(f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not UTF-8 ({error}): write it so") from error
    for name in layout.numbers:
        wrong = next((r[name] for r in rows if r[name] and not _whole(r[name])), None)
        if wrong is not None:
            raise SourceError(f"{path}: {name} {wrong!r} is no whole number: correct the table")
    if layout.name == "taxonomy":
        layout = HCAT3 if all(len(row["code"]) == 10 for row in rows) else ICC
    return CodeTable(path, layout, rows, sha256(path))


def _whole(text: str) -> bool:
    return text.isascii() and text.removeprefix("-").isdigit()


def check_taxonomy(table: CodeTable) -> None:
    """Codes are numbers, each once, and each with its parent; levels of ICC follow from the digits.

    Raises:
        SourceError: names the code.
    """
    codes = [row["code"] for row in table.rows]
    known = Counter(codes)
    for row in table.rows:
        code, parent = row["code"], row["parent_code"]
        why = ""
        if not (code.isascii() and code.isdigit()):
            why = "is no number"
        elif parent and parent not in known:
            why = f"has a parent {parent} that is not there"
        elif table.layout.name == "icc" and row["level"] != str(icc_level(code)):
            why = f"is of level {icc_level(code)} by its digits, and {row['level'] or 'none'} by its column"
        elif known[code] > 1:
            why = "is there twice"
        if why:
            raise SourceError(f"{table.path}: code {code!r} {why}: correct the table")


def icc_level(code: str) -> int:
    """Level of a three-digit FAO ICC code: 1 group (100), 2 class (110), 3 sub-class (111)."""
    return 3 - (len(code) - len(code.rstrip("0")))


def plain(text: str) -> str:
    """A name to compare by: one form of its letters, no case, single blanks."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def bare(text: str) -> str:
    """A name without accents and marks, for names that lost theirs on the way."""
    letters = unicodedata.normalize("NFKD", plain(text))
    kept = "".join(letter if letter.isalnum() else " " for letter in letters
                   if not unicodedata.combining(letter))  # fmt: skip
    return " ".join(kept.split())


def stem(text: str) -> str:
    """A bare name whose words have lost the s of a plural: registers change between the two."""
    return " ".join(word.removesuffix("s") for word in bare(text).split())


def by_code(rows: Iterable[Row], parent: str = "parent_code") -> dict[int, tuple[str, int]]:
    """Name and parent (0 for none) of each code."""
    return {int(row["code"]): (row["name"], int(row[parent] or 0)) for row in rows}
