"""The Major TOM grid: cells of nearly equal area with names, at any spacing.

Formulas: ESA-PhiLab/Major-TOM, `MajorTOM/grid.py` (Francis and Czerkawski 2024), R = 6378.137 km.
"""

import math

import numpy as np
import numpy.typing as npt

RADIUS_KM = 6378.137


def rows(km: float) -> int:
    """Rows from pole to pole: n = ceil(pi R / km); a row is 180/n degrees high."""
    return math.ceil(math.pi * RADIUS_KM / km)


def columns(row: npt.NDArray[np.int64], km: float) -> npt.NDArray[np.int64]:
    """Columns around the globe of each row: ceil(2 pi R cos(phi) / km), phi its lower edge."""
    edge = np.radians(np.clip(row * (180 / rows(km)), -90, 90))
    around = np.ceil(np.maximum(2 * np.pi * RADIUS_KM * np.cos(edge) / km, 1e-9))
    return np.asarray(around, np.int64)


def cells(
    lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64], km: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(row, column) of the cell that holds each lon/lat point, counted from equator and Greenwich."""
    row = np.floor(np.asarray(lat) / (180 / rows(km)) + 1e-9).astype(np.int64)
    around = columns(row, km)
    wrapped = (np.asarray(lon) + 180) % 360 - 180
    column = np.floor(wrapped / (360 / around) + 1e-9).astype(np.int64)
    return row, one_turn(column, around)


def one_turn(column: npt.NDArray[np.int64], around: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Columns of rows with `around` cells, as the grid counts them: west edges in [-180, 180).

    In a row with an odd number the cell across the antimeridian is one of the right, `600R` of 1201.
    """
    column = np.where(2 * column < -around, column + around, column)
    return np.asarray(np.where(2 * column >= around, column - around, column), np.int64)


def corners(
    row: npt.NDArray[np.int64], column: npt.NDArray[np.int64], km: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(lon, lat) in degrees of the south-west corner of each cell, after which it is named."""
    return np.asarray(column * (360 / columns(row, km))), np.asarray(row * (180 / rows(km)))


def middles(
    row: npt.NDArray[np.int64], column: npt.NDArray[np.int64], km: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(lon, lat) in degrees of the middle of each cell."""
    lon = (column + 0.5) * (360 / columns(row, km))
    return np.asarray(lon), np.asarray((row + 0.5) * (180 / rows(km)))


def name(row: int, column: int) -> str:
    """`517U_57R`: rows up (U) or down (D), columns right (R) or left (L); down and left count from 1."""
    up = f"{row}U" if row >= 0 else f"{-row}D"
    right = f"{column}R" if column >= 0 else f"{-column}L"
    return f"{up}_{right}"


def names(row: npt.NDArray[np.int64], column: npt.NDArray[np.int64]) -> list[str]:
    """`name` of every cell."""
    return [name(r, c) for r, c in zip(row.tolist(), column.tolist(), strict=True)]
