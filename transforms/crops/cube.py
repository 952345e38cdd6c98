"""Twelve months of a patch, out of all that was acquired in its year."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import Fault, Reject
from schemas.products import SENTINEL_2_L1C
from schemas.recipes import within
from schemas.samples import Image, Sample
from schemas.scenes import Band, Part, Scene
from schemas.sensors import SENTINEL_2
from transforms.clouds import kinds
from transforms.context import Context
from transforms.crops import hollstein
from transforms.crops.months import MONTHS, clear_median, fill_gaps, groups, starts
from transforms.imagery import Read, choose_bands, display_of, mask_band, read_mask
from transforms.imagery.reading import Date, facts_of, read_date

BANDS = tuple(layer.name for layer in SENTINEL_2_L1C)
"""The thirteen bands of Sentinel-2 by its own names, in the order of Level-1C."""


def own_name(band: Band) -> str:
    """What Sentinel-2 calls a band (`B04`), whatever its catalogue does; else the band's own name."""
    common = {common: name for name, common in SENTINEL_2.items()}
    return common.get(band.common, band.name)


@dataclass(frozen=True)
class Months:
    """Twelve months of the chip: of each month the median of its clear pixels.

    Image `image` is `(month, band, y, x)` with bands by their Sentinel-2 names; a month in which a
    pixel was never clear lies on the straight line through the nearest two in which it was. Image
    `count`, uint8 `(month, y, x)`, says how many clear observations there are: 0 where the number is
    made of others. A pixel that was not clear all year is nodata in all months.

    Clear is what the scene's own mask calls neither cloud nor shadow; without one, what the decision
    tree of `hollstein` finds clear (Level-1C only); else all that has data. `mask_by` says which.
    Bands of 20 and 60 m are repeated to 10 m. One month's dates are in memory at a time.

    Attributes:
        bands: by Sentinel-2 names; those that the scenes lack are left out.
        least: fewest months with a clear pixel.
    """

    bands: tuple[str, ...] = BANDS
    least: int = 1
    needs: tuple[str, ...] = field(default=("window", "scenes", "datetimes", "year"), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {
            **Read().gives,
            "count": "noun",
            "months_seen": "int64",
            "gap_share": "float64",
            "mask_by": "string",
        },
        init=False,
    )

    def __post_init__(self) -> None:
        """Refuse more months than there are, and bands that Sentinel-2 has not."""
        within("crops.Months.least", self.least, 1, MONTHS)
        for name in self.bands:
            if name not in BANDS:
                raise ValueError(f"crops.Months.bands: {name!r}; one of {', '.join(BANDS)}")

    @property
    def _read(self) -> Read:
        wanted = tuple(SENTINEL_2[name] for name in self.bands)
        return Read(bands=wanted, resampling="nearest", planned=True, mask=True)

    def reads(self, sample: Sample) -> Iterator[Band]:
        """The bands that a sample will be read from."""
        return self._read.reads(sample)

    def parts(self, sample: Sample) -> Iterator[Part]:
        """What a sample will be read from, in the order of reading.

        Raises:
            Fault: as the read itself.
        """
        return self._read.parts(sample)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with both images.

        Raises:
            Fault: as `imagery.Read`.
            Reject: `too_few_months`.
        """
        assert sample.window is not None
        year = int(sample.facts["year"])  # type: ignore[arg-type]
        bands = choose_bands(sample.scenes[0], self._read.bands)
        made = _Made(sample, bands)
        times = [scene.datetime for scene in sample.scenes]
        for month, places in groups(times, year):
            made.add(month, [sample.scenes[place] for place in places], self._read.bands)
        seen = int((made.count.reshape(MONTHS, -1).max(axis=1) > 0).sum())
        if seen < self.least:
            raise Reject("too_few_months", f"{seen} with a clear pixel, {self.least} are needed")
        image = made.image(year, display_of(sample.scenes[0], bands, ctx.scratch))
        sample.images["image"] = image
        sample.images["count"] = Image(
            made.count, tuple(f"T{m}_count" for m in range(MONTHS)), image.grid, None,
            np.ones(image.valid.shape[1:], bool), (0.0, max(1.0, float(made.count.max()))),
        )  # fmt: skip
        sample.facts.update(facts_of(made.dates, image))
        sample.facts.update(
            months_seen=seen,
            gap_share=float((made.count == 0).mean()),
            mask_by=",".join(sorted(made.masks)),
        )
        return sample


class _Made:
    """Months that grow while their dates are read, one month at a time."""

    def __init__(self, sample: Sample, bands: tuple[Band, ...]) -> None:
        assert sample.window is not None
        self.sample, self.bands, self.grid = sample, bands, sample.window.grid
        self.names = tuple(own_name(band) for band in bands)
        self.months: npt.NDArray[Any] | None = None
        self.count = np.zeros((MONTHS, self.grid.height, self.grid.width), np.uint8)
        self.dates: list[Date] = []
        self.masks: set[str] = set()
        self.nodata: float | None = None

    def add(self, month: int, scenes: list[Scene], wanted: tuple[str, ...]) -> None:
        """Read the scenes of a month and keep their medians.

        Raises:
            Fault: as `read_date`; `no_nodata` where nothing can stand for a missing pixel.
        """
        read = [read_date(s, wanted, self.bands, self.grid, "nearest") for s in scenes]
        clear = np.stack([self._clear(s, d) for s, d in zip(scenes, read, strict=True)])
        if self.months is None:
            self.nodata = read[0].pixels.nodata
            shape = (MONTHS, len(self.bands), self.grid.height, self.grid.width)
            self.months = np.zeros(shape, read[0].array.dtype)
        for place in range(len(self.bands)):
            stack = np.stack([date.array[place] for date in read])
            self.months[month, place], self.count[month] = clear_median(stack, clear)
        small = np.zeros((len(self.bands), 0, 0), read[0].array.dtype)
        for date in read:  # what is said of them outlives their pixels
            date.pixels.array = date.array = small
        self.dates += read

    def _clear(self, scene: Scene, date: Date) -> npt.NDArray[np.bool_]:
        """Where a date shows the ground, bool `(y, x)`."""
        if (found := mask_band(scene)) is not None:
            told = kinds(*_told(scene, found, self.grid))
            self.masks.add(found[1].name)
            hidden = [told[name] for name in ("nodata", "cloud", "shadow")]
        elif set(hollstein.BANDS) <= set(self.names) and None not in date.scaling:
            scale, offset = date.scaling
            physical = date.array * float(scale or 1) + float(offset or 0)
            classes = hollstein.classify(dict(zip(self.names, physical, strict=True)))
            self.masks.add("hollstein")
            bad = (hollstein.CLOUD, hollstein.CIRRUS, hollstein.SHADOW)
            hidden = [np.isin(classes, bad)]
        else:
            self.masks.add("none")
            hidden = []
        clear = date.valid.copy()
        for mask in hidden:
            if mask is not None:
                clear &= ~mask
        return np.asarray(clear)

    def image(self, year: int, display: tuple[float, float]) -> Image:
        """The months with their gaps filled.

        Raises:
            Fault: `no_nodata`.
        """
        assert self.months is not None
        ever = self.count.any(axis=0)
        if not ever.all() and self.nodata is None:
            raise Fault("no_nodata", f"{self.sample.id}: no value stands for a pixel never clear")
        whole = self.months.dtype.kind in "ui"
        most = float(np.iinfo(self.months.dtype.name).max) if whole else np.inf
        least = (1.0 if self.nodata == 0 else 0.0) if whole else -np.inf
        self.months = fill_gaps(self.months, self.count, starts(year), least, most)
        if self.nodata is not None:
            self.months[:, :, ~ever] = self.nodata
        times = tuple(datetime(year, month + 1, 1, tzinfo=UTC) for month in range(MONTHS))
        valid = np.broadcast_to(ever, (MONTHS, *ever.shape)).copy()
        return Image(self.months, self.names, self.grid, self.nodata, valid, display, times)


def _told(scene: Scene, found: Any, grid: Any) -> Any:
    """The arguments of `clouds.kinds` for a scene's mask on a grid."""
    band, legend = found
    numbers, there = read_mask(scene, band, legend, grid)
    return numbers, legend, there
