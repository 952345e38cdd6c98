"""MCD12Q2 on Earth Engine: a product year is one image of the globe on the sinusoidal grid."""

from dataclasses import dataclass, replace
from typing import Any

from catalogs.sources.earth_engine.assets import asset_id, dtype_of, grid_of
from catalogs.sources.earth_engine.calls import Service, service
from catalogs.sources.earth_engine.pixels import read
from catalogs.sources.earth_engine.session import connect
from catalogs.sources.phenology.layers import Layer, dates_of, lacking, of_band
from schemas.chance import digest
from schemas.errors import Fault, SourceError
from schemas.phenology import Dates
from schemas.scenes import Box
from schemas.windows import Grid

COLLECTION = "MODIS/061/MCD12Q2"

SINUSOIDAL = (
    'PROJCS["MODIS Sinusoidal",GEOGCS["sphere",DATUM["sphere",SPHEROID["sphere",6371007.181,0]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Sinusoidal"],'
    'PARAMETER["longitude_of_center",0],PARAMETER["false_easting",0],PARAMETER["false_northing",0],'
    'UNIT["metre",1]]'
)
"""The service calls this `SR-ORG:6974`, a code that libraries do not know (MODIS land grid: sphere of
6371007.181 m)."""


@dataclass(frozen=True)
class Images:
    """The images of a collection that share one grid.

    Attributes:
        assets: (product year, asset id, bands that are read), ascending.
        size: bytes of a number of the widest band.
        checksum: of the assets' ids and the times at which the service last changed them.
    """

    grid: Grid
    assets: tuple[tuple[int, str, tuple[str, ...]], ...]
    size: int
    by: Service | None = None
    checksum: str = ""

    @property
    def years(self) -> tuple[int, ...]:
        """Product years."""
        return tuple(year for year, _, _ in self.assets)

    def read(self, box: Box) -> Dates:
        """As `Cube`. A masked number comes as 0, which is no date, no amplitude and no cycle.

        Raises:
            SourceError: the service does not give it.
        """
        part = self.grid.cut(*box)
        values: dict[Layer, Any] = {}
        for year, asset, bands in self.assets:
            try:
                stack, _ = read(asset, bands, part, itemsize=self.size, by=self.by)
            except Fault as fault:
                raise SourceError(f"--phenology {fault.message} ({fault.code})") from fault
            for name, array in zip(bands, stack, strict=True):
                layer = of_band(name, year)
                assert layer is not None
                values[layer] = array.reshape(box[2] * box[3])
        return dates_of(self.years, values, box[2] * box[3])


def open_images(by: Service | None = None) -> Images:
    """All product years that the service holds.

    Raises:
        UsageError: no client, project or credentials.
        SourceError: access is refused, or the collection is not what it is known as.
    """
    import ee

    service_ = by or service()
    connect(by=service_)
    found: list[dict[str, Any]] = []
    asked: dict[str, Any] = {
        "parent": COLLECTION, "pageSize": 500, "filter": 'startTime >= "2001-01-01T00:00:00Z"',
    }  # fmt: skip
    try:
        while True:
            answer = service_.call(lambda: dict(ee.data.listImages(dict(asked))), COLLECTION)
            found += answer.get("images") or []
            if not answer.get("nextPageToken"):
                break
            asked["pageToken"] = answer["nextPageToken"]
        assets = sorted((_year(asset), asset_id(asset), asset) for asset in found)
        grids = [_grid(asset, name) for _, name, asset in assets]
    except Fault as fault:
        raise SourceError(f"--phenology {fault.message} ({fault.code})") from fault
    if not assets or len(set(grids)) > 1:
        what = "holds images of several grids" if assets else "holds no image"
        raise SourceError(f"--phenology earth-engine: {COLLECTION} {what}")
    named = tuple((year, name, _bands(asset)) for year, name, asset in assets)
    layers = [of_band(band, year) for year, _, bands in named for band in bands]
    if missing := lacking(layer for layer in layers if layer is not None):
        raise SourceError(f"--phenology earth-engine: {COLLECTION} lacks {', '.join(missing[:4])}")
    kinds = [dtype_of(b.get("dataType") or {}) for _, _, a in assets for b in a.get("bands", ())]
    states = [(name, str(asset.get("updateTime") or "")) for _, name, asset in assets]
    return Images(grids[0], named, 8 if "float64" in kinds else 4, by, digest(states))


def _year(asset: dict[str, Any]) -> int:
    return int(str(asset.get("startTime") or asset_id(asset).rsplit("/", 1)[-1])[:4])


def _bands(asset: dict[str, Any]) -> tuple[str, ...]:
    names = (str(band.get("id", "")) for band in asset.get("bands") or ())
    return tuple(name for name in names if of_band(name, 0) is not None)


def _grid(asset: dict[str, Any], name: str) -> Grid:
    """The grid of an image's bands.

    Raises:
        Fault: as `grid_of`.
    """
    stated = dict((asset.get("bands") or [{}])[0].get("grid") or {})
    if stated.get("crsCode", "").startswith("SR-ORG"):
        stated["crsCode"], stated["crsWkt"] = "", SINUSOIDAL
    return replace(grid_of(stated, name), tile=0)
