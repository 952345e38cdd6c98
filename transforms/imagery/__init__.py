"""Which scenes show a place (`Find`), and their pixels on one grid (`Read`)."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from schemas.errors import Reject
from schemas.recipes import at_least, within
from schemas.samples import Sample
from schemas.scenes import Band, Part, Scene
from schemas.windows import Window
from transforms.context import Context
from transforms.imagery.choice import choose_bands, one_per_year, one_zone, slug, usable
from transforms.imagery.masks import mask_band, read_mask
from transforms.imagery.missing import nodata_of, valid_pixels
from transforms.imagery.nearest import Nearest
from transforms.imagery.pixels import parts, read_pixels, read_window
from transforms.imagery.place import chip_window
from transforms.imagery.radiometry import display_of, remove_offset
from transforms.imagery.reading import facts_of, image_of, mask_image, read_date
from transforms.imagery.series import (
    Dated,
    dated,
    intervals,
    nearest_dates,
    per_interval,
    spaced,
    utc,
    wanted,
)
from transforms.resampling import REACH

__all__ = [
    "Find", "Nearest", "Read", "choose_bands", "display_of", "mask_band", "nodata_of",
    "read_mask", "read_pixels", "read_window", "remove_offset", "slug", "valid_pixels",
]  # fmt: skip


@dataclass(frozen=True)
class Find:
    """One sample for each (object, collection, year) that the imagery role covers.

    By default of the clearest scene that holds the object whole. With `every`, `count` or `dates`
    of a series, in time order and in one CRS; one that is chosen by `dates` may span years, and is
    one sample for each collection.

    Attributes:
        max_cloud: percent of cloud over the whole scene above which it is not used.
        coarsest: metres; scenes with larger pixels are not used. 0: all are.
        every: the clearest scene of each interval of a year: `10d`, `1mo`, ...
        count: so many scenes of a year, those with the least cloud together.
        min_gap_days: how far those must be apart.
        dates: ISO dates (the whole day, UTC) or times, or `@NAME` for a fact that holds one: the
            nearest scene to each.
        nearest_before: whether those must not be later than their date.
        max_days: how far those may be from their date.
        least: fewest scenes of a series; 0: one for `every`, all that are asked for else.
    """

    max_cloud: float = 20.0
    coarsest: float = 0.0
    every: str = ""
    count: int = 0
    min_gap_days: float = 0.0
    dates: tuple[str, ...] = ()
    nearest_before: bool = False
    max_days: float = 30.0
    least: int = 0

    @property
    def needs(self) -> tuple[str, ...]:
        """The facts that dates are taken from."""
        return tuple(text[1:] for text in self.dates if text.startswith("@"))

    def __post_init__(self) -> None:
        """Refuse choices that cannot be met together."""
        within("imagery.Find.max_cloud", self.max_cloud, 0, 100)
        for name in ("coarsest", "count", "min_gap_days", "max_days", "least"):
            at_least(f"imagery.Find.{name}", getattr(self, name), 0)
        if sum(map(bool, (self.every, self.count, self.dates))) > 1:
            raise ValueError("imagery.Find: only one of every, count and dates")
        if self.every:
            next(intervals(self.every, 2000))
        for text in self.dates:
            if not text.startswith("@"):
                utc(text)

    @property
    def series(self) -> bool:
        """Whether samples have several scenes."""
        return bool(self.every or self.count or self.dates)

    @property
    def gives(self) -> dict[str, str]:
        """Scenes, and what is known of the chosen ones."""
        return {
            "scenes": "noun",
            "collection": "string",
            "datetime": "timestamp",
            "year": "int64",
            "cloud_scene": "float64",
            "processing_baseline": "string",
            **({"datetimes": "string"} if self.series else {}),
        }

    def __call__(self, sample: Sample, ctx: Context) -> Iterator[Sample]:
        """The sample once for every scene or series chosen.

        Raises:
            Reject: `no_imagery`, `too_coarse`, `no_imagery_in_years`, `cloudy`,
                `experimental_baseline`, or `too_few_dates`.
        """
        over = ctx.sources["imagery"].over(sample.lon, sample.lat)
        found, reason = usable(over, ctx.years, self.max_cloud, self.coarsest)
        if not found:
            raise Reject(reason, f"{len(over)} scenes over {sample.lon:.5f} {sample.lat:.5f}")
        if not self.series:
            chosen = one_per_year(found, str(sample.facts.get("_bounds") or ""))
            groups = {key: [scene] for key, scene in chosen.items()}
        else:
            groups = self._series(sample, found)
        for (collection, year), scenes in groups.items():
            yield self._with(sample, collection, year, scenes)

    def _series(self, sample: Sample, found: list[Scene]) -> dict[tuple[str, int], list[Scene]]:
        """Scenes of each (collection, year) in time order."""
        groups: dict[tuple[str, int], list[Scene]] = {}
        most = 0
        for collection in sorted({scene.collection for scene in found}):
            own = [scene for scene in found if scene.collection == collection]
            bounds = str(sample.facts.get("_bounds") or "")
            known = dated(one_zone(own, sample.lon, sample.lat, bounds))
            each = [when for when, _ in known.values()]
            years = [0] if self.dates else sorted({when.year for when, _, _ in each})
            for year in years:
                chosen = self._chosen([w for w in each if year in (0, w[0].year)], sample, year)
                most = max(most, len(chosen))
                if chosen and len(chosen) >= self._fewest():
                    scenes = [known[name][1] for _, _, name in chosen]
                    groups[collection, year or chosen[0][0].year] = scenes
        if not groups:
            raise Reject("too_few_dates", f"{most} dates at most, {self._fewest()} are needed")
        return groups

    def _fewest(self) -> int:
        return self.least or self.count or len(self.dates) or 1

    def _chosen(self, found: list[Dated], sample: Sample, year: int) -> list[Dated]:
        if self.every:
            return per_interval(found, self.every, year)
        if self.count:
            return spaced(found, self.count, self.min_gap_days)
        times = [wanted(text, sample) for text in self.dates]
        known = [when for when in times if when is not None]
        return nearest_dates(found, known, self.max_days, self.nearest_before)

    def _with(self, sample: Sample, collection: str, year: int, scenes: list[Scene]) -> Sample:
        stamp = f"{year % 100:02d}" if year else "na"
        cloud = [scene.cloud for scene in scenes]
        known = [value for value in cloud if value is not None]
        facts = {
            **sample.facts,
            "collection": collection,
            "datetime": scenes[0].datetime,
            "year": year or None,
            "cloud_scene": max(known) if len(known) == len(cloud) else None,
            "processing_baseline": ",".join(dict.fromkeys(scene.baseline for scene in scenes)),
        }
        if self.series:
            times = [scene.datetime.isoformat() for scene in scenes if scene.datetime]
            facts["datetimes"] = ",".join(times)
        name = f"{sample.id}_{slug(collection)}_{stamp}"
        return replace(sample, id=name, scenes=tuple(scenes), facts=facts)


@dataclass(frozen=True)
class Read:
    """The chip's pixels; those on the scene's own grid are never resampled.

    The chip's grid is that of the finest band asked for. A coarser band is read on its own grid and
    brought onto the chip's; `resampled` says so. Of several scenes the chip is a stack of dates.

    Attributes:
        bands: common or own names in the order of the image; those the scene lacks are left out.
            Where it has none of them, all of its finest bands are taken.
        resampling: `nearest`, `bilinear`, `cubic` or `average`; nodata and masks are never averaged.
        gsd: metres for a pixel of the chip; 0: those of the finest band.
        planned: whether the chip's grid is its window's, even where no band has that.
        mask: whether to keep the scene's mask as image `mask`.
    """

    bands: tuple[str, ...] = ("red", "green", "blue", "nir")
    resampling: str = "nearest"
    gsd: float = 0.0
    planned: bool = False
    mask: bool = False
    needs: tuple[str, ...] = field(default=("window", "scenes"), init=False)

    def __post_init__(self) -> None:
        """Refuse a method that there is not, and pixels of no size."""
        if self.resampling not in REACH:
            raise ValueError(
                f"imagery.Read.resampling={self.resampling!r}: one of {', '.join(REACH)}"
            )
        at_least("imagery.Read.gsd", self.gsd, 0)
        if self.gsd and self.planned:
            raise ValueError(f"imagery.Read: only one of gsd ({self.gsd:g}) and planned")

    @property
    def gives(self) -> dict[str, str]:
        """The image, and what was done to its numbers."""
        return {
            "image": "noun",
            **({"mask": "noun"} if self.mask else {}),
            "bands": "string",
            "nodata_share": "float64",
            "radiometric_convention": "string",
            "offset_applied": "int64",
            "scale": "float64",
            "offset": "float64",
            "offset_suspect": "bool",
            "resampled": "string",
        }

    def reads(self, sample: Sample) -> Iterator[Band]:
        """The bands that a sample will be read from; none is opened to say so."""
        for scene in sample.scenes:
            yield from choose_bands(scene, self.bands)
            if self.mask and (found := mask_band(scene)) is not None:
                yield found[0]

    def parts(self, sample: Sample) -> Iterator[Part]:
        """What a sample will be read from, in the order of reading.

        Raises:
            Fault, Reject: as the read itself.
        """
        chip = self._chip(sample, choose_bands(sample.scenes[0], self.bands)).grid
        for scene in sample.scenes:
            yield from parts(choose_bands(scene, self.bands), chip, scene, self.resampling)
            if self.mask and (found := mask_band(scene)) is not None:
                yield from parts((found[0],), chip, scene)

    def _chip(self, sample: Sample, bands: tuple[Band, ...]) -> Window:
        assert sample.window is not None
        if self.planned:
            return sample.window
        return chip_window(sample.window, sample.scenes[0], bands, self.gsd)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with `images["image"]`, and its window where the chip's grid is another.

        Raises:
            Fault: as `read_pixels`; `band_mismatch` when dates have other bands, CRS or nodata.
            Reject: `too_small`, as `chip_window`.
        """
        first = sample.scenes[0]
        bands = choose_bands(first, self.bands)
        sample.window = window = self._chip(sample, bands)
        dates = [
            read_date(scene, self.bands, bands, window.grid, self.resampling)
            for scene in sample.scenes
        ]
        stack = sample.scenes if len(dates) > 1 or "datetimes" in sample.facts else ()
        display = display_of(first, bands, ctx.scratch)
        image = image_of(dates, bands, window.grid, display, stack)
        sample.images["image"] = image
        if self.mask and (mask := mask_image(sample.scenes, image)) is not None:
            sample.images["mask"] = mask
        sample.facts.update(facts_of(dates, image))
        return sample
