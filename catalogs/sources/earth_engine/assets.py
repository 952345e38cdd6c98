"""An Earth Engine asset's metadata as a `Scene`: grid, bands, time, cloud, terms."""

from dataclasses import replace
from typing import Any

import numpy as np

from catalogs.sources.headers import centre_gsd, footprint, parse_time
from schemas.earth_engine import Collection, band_names
from schemas.errors import Fault
from schemas.geo import mended
from schemas.scenes import Band, Scene
from schemas.windows import Grid

SCHEME = "ee://"
"""How a band's href begins; the asset's id follows."""

CLOUD = ("CLOUDY_PIXEL_PERCENTAGE", "CLOUD_COVER")
"""Properties that hold a scene's cloud cover in percent (Sentinel-2; Landsat, -1 where unknown)."""

PLATFORM = ("SPACECRAFT_NAME", "SPACECRAFT_ID", "satelliteName")

BASELINE = "PROCESSING_BASELINE"

Asset = dict[str, Any]


def asset_id(asset: Asset) -> str:
    """The id without the project in front of it, for public assets; the whole name for others."""
    name = str(asset.get("name") or asset.get("id") or "")
    for public in ("projects/earthengine-public/assets/", "projects/earthengine-legacy/assets/"):
        name = name.removeprefix(public)
    return name


KEPT = ("name", "id", "type", "startTime", "updateTime", "geometry", "bands", "sizeBytes")
"""What of an asset's metadata is looked at, besides its properties."""


def trimmed(asset: Asset) -> Asset:
    """An asset with what `scene_of` looks at, and nothing else."""
    stated = asset.get("properties") or {}
    told = {k: stated[k] for k in (*CLOUD, *PLATFORM, BASELINE) if k in stated}
    return {**{k: asset[k] for k in KEPT if k in asset}, "properties": told}


def scene_of(asset: Asset, found: Collection) -> Scene:
    """The scene that an image asset is, from its metadata alone.

    Its grid is that of the finest bands which the collection's entry names.

    Raises:
        Fault: `ee_metadata` (no usable bands), `no_crs`, `local_crs`, `rotated_grid`.
    """
    import shapely

    whole = asset_id(asset)
    image = whole.rsplit("/", 1)[-1]
    bands, grid = _bands(asset, found, whole, image)
    stated = asset.get("properties") or {}
    when = asset.get("startTime")
    outline = _outline(asset.get("geometry"))
    taken = parse_time(when) if when else None
    return Scene(
        id=whole.removeprefix(found.id + "/") if whole != found.id else image,
        collection=found.id,
        datetime=taken,
        grid=grid,
        footprint=shapely.to_wkt(outline or footprint(grid), rounding_precision=9),
        bands=bands,
        licence=found.licence,
        attribution=found.attribution.format(year=taken.year if taken else "n.d."),
        provider="earth-engine",
        platform=str(next((stated[name] for name in PLATFORM if name in stated), "")),
        baseline=str(stated.get(BASELINE, "")),
        cloud=_cloud(stated),
        size=int(asset.get("sizeBytes") or 0),
        display=found.display or _eight_bit(bands),
    )


def _bands(
    asset: Asset, found: Collection, whole: str, image: str
) -> tuple[tuple[Band, ...], Grid]:
    """The scene's bands, and the grid of the finest of them."""
    stored = asset.get("bands") or []
    ids = [str(band.get("id", "")) for band in stored]
    placed = [
        (_band(band, whole, index, common, found), grid_of(band.get("grid") or {}, whole))
        for index, (band, common) in enumerate(
            zip(stored, band_names(found, image, ids), strict=True), start=1
        )
        if common
    ]
    if not placed:
        wanted = ", ".join(name for name, _ in found.bands) or "any"
        raise Fault("ee_metadata", f"{whole}: has none of the bands asked for ({wanted})")
    grid = min((own for _, own in placed), key=centre_gsd)
    if any(own.crs != grid.crs for _, own in placed):
        raise Fault("ee_metadata", f"{whole}: its bands are in several CRS")
    bands = tuple(
        replace(band, gsd=centre_gsd(own), place=() if own == grid else place_of(own))
        for band, own in placed
    )
    return bands, grid


def place_of(grid: Grid) -> tuple[float, ...]:
    """A grid as `Band.place` holds it; `own_grid` is the inverse."""
    return (grid.width, grid.height, *grid.transform)


def own_grid(band: Band, scene: Scene) -> Grid:
    """The grid on which a band of a scene is stored."""
    if not band.place:
        return scene.grid
    width, height, a, b, c, d, e, f = band.place
    return Grid(scene.grid.crs, (a, b, c, d, e, f), int(width), int(height))


def _band(band: Asset, whole: str, index: int, common: str, found: Collection) -> Band:
    dtype = dtype_of(band.get("dataType") or {})
    return Band(
        name=str(band["id"]),
        href=SCHEME + whole,
        index=index,
        dtype=dtype,
        nodata=found.nodata,
        scale=found.scale if np.dtype(dtype).itemsize > 1 else 1.0,
        common=common,
    )


def dtype_of(stated: Asset) -> str:
    """The numpy type of an Earth Engine `PixelDataType`: `precision` and, for integers, `range`."""
    precision = stated.get("precision")
    if precision == "FLOAT":
        return "float32"
    span = stated.get("range") or {}
    if precision != "INT" or "max" not in span:
        return "float64"
    low, high = int(span.get("min", 0)), int(span["max"])
    names = ("uint8", "int8", "uint16", "int16", "uint32", "int32")
    fits = (n for n in names if np.iinfo(n).min <= low and high <= np.iinfo(n).max)
    return next(fits, "float64")


def grid_of(stated: Asset, where: str) -> Grid:
    """The grid of an Earth Engine `PixelGrid`; shears and translations that are zero may be left out.

    Raises:
        Fault: `no_crs`, `local_crs`, `rotated_grid`, `ee_metadata`.
    """
    from pyproj.exceptions import CRSError

    crs = stated.get("crsCode") or stated.get("crsWkt")
    size, affine = stated.get("dimensions") or {}, stated.get("affineTransform") or {}
    if not crs:
        raise Fault("no_crs", f"{where}: states no CRS")
    if not (size.get("width") and size.get("height") and affine.get("scaleX")):
        raise Fault("ee_metadata", f"{where}: states no size or no place; it is no stored image")
    a, b, c = (float(affine.get(key, 0)) for key in ("scaleX", "shearX", "translateX"))
    d, e, f = (float(affine.get(key, 0)) for key in ("shearY", "scaleY", "translateY"))
    grid = Grid(str(crs), (a, b, c, d, e, f), int(size["width"]), int(size["height"]))
    if grid.rotated:
        raise Fault("rotated_grid", f"{where}: its rows do not run east-west")
    try:
        centre_gsd(grid)
    except CRSError as error:
        raise Fault("local_crs", f"{where}: its CRS {str(crs)[:40]} is not known here") from error
    return grid


def _cloud(stated: Asset) -> float | None:
    """Percent of cloud, None when it is unknown."""
    for name in CLOUD:
        if isinstance(stated.get(name), int | float) and stated[name] >= 0:
            return float(stated[name])
    return None


def _outline(geometry: Any) -> Any:
    """An asset's outline in lon/lat; None where it states none with an area within bounds."""
    import shapely

    if not geometry:
        return None
    try:
        shape = shapely.geometry.shape(geometry)
        if shape.geom_type in ("LinearRing", "LineString"):
            shape = shapely.Polygon(shape)
    except (shapely.errors.ShapelyError, ValueError, TypeError, KeyError, AttributeError):
        return None
    west, south, east, north = shape.bounds
    fits = west >= -360 and east <= 360 and south >= -90 and north <= 90 and shape.area > 0
    return mended(shape) if fits and shape.geom_type.endswith("Polygon") else None


def _eight_bit(bands: tuple[Band, ...]) -> tuple[float, float] | None:
    return (0.0, 255.0) if all(band.dtype == "uint8" for band in bands) else None
