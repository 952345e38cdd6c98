"""Cleaning of text from strangers: tags, names and titles are hostile input until cleaned."""

import re
import unicodedata

_BAD = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def counted(number: int, noun: str) -> str:
    """ "1 sample", "2,383 samples"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def shown(text: str) -> str:
    """Text fit for a terminal, a log or a report: what would steer one is written out ("\\x1b[2J").

    Newlines and tabs stay; control, zero-width, bidi and surrogate characters do not.
    """
    return _BAD.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    sign = found[0]
    return sign if sign in "\n\t" else sign.encode("unicode_escape", "surrogatepass").decode()


def clean(text: str, limit: int = 255) -> str:
    """Text as NFC without control, zero-width, bidi and surrogate characters, at most `limit` long.

    Runs of blanks become one blank. 255 is the length limit of OpenStreetMap keys and values.
    """
    text = _BAD.sub(" ", unicodedata.normalize("NFC", text[: limit * 8]))
    return " ".join(text.split())[:limit].rstrip()
