"""Formulas of biomass from lidar and imagery: the GEDI model, radar in decibels, encodings, the stack.

Sources: GEDI L4A user guide V2 (model); JAXA, PALSAR-2 mosaic product description (decibels); Sialelli et
al., AGBD, arXiv 2406.04928 and its code (encodings, order of channels, ways of normalising).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MISSION_START = datetime(2019, 4, 16, tzinfo=UTC)
"""Day 0 of the published day numbers, as the authors' later repository states; the first says a day later."""

SPHERE_M = 6_371_000.0
CALIBRATION_DB = -83.0

S2_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
"""The bands of `schemas.sensors.L2A_BANDS` by their own names."""

CHANNELS = (
    *S2_BANDS, "lat_cos", "lat_sin", "lon_cos", "lon_sin", "HH", "HV", "ch", "std", "lc_cos",
    "lc_sin", "lc_prob", "DEM",
)  # fmt: skip
"""The 24 channels of a patch, in their order."""


@dataclass(frozen=True, slots=True)
class Model:
    """A linear model of GEDI L4A for one stratum (plant type and region).

    Attributes:
        stratum: e.g. `EBT_SAs`: evergreen broadleaf trees, South Asia.
        par: intercept, then one factor for each height.
        heights: percentiles of relative height.
        bias: correction of the back-transformed square.
    """

    stratum: str
    par: tuple[float, ...]
    heights: tuple[int, ...]
    bias: float

    def agbd(self, rh: npt.ArrayLike) -> Floats:
        """Biomass in Mg/ha of heights in metres `(..., height)`, in the order of `heights`.

        x = sqrt(rh + 100); t = p0 + sum(p x); AGBD = t^2 * bias.
        """
        x = np.sqrt(np.asarray(rh, np.float64) + 100)
        t = self.par[0] + x @ np.asarray(self.par[1:])
        return np.asarray(t * t * self.bias)


EBT_SAS = Model("EBT_SAs", (-104.9654541, 6.80217409, 3.95531225), (50, 98), 1.1133657)
"""From the `model_data` of a granule; RH50 19.15 m and RH98 37.15 m give 271.134 Mg/ha."""


def decibels(dn: npt.NDArray[np.integer], nodata: int = 0) -> npt.NDArray[np.float32]:
    """gamma0 in dB of PALSAR-2 mosaic numbers: 10 log10(DN^2) - 83; NaN where there is no data.

    A fill of DN 1 would be -83 dB and count as ground, as in the published statistics.
    """
    there = (dn != nodata) & (dn > 0)
    power = np.square(np.where(there, dn, 1).astype(np.float64))
    return np.where(there, 10 * np.log10(power) + CALIBRATION_DB, np.nan).astype(np.float32)


def reflectance(
    dn: npt.NDArray[np.integer], offset: int = 0, nodata: int = 0
) -> npt.NDArray[np.float32]:
    """(DN + offset) / 10000, at least 0; NaN where there is no data.

    Args:
        offset: -1000 for processing baselines from 04.00 on while the file still carries it, whatever
            the date of acquisition; 0 for pixels of a release, which have it removed.
    """
    moved = np.maximum(dn.astype(np.float32) + np.float32(offset), 0) / np.float32(10_000)
    return np.where(dn == nodata, np.float32(np.nan), moved).astype(np.float32)


def cyclic(angle: npt.ArrayLike) -> tuple[Floats, Floats]:
    """(cos, sin) of angles in radians, each brought to 0..1 by (x + 1) / 2."""
    turned = np.asarray(angle, np.float64)
    return np.asarray((np.cos(turned) + 1) / 2), np.asarray((np.sin(turned) + 1) / 2)


def places(lon: float, lat: float, px: int, gsd: float = 10.0) -> tuple[Floats, Floats]:
    """(lon, lat) in degrees of every pixel of a square around a place, `(y, x)` each, on a sphere.

    Rows run south, so latitude falls with the row; the published code adds the row to it.
    """
    steps = (np.arange(px) - px // 2) * gsd / SPHERE_M
    south = np.degrees(steps)[:, None]
    east = np.degrees(steps / math.cos(math.radians(lat)))[None, :]
    return np.broadcast_to(lon + east, (px, px)), np.broadcast_to(lat - south, (px, px))


def position(lon: npt.ArrayLike, lat: npt.ArrayLike) -> tuple[Floats, Floats, Floats, Floats]:
    """lat cos, lat sin, lon cos, lon sin of degrees: angles pi lat / 90 and pi lon / 180, in 0..1."""
    return *cyclic(np.pi * np.asarray(lat) / 90), *cyclic(np.pi * np.asarray(lon) / 180)


def day_of_year(when: datetime) -> tuple[float, float]:
    """cos and sin of 2 pi (doy - 1) / 365, in 0..1."""
    cosine, sine = cyclic(2 * np.pi * (when.timetuple().tm_yday - 1) / 365)
    return float(cosine), float(sine)


def land_cover(classes: npt.NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """cos and sin of 2 pi class / 100, in 0..1; NaN where the class is 255."""
    cosine, sine = cyclic(2 * np.pi * classes.astype(np.float64) / 100)
    gone = classes == 255
    return np.where(gone, np.nan, cosine), np.where(gone, np.nan, sine)


FILLS = {"s2": 0, "palsar": 0, "canopy": 255, "landcover": 255, "dem": -9999}
"""Stored value for "no data" of each layer."""


def stack(
    s2: npt.NDArray[np.uint16],
    palsar: npt.NDArray[np.uint16],
    canopy: npt.NDArray[np.uint8],
    landcover: npt.NDArray[np.uint8],
    dem: npt.NDArray[np.int16],
    lon: float,
    lat: float,
) -> npt.NDArray[np.float32]:
    """The 24 channels of a patch `(24, y, x)` in the order of `CHANNELS`; NaN where there is no data.

    Args:
        s2: `(12, y, x)` in the order of `S2_BANDS`, offset removed.
        palsar: `(2, y, x)` HH, HV as numbers. canopy: `(2, y, x)` height and its deviation, metres.
        landcover: `(2, y, x)` class and probability in percent. dem: `(1, y, x)` metres.
        lon, lat: degrees of the middle pixel.
    """
    px = s2.shape[-1]
    lc_cos, lc_sin = land_cover(landcover[0])
    probability = np.where(landcover[1] == FILLS["landcover"], np.nan, landcover[1] / 100)
    height = np.where(canopy == FILLS["canopy"], np.nan, canopy.astype(np.float32))
    ground = np.where(dem[0] == FILLS["dem"], np.nan, dem[0].astype(np.float32))
    found = [
        *reflectance(s2),
        *position(*places(lon, lat, px)),
        *decibels(palsar),
        *height,
        lc_cos,
        lc_sin,
        probability,
        ground,
    ]
    return np.stack([np.asarray(plane, np.float32) for plane in found])


MODES = ("mean_std", "min_max", "percentile")


def normalised(
    values: npt.NDArray[np.floating], stats: Mapping[str, float], mode: str = "mean_std"
) -> npt.NDArray[np.float32]:
    """Numbers brought to a common scale; where there is no data (NaN) 0.

    Args:
        stats: a row of `normalisation.csv`: mean, std, min, max, p1, p99.
        mode: `mean_std`: (x - mean) / std; `min_max`: (x - min) / (max - min); `percentile`: likewise
            from p1 to p99, clipped to 0..1.

    Raises:
        ValueError: no such mode.
    """
    if mode not in MODES:
        raise ValueError(f"mode {mode!r}: one of {', '.join(MODES)}")
    x = np.asarray(values, np.float64)
    if mode == "mean_std":
        found = (x - stats["mean"]) / (stats["std"] or 1.0)
    else:
        low, high = ("min", "max") if mode == "min_max" else ("p1", "p99")
        found = (x - stats[low]) / ((stats[high] - stats[low]) or 1.0)
        found = np.clip(found, 0, 1) if mode == "percentile" else found
    return np.where(np.isfinite(found), found, 0).astype(np.float32)


def normalised_stack(
    patch: npt.NDArray[np.float32], stats: Mapping[str, Mapping[str, float]], mode: str = "mean_std"
) -> npt.NDArray[np.float32]:
    """A patch `(24, y, x)` with each channel that `stats` names brought to scale, encodings as they are.

    Args:
        stats: rows of `normalisation.csv` by variable (`B01`, `HH`, `ch`, `DEM`, ...).
    """
    return np.stack(
        [
            normalised(patch[i], stats[name], mode)
            if name in stats
            else np.nan_to_num(patch[i], nan=0.0)
            for i, name in enumerate(CHANNELS)
        ]
    )


def rasterised(
    x: Sequence[float],
    y: Sequence[float],
    values: Sequence[float],
    transform: Sequence[float],
    width: int,
    height: int,
    nodata: float = -9999.0,
) -> npt.NDArray[np.float32]:
    """Sparse labels on a grid `(y, x)`: the mean of the shots whose centre lies in a pixel, else nodata.

    For masked regression, after Muszynski et al., arXiv 2406.19888 (30 m chips of HLS).

    Args:
        x, y: of the shots, in the CRS of the grid.
        transform: (a, b, c, d, e, f) of the grid, north up.
    """
    a, _, c, _, e, f = transform[:6]
    col = np.floor((np.asarray(x, np.float64) - c) / a).astype(np.int64)
    row = np.floor((np.asarray(y, np.float64) - f) / e).astype(np.int64)
    inside = (col >= 0) & (col < width) & (row >= 0) & (row < height)
    place = row[inside] * width + col[inside]
    sums = np.bincount(place, np.asarray(values, np.float64)[inside], minlength=width * height)
    counts = np.bincount(place, minlength=width * height)
    found = np.where(counts > 0, sums / np.maximum(counts, 1), nodata)
    return found.reshape(height, width).astype(np.float32)
