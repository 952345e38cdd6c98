"""`Scene`: one catalogue item, reduced to what reading pixels and giving credit need."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from schemas.windows import Grid

ALPHA = "alpha"
"""Name of a band that says which pixels are valid; never part of a chip unless asked for by name."""


@dataclass(frozen=True, slots=True)
class Band:
    """One band of a scene: where it lies and how its numbers are meant.

    Attributes:
        name: the source's own name, e.g. `B08`.
        href: unsigned location of the file.
        index: 1-based band number within that file.
        dtype: numpy name of the stored type.
        nodata: the stored value that means "no data", or None.
        scale, offset: physical value = stored * scale + offset, as declared (1, 0 when not).
        gsd: ground sampling distance in metres of this band's own grid, 0 when not declared.
        common: STAC common name (`red`, `nir`, ...), or the same as `name`.
        assumed: whether the name follows from the band's number alone.
        place: (width, height, six numbers of the affine) that the catalogue declares for this file;
            () when it declares none, or the grid of its scene.
        size: bytes of the file as declared, 0 when not.
        checksum: sha256 of the file as declared, "" when not.
        etag: entity tag that a remote file had when its header was read for the plan; "" when the
            catalogue says all that the plan needs.
    """

    name: str
    href: str
    index: int = 1
    dtype: str = "uint8"
    nodata: float | None = None
    scale: float = 1.0
    offset: float = 0.0
    gsd: float = 0.0
    common: str = ""
    assumed: bool = False
    place: tuple[float, ...] = ()
    size: int = 0
    checksum: str = ""
    etag: str = ""

    @property
    def alpha(self) -> bool:
        """Whether this band tells validity, not colour."""
        return (self.common or self.name) == ALPHA


@dataclass(frozen=True, slots=True)
class Scene:
    """One item of imagery.

    Attributes:
        id: catalogue id; unique within `collection`.
        collection: collection id; `local` or the sensor's family for a plain file, whose stem is `id`.
        datetime: acquisition, UTC and aware; None when nobody recorded it.
        grid: pixel grid of the finest bands.
        footprint: outline in lon/lat as WKT (a polygon, or a multipolygon at the antimeridian).
        bands: in the order of the source.
        licence: SPDX id (or LicenseRef-*) of the pixels.
        attribution: the credit line the licence asks for.
        baseline: processing baseline as declared ("04.00"), "" when there is none.
        offset_applied: whether the catalogue says that the radiometric offset is removed already.
        cloud: share of cloud over the whole scene in percent, None when unknown.
        size: bytes of the pixel files together, 0 when unknown.
        checksum: sha256 of the pixel file as declared, "" when unknown.
        display: stored values shown as 0 and 255 in pictures; None: taken from the file itself.
    """

    id: str
    collection: str
    datetime: datetime | None
    grid: Grid
    footprint: str
    bands: tuple[Band, ...]
    licence: str
    attribution: str
    provider: str = ""
    platform: str = ""
    baseline: str = ""
    offset_applied: bool | None = None
    cloud: float | None = None
    size: int = 0
    checksum: str = ""
    display: tuple[float, float] | None = None

    @property
    def key(self) -> str:
        """Unique over all collections."""
        return f"{self.collection}/{self.id}"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON-able form; `from_dict` is its inverse."""
        row = asdict(self)
        row["datetime"] = self.datetime.isoformat() if self.datetime else None
        return row

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> "Scene":
        """The scene that `as_dict` described."""
        when = row["datetime"]
        return cls(
            **{
                **row,
                "datetime": datetime.fromisoformat(when) if when else None,
                "grid": Grid(**{**row["grid"], "transform": tuple(row["grid"]["transform"])}),
                "bands": tuple(
                    Band(**{**band, "place": tuple(band.get("place", ()))}) for band in row["bands"]
                ),
                "display": tuple(row["display"]) if row["display"] else None,
            }
        )


Box = tuple[int, int, int, int]
"""(column, row, width, height) in pixels of the grid on which a band is stored."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is read at once: a box of bands that share one location and one grid.

    Attributes:
        bands: of `scene`, equal in `href` and `place`.
        scene: where they come from.
        box: in pixels of their own grid.
    """

    bands: tuple[Band, ...]
    scene: Scene
    box: Box

    @property
    def href(self) -> str:
        """Where the bands lie."""
        return self.bands[0].href
