"""Parcels as they travel with a patch: small tables in a binary fact."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.files import atomic

BACKGROUND = 0
"""Class of a pixel without a parcel."""

PARCELS = pa.schema(
    [
        ("key", pa.string()),  # of the parcel, unique in its source; rising
        ("label", pa.int64()),  # class, `UNMAPPED` where the crop has none
        ("status", pa.string()),  # mapped | ambiguous | unmapped
        ("crop_code", pa.string()),  # as declared
        ("crop_name", pa.string()),
        ("area_m2", pa.float64()),
        ("geometry", pa.binary()),  # WKB in the CRS of the chip
    ]
)
"""Parcels that share area with a patch; the parcel of row `i` has the number `i + 1` in its rasters."""

NUMBERS = pa.schema(
    [
        ("patch", pa.string()),
        ("number", pa.int64()),  # value in band `parcel` of the label raster
        ("parcel_id", pa.string()),  # as in oad.parquet
        ("parcel", pa.string()),  # key in parcels.parquet
        ("label", pa.int64()),
        ("status", pa.string()),  # mapped | ambiguous | unmapped
        ("crop_code", pa.string()),
        ("crop_name", pa.string()),
        ("area_m2", pa.float64()),  # of the whole parcel
        ("pixels", pa.int64()),  # in the label raster of this patch
    ]
)
"""Columns of `patch_parcels.parquet`."""


def parcel_id(patch: str, number: int) -> str:
    """Name of a parcel within a patch, unique in a release."""
    return f"{patch}/{number}"


def packed(table: pa.Table) -> bytes:
    """A table as Arrow IPC, its buffers compressed; the same bytes for the same table."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def unpacked(data: bytes) -> pa.Table:
    """The table that `packed` wrote."""
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()


def number_table(patch: str, table: pa.Table, pixels: npt.NDArray[Any]) -> bytes:
    """Rows of `NUMBERS` for the parcels of a patch (`declared.PARCELS`), packed."""
    numbers = np.arange(1, len(table) + 1)
    ids = [parcel_id(patch, number) for number in numbers.tolist()]
    names = ("key", "label", "status", "crop_code", "crop_name", "area_m2")
    arrays = [pa.array([patch] * len(table), pa.string()), pa.array(numbers), pa.array(ids, pa.string()),
              *(table[name] for name in names), pa.array(pixels.astype(np.int64))]  # fmt: skip
    return packed(pa.Table.from_arrays(arrays, schema=NUMBERS))


def write_packed(rows: Iterator[pa.Table], fact: str, schema: pa.Schema, target: Path) -> None:
    """Write the small tables that samples carry in a binary fact one after the other as Parquet.

    Args:
        rows: of samples.
        fact: its name.
        schema: of the tables, and of the file.
        target: the file.
    """
    with atomic(target) as stream, pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        for batch in rows:
            found = [unpacked(data) for data in batch[fact].to_pylist() if data is not None]
            if found:
                writer.write_table(pa.concat_tables(found).combine_chunks())
