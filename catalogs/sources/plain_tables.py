"""Tables of text or columns without geometry, in batches that know the numbers of their rows."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.errors import SourceError

SIGNS = ",;\t|"
BLOCK = 4 << 20
BATCH = 65_536

Numbered = tuple[npt.NDArray[np.int64], pa.Table]
"""(numbers of the rows in the file, from 1 after the header; the rows)."""


def csv_batches(path: Path, on_ragged: Callable[[int, str], None]) -> Iterator[Numbered]:
    """All columns of a CSV file as text, whatever sign divides them.

    Args:
        on_ragged: takes number and fault of a row that has more or fewer values than the header.

    Raises:
        SourceError: empty, or not UTF-8.
    """
    from pyarrow import csv

    skipped: list[int] = []  # the reader looks ahead: some may lie after the batch at hand

    def ragged(row: Any) -> str:
        number = row.number - 1  # the header is row 1
        skipped.append(number)
        on_ragged(number, f"{row.actual_columns} values, the header names {row.expected_columns}")
        return "skip"

    try:
        with path.open("rb") as stream:
            head = stream.readline().decode("utf-8-sig")
        sign = max(SIGNS, key=lambda s: (head.count(s), -SIGNS.index(s)))
        names = next(iter(csv_names(head, sign)), [])
        reader = csv.open_csv(
            path,
            read_options=csv.ReadOptions(use_threads=False, block_size=BLOCK),
            parse_options=csv.ParseOptions(
                delimiter=sign,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=ragged,
            ),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
        after = 1
        for batch in reader:
            ahead = [number for number in skipped if number >= after]
            all_of_them = np.arange(after, after + len(batch) + len(ahead))
            numbers = np.setdiff1d(all_of_them, ahead)[: len(batch)]
            if len(numbers):
                after = int(numbers[-1]) + 1
                yield numbers, pa.table(batch)
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: is not UTF-8; convert it (iconv -t UTF-8)") from error
    except (OSError, pa.ArrowException) as error:
        hint = "; convert it (iconv -t UTF-8)" if "UTF8" in str(error) else ""
        raise SourceError(f"{path}: cannot be read ({error}){hint}") from error


def csv_names(head: str, sign: str) -> Iterator[list[str]]:
    """The names in a header line."""
    import csv

    yield from csv.reader([head.rstrip("\r\n")], delimiter=sign)


def parquet_batches(path: Path) -> Iterator[Numbered]:
    """All columns of a Parquet file.

    Raises:
        SourceError: damaged.
    """
    import pyarrow.parquet as pq

    after = 1
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH):
                yield np.arange(after, after + len(batch)), pa.table(batch)
                after += len(batch)
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{path}: cannot be read ({error})") from error
