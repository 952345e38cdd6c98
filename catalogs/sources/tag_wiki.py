"""Meanings of OpenStreetMap tags from a `taginfo-wiki.db`, the wiki's pages as taginfo dumps them."""

import sqlite3
from functools import lru_cache
from pathlib import Path

from schemas.errors import UsageError
from schemas.tag_meanings import Page, Pages, table
from schemas.text import clean

ENGLISH_FIRST = "(lang <> 'en'), lang"
"""Order of the pages of one tag: the English one, else the first language by its code."""


class Wiki:
    """Pages of the table `wikipages`, opened for reading only; texts of strangers are cleaned.

    Raises:
        UsageError: no SQLite file, or without that table.
    """

    def __init__(self, path: Path) -> None:
        try:
            self.base = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False
            )
            self.base.execute("SELECT lang, key, value, description, tgroup FROM wikipages LIMIT 1")
        except sqlite3.Error as error:
            raise UsageError(
                f"{path}: is no taginfo-wiki.db, an SQLite file with the table wikipages ({error})"
            ) from error
        self.page = lru_cache(maxsize=1 << 14)(self._page)
        self.beginning = lru_cache(maxsize=1 << 12)(self._beginning)

    def _page(self, key: str, value: str) -> Page | None:
        return self._first(
            "key = ? AND coalesce(value, '') = ?", (key, value), f"{ENGLISH_FIRST}, title"
        )

    def _beginning(self, key: str) -> Page | None:
        return self._first(
            "substr(key, 1, length(?)) = ? AND ? <> ''",
            (key, key, key),
            f"key, coalesce(value, ''), {ENGLISH_FIRST}",
        )

    def _first(self, where: str, values: tuple[str, ...], order: str) -> Page | None:
        """The first page with a description; names of columns only come from this module."""
        row = self.base.execute(
            "SELECT key, coalesce(value, ''), description, tgroup FROM wikipages "
            f"WHERE {where} AND coalesce(description, '') <> '' ORDER BY {order} LIMIT 1",
            values,
        ).fetchone()
        return Page(row[0], row[1], clean(row[2], 400), clean(row[3] or "", 60)) if row else None


@lru_cache(maxsize=2)
def pages(path: str) -> Pages:
    """The pages of the dump at `path`; the project's own table where it is "".

    Raises:
        UsageError: as `Wiki`.
    """
    return Wiki(Path(path)) if path else table()
