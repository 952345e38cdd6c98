"""Columns of a register as texts, dates and numbers, however the file holds them."""

import re
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalogs.sources.parcels.columns import COLUMNS
from catalogs.sources.parcels.encoding import EncodingError, mended
from schemas.errors import SourceError

INSTANT = COLUMNS.field("determined").type


def texts(column: pa.Array, where: str) -> tuple[list[str], int]:
    """A column as it was meant, whole numbers without a point, "" for none; and how many were mended.

    Args:
        where: file and column, for messages.

    Raises:
        EncodingError: a text has lost letters, or is in another encoding than the file says.
    """
    coded = column.dictionary_encode()
    found, count = [], 0
    try:
        for value in coded.dictionary.to_pylist():
            raw = _raw(value)
            text = mended(raw)  # before blanks: the bytes A0 and 85 of letters look like some
            count += text != raw
            found.append(re.sub(r"\s+", " ", text).strip())
    except (EncodingError, UnicodeDecodeError) as error:
        raise EncodingError(f"{where}: {error}") from error
    return [found[i] if i is not None else "" for i in coded.indices.to_pylist()], count


def dates(column: pa.Array, where: str) -> pa.Array:
    """A column as instants to the microsecond, UTC; so are dates without a zone.

    Raises:
        SourceError: a text is no ISO date.
    """
    if pa.types.is_timestamp(column.type) and column.type.tz is None:
        column = pc.assume_timezone(column, "UTC")
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return column.cast(INSTANT, safe=False)
    told, _ = texts(column, where)
    known: dict[str, datetime | None] = {"": None}
    for text in sorted(set(told) - {""}):
        try:
            found = datetime.fromisoformat(text)
        except ValueError as error:
            raise SourceError(f"{where}: {text!r} is no date as 2021-05-15 (ISO 8601)") from error
        known[text] = found if found.tzinfo else found.replace(tzinfo=UTC)
    return pa.array([known[text] for text in told], INSTANT)


def numbers(column: pa.Array, where: str) -> npt.NDArray[np.float64]:
    """A column as numbers, NaN for none; in texts the decimal sign may be a comma.

    Raises:
        SourceError: a text is no number.
    """
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    told, _ = texts(column, where)
    known = {"": np.nan}
    for text in sorted(set(told) - {""}):
        try:
            known[text] = float(text if "." in text else text.replace(",", "."))
        except ValueError as error:
            raise SourceError(f"{where}: {text!r} is no number") from error
    return np.array([known[text] for text in told], np.float64)


def _raw(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
