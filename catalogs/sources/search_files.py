"""The answers to a search in the work area: a resumed build asks nothing again."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catalogs.files import atomic, read_json, write_json
from catalogs.sources.stac_fields import Json, Lost
from schemas.chance import digest

FORMAT = 2
"""Raised whenever items are trimmed otherwise: older answers are then asked for again."""

COUNTS = ("given", "repeated", "matched", "short")
"""Numbers of an answer, in the order of its fields."""


@dataclass(frozen=True)
class Answer:
    """What one search gave.

    Attributes:
        items: trimmed, each once.
        lost: (item, reason code, message).
        given: items on all pages; repeated: how many of them again.
        matched: how many the server says there are, None when it does not.
        short: how many of those it did not give.
    """

    items: list[Json] = field(default_factory=list)
    lost: Lost = field(default_factory=list)
    given: int = 0
    repeated: int = 0
    matched: int | None = None
    short: int = 0

    def __add__(self, other: "Answer") -> "Answer":
        """Both answers as one."""
        counts = [c for c in (self.matched, other.matched) if c is not None]
        return Answer(
            self.items + other.items,
            self.lost + other.lost,
            self.given + other.given,
            self.repeated + other.repeated,
            sum(counts) if counts else None,
            self.short + other.short,
        )


@dataclass(frozen=True)
class Kept:
    """Answers in a folder: `CELL.jsonl` with an item a line, and `CELL.json`, the record, written last."""

    folder: Path

    def holds(self, name: str, asked: Any) -> bool:
        """Whether a cell's answer to this question is there."""
        return self._record(name, asked) is not None

    def read(self, name: str, asked: Any) -> Answer | None:
        """A cell's answer, None when it is not there or was to another question."""
        record = self._record(name, asked)
        if record is None:
            return None
        with self._rows(name).open(encoding="utf-8") as lines:
            items = [json.loads(line) for line in lines]
        lost = [(item, code, message) for item, code, message in record["lost"]]
        return Answer(items, lost, *(record[name] for name in COUNTS))

    def write(self, name: str, asked: Any, answer: Answer) -> None:
        """Keep a cell's answer."""
        self._place(name).unlink(missing_ok=True)
        with atomic(self._rows(name)) as stream:
            for item in answer.items:
                stream.write(json.dumps(item, sort_keys=True).encode() + b"\n")
        record = {
            "asked": _key(asked),
            "question": asked,
            "size": self._rows(name).stat().st_size,
            "items": len(answer.items),
            "lost": answer.lost,
            **{name: getattr(answer, name) for name in COUNTS},
        }
        write_json(self._place(name), record)

    def document(self, url: str, collection: str) -> Json | None:
        """What is kept of a collection's document."""
        path = self._about(url, collection)
        return dict(read_json(path)) if path.is_file() else None

    def write_document(self, url: str, collection: str, document: Json) -> None:
        """Keep a collection's document."""
        write_json(self._about(url, collection), document)

    def _record(self, name: str, asked: Any) -> Json | None:
        try:
            record = dict(read_json(self._place(name)))
            whole = record["size"] == self._rows(name).stat().st_size
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return record if whole and record["asked"] == _key(asked) else None

    def _rows(self, name: str) -> Path:
        return self.folder / f"{name}.jsonl"

    def _place(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _about(self, url: str, collection: str) -> Path:
        return self.folder / f"collection-{digest(url, collection)[:16]}.json"


def _key(asked: Any) -> str:
    return digest(FORMAT, asked)
