"""The Major TOM grid: cells of nearly equal area with names, at any spacing.

Formulas: ESA-PhiLab/Major-TOM, `MajorTOM/grid.py` (Francis and Czerkawski 2024), R = 6378.137 km.
"""

import math

import numpy as np
import numpy.typing as npt

RADIUS_KM = 6378.137


def cells(
    lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64], km: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(row, column) of the cell that holds each lon/lat point, counted from equator and Greenwich.

    The row's latitude step is 180/n with n = ceil(pi R / km); a row at latitude phi (its lower edge)
    has ceil(2 pi R cos(phi) / km) columns.
    """
    count = math.ceil(math.pi * RADIUS_KM / km)
    step = 180 / count
    row = np.floor(np.asarray(lat) / step + 1e-9).astype(np.int64)
    edge = np.radians(np.clip(row * step, -90, 90))
    around = np.ceil(np.maximum(2 * np.pi * RADIUS_KM * np.cos(edge) / km, 1e-9)).astype(np.int64)
    wrapped = (np.asarray(lon) + 180) % 360 - 180
    column = np.floor(wrapped / (360 / around) + 1e-9).astype(np.int64)
    return row, column


def name(row: int, column: int) -> str:
    """`517U_57R`: rows up (U) or down (D), columns right (R) or left (L); down and left count from 1."""
    up = f"{row}U" if row >= 0 else f"{-row}D"
    right = f"{column}R" if column >= 0 else f"{-column}L"
    return f"{up}_{right}"
