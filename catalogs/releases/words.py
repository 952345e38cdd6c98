"""Small pieces of Markdown: tables, numbers, sizes, and text from strangers made harmless."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table, line by line."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def cell(text: str) -> str:
    """Text from the data, safe inside a table cell."""
    for bad, good in (("\\", "\\\\"), ("|", "\\|"), ("`", "\\`"), ("<", "&lt;"), ("[", "\\[")):
        text = text.replace(bad, good)
    return " ".join(text.split())


def number(value: int) -> str:
    """1234567 as 1,234,567."""
    return f"{value:,}"


def size(count: float) -> str:
    """Bytes as `1.2 GB`, powers of ten."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
