"""Cleaning of text from strangers, which is hostile input until cleaned, and small English."""

import re
import unicodedata
from collections.abc import Sequence

_BAD = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def counted(number: int, noun: str) -> str:
    """ "1 sample", "2,383 samples"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(words: Sequence[str]) -> str:
    """ "a road", "a road and a house", "a road, a house and grass"; "" for none."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def capital(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def with_article(words: str) -> str:
    """ "a hipped roof", "an onion roof": by the first letter, for words where that decides."""
    return f"{'an' if words[:1] in tuple('aeio') else 'a'} {words}"


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
