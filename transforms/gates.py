"""Gates: a sample passes or is rejected with a number that says why."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from schemas.errors import Reject
from schemas.recipes import at_least, within
from schemas.samples import Image, Sample
from transforms.context import Context


@dataclass(frozen=True)
class DateGap:
    """Reject when image and map are more than `years` apart; unknown dates pass, noted as null.

    Attributes:
        years: largest gap between acquisition and the object's last edit; 0 switches the gate off.
    """

    years: float = 0.0
    needs: tuple[str, ...] = field(default=("datetime", "osm_timestamp"), init=False)
    gives: dict[str, str] = field(default_factory=lambda: {"date_gap_days": "float64"}, init=False)

    def __post_init__(self) -> None:
        """Refuse a gap that nothing can keep."""
        at_least("gates.DateGap.years", self.years, 0)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with `date_gap_days` (image minus map).

        Raises:
            Reject: `date_gap`.
        """
        image, edit = sample.facts["datetime"], sample.facts["osm_timestamp"]
        gap = None
        if isinstance(image, datetime) and isinstance(edit, datetime):
            gap = (image - edit).total_seconds() / 86_400
            if self.years and abs(gap) > self.years * 365.25:
                raise Reject("date_gap", f"{gap:.0f} days, at most {self.years:g} years")
        sample.facts["date_gap_days"] = gap
        return sample


@dataclass(frozen=True)
class OnLand:
    """Reject samples whose place lies in the sea, by the role `land`; goes into the plan."""

    needs: tuple[str, ...] = field(default=(), init=False)
    gives: dict[str, str] = field(default_factory=dict, init=False)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample unchanged.

        Raises:
            Reject: `not_on_land`.
        """
        place = np.array([sample.lon]), np.array([sample.lat])
        if not ctx.sources["land"].holds(*place)[0]:
            raise Reject("not_on_land", f"{sample.lon:.5f} {sample.lat:.5f} is water")
        return sample


@dataclass(frozen=True)
class Valid:
    """Reject chips with too little data.

    Attributes:
        share: least share of pixels that hold data in every band.
    """

    share: float = 0.98
    needs: tuple[str, ...] = field(default=("image", "nodata_share"), init=False)
    gives: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        within("gates.Valid.share", self.share, 0, 1)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample unchanged.

        Raises:
            Reject: `nodata_share`.
        """
        missing = float(sample.facts["nodata_share"] or 0.0)  # type: ignore[arg-type]
        if missing > 1 - self.share:
            raise Reject("nodata_share", f"{missing:.3f} of the pixels hold no data")
        return sample


def contrast(image: Image) -> float:
    """Standard deviation of the first three bands' mean over valid pixels, in 8-bit display steps.

    Of a stack the clearest date counts.
    """
    image = image.clearest()
    low, high = image.display
    picture: npt.NDArray[np.float32] = image.array[:3].mean(axis=0, dtype=np.float32)
    good = picture[image.valid]
    return float(good.std() / (high - low) * 255) if good.size else 0.0


@dataclass(frozen=True)
class NotBlank:
    """Reject chips without any structure (lost tiles, fog, saturated cloud).

    Attributes:
        least: standard deviation in 8-bit display steps below which a chip counts as blank. Calm
            water keeps 0.5 to 2 steps of sensor noise; a filled-in tile has none.
    """

    least: float = 0.25
    needs: tuple[str, ...] = field(default=("image",), init=False)
    gives: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Refuse a contrast that no chip, or every chip, has."""
        within("gates.NotBlank.least", self.least, 0, 128)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample unchanged.

        Raises:
            Reject: `blank`.
        """
        found = contrast(sample.images["image"])
        if found < self.least:
            raise Reject("blank", f"contrast {found:.2f}, at least {self.least:g}")
        return sample
