"""`Sample`, `Image` and `Drop`: what travels through the steps."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.scenes import Scene
from schemas.windows import Grid, Window

KEY = re.compile(r"[a-z0-9_-]{1,80}")
"""A sample key: no dot (everything after the first dot is a member's field name), no upper case."""

Fact = str | int | float | bool | datetime | None


@dataclass(slots=True)
class Image:
    """Pixels with everything needed to say where they lie and what they mean.

    Attributes:
        array: `(band, y, x)` or, as a stack of dates, `(time, band, y, x)`, in the source's dtype.
        bands: band names, one for each band.
        grid: CRS, affine and shape; `array.shape[-2:] == (grid.height, grid.width)`.
        nodata: stored value that means "no data", or None.
        valid: bool `(y, x)`, of a stack `(time, y, x)`: True where every band holds data.
        display: stored values that are shown as 0 and 255 in an 8-bit picture.
        times: acquisitions of a stack, in order; () for a single date.
    """

    array: npt.NDArray[Any]
    bands: tuple[str, ...]
    grid: Grid
    nodata: float | None
    valid: npt.NDArray[np.bool_]
    display: tuple[float, float] = (0.0, 255.0)
    times: tuple[datetime | None, ...] = ()

    @property
    def stacked(self) -> bool:
        """Whether it has a time axis."""
        return self.array.ndim == 4

    def date(self, place: int) -> "Image":
        """One date of a stack, `(band, y, x)`."""
        return replace(self, array=self.array[place], valid=self.valid[place], times=())

    def clearest(self) -> "Image":
        """The date with the most valid pixels, the first of several; itself without a time axis."""
        return self.date(int(self.valid.sum(axis=(1, 2)).argmax())) if self.stacked else self


@dataclass(slots=True)
class Sample:
    """A window and what has been learnt of it.

    Attributes:
        id: key, unique in the release, derived from content; see `KEY`.
        lon, lat: anchor in degrees that decides the split cell (for an object: its bbox centre).
        window: None until a plan step has chosen it.
        scenes: the scenes that its pixels come from.
        images: pixels by name; only alive inside a block of `make`.
        facts: labels, texts, scores and provenance: one column each, named by a step's `gives`.
        members: encoded members by extension, e.g. `rgb.jpg`, read when asked for; only alive inside
            a block of `annotate`.
        layers: the scene of each raster layer that goes with the scenes, by role (`dem`, `palsar`, ...).
    """

    id: str
    lon: float
    lat: float
    window: Window | None = None
    scenes: tuple[Scene, ...] = ()
    images: dict[str, Image] = field(default_factory=dict)
    facts: dict[str, Fact] = field(default_factory=dict)
    members: Mapping[str, bytes] = field(default_factory=dict)
    layers: dict[str, Scene] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a planned sample is not in the release. A row, not an exception.

    Attributes:
        id: sample id.
        step: name of the step that decided.
        code: reason code, e.g. `nodata_share`.
        message: one sentence with the numbers.
        outcome: `rejected` (expected loss) or `failed` (fault or bug).
        retryable: whether `--retry-failed` has a chance.
    """

    id: str
    step: str
    code: str
    message: str = ""
    outcome: str = "rejected"
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Drops:
    """Many drops of one step for one reason, as columns: a scan may lose millions.

    Attributes:
        ids: sample ids.
        step, code, message, outcome, retryable: as in `Drop`, of all of them.
        lon, lat: anchors in degrees, NaN where none is known.
    """

    ids: Sequence[str]
    step: str
    code: str
    message: str
    lon: npt.NDArray[np.float64]
    lat: npt.NDArray[np.float64]
    outcome: str = "rejected"
    retryable: bool = False
