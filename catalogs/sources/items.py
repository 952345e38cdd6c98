"""A STAC item as a `Scene`: bands, grid, licence and credit, whatever version wrote it."""

from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.errors import Fault
from schemas.scenes import Band, Scene
from schemas.sensors import DISPLAY, common_name, family
from schemas.windows import Grid

if TYPE_CHECKING:
    import pystac

NO_LICENCE = ("", "proprietary", "various", "other")


def scene_of(item: "pystac.Item") -> Scene | None:
    """The scene that an item describes, or None when it holds no raster asset with data.

    Raises:
        Fault: `stac_invalid:FIELD` when a field that cannot be guessed is missing.
    """
    import shapely

    if item.geometry is None:
        raise Fault("stac_invalid:geometry", f"{item.id}: has no geometry")
    found = [(key, a) for key, a in item.assets.items() if _is_data(a)]
    if not found:
        return None
    placed = [(_grid(item, asset), key, asset) for key, asset in found]
    bands = [band for grid, key, asset in placed for band in _bands(item, key, asset, grid)]
    finest = min((grid for grid, _, _ in placed), key=lambda g: abs(g.transform[0]))
    collection = item.collection_id or "items"
    kind = family(collection, tuple(b.name for b in bands))
    eight_bit = all(b.dtype == "uint8" for b in bands)
    terms, credit = _terms(item)
    when = item.datetime or item.common_metadata.start_datetime
    return Scene(
        id=item.id,
        collection=collection,
        datetime=when.astimezone(UTC) if when and when.tzinfo else when,
        grid=finest,
        footprint=shapely.to_wkt(shapely.geometry.shape(item.geometry), rounding_precision=9),
        bands=tuple(bands),
        licence=terms,
        attribution=credit,
        platform=item.properties.get("platform", ""),
        baseline=str(item.properties.get("s2:processing_baseline", "")),
        offset_applied=item.properties.get("earthsearch:boa_offset_applied"),
        cloud=item.properties.get("eo:cloud_cover"),
        size=sum(int(a.extra_fields.get("file:size", 0)) for _, a in found),
        checksum=_checksum(found[0][1]) if len(found) == 1 else "",
        display=DISPLAY.get(kind, (0.0, 255.0) if eight_bit else None),
    )


def _is_data(asset: Any) -> bool:
    raster = "image/tiff" in (asset.media_type or "") or "image/jp2" in (asset.media_type or "")
    pictures = {"thumbnail", "overview", "visual"}  # made to be looked at, not measured
    return raster and not pictures & set(asset.roles or [])


def _field(item: Any, asset: Any, name: str) -> Any:
    """An asset's own field, or the item's."""
    return asset.extra_fields.get(name, item.properties.get(name))


def _grid(item: Any, asset: Any) -> Grid:
    code = _field(item, asset, "proj:code") or _epsg(_field(item, asset, "proj:epsg"))
    transform, shape = _field(item, asset, "proj:transform"), _field(item, asset, "proj:shape")
    if not (code and transform and shape):
        return _header_grid(item, asset)
    a, b, c, d, e, f = (float(v) for v in transform[:6])
    grid = Grid(code, (a, b, c, d, e, f), int(shape[1]), int(shape[0]), 512)
    if grid.rotated:
        raise Fault("rotated_grid", f"{item.id}: its rows do not run east-west")
    return grid


def _epsg(code: int | None) -> str:
    return f"EPSG:{code}" if code else ""


def _header_grid(item: Any, asset: Any) -> Grid:
    """The grid from the file itself, for items without the projection extension."""
    from catalogs.rasters import open_raster
    from catalogs.sources.imagery import grid_of

    href = _href(asset)
    with open_raster(href) as dataset:
        return grid_of(dataset, f"{item.id} ({href})")


def _href(asset: Any) -> str:
    """Absolute location of an asset; never signed, never leaving the catalogue's own folder tree."""
    href = asset.get_absolute_href() or asset.href
    return str(Path(href.removeprefix("file://"))) if "://" not in href[5:] else href


def _bands(item: Any, key: str, asset: Any, grid: Grid) -> list[Band]:
    described = (
        asset.extra_fields.get("bands") or asset.extra_fields.get("eo:bands") or [{"name": key}]
    )
    raster = asset.extra_fields.get("raster:bands") or [{}] * len(described)
    gsd = float(_field(item, asset, "gsd") or abs(grid.transform[0]))
    href = _href(asset)
    found = []
    for index, (band, extra) in enumerate(zip(described, raster, strict=False), start=1):
        band = {**extra, **band}
        name = band.get("name") or (key if len(described) == 1 else f"{key}_{index}")
        found.append(
            Band(
                name=name,
                href=href,
                index=index,
                dtype=band.get("data_type") or asset.extra_fields.get("data_type") or "uint8",
                nodata=band.get("nodata", asset.extra_fields.get("nodata")),
                scale=float(band.get("raster:scale", band.get("scale", 1.0))),
                offset=float(band.get("raster:offset", band.get("offset", 0.0))),
                gsd=float(band.get("gsd") or gsd),
                common=band.get("eo:common_name") or band.get("common_name") or common_name(name),
            )
        )
    return found


def _terms(item: Any) -> tuple[str, str]:
    """(licence id, credit line) of the item, else of its collection; "" where neither says it."""
    collection = item.get_collection()
    terms = item.properties.get("license") or (collection.license if collection else "") or ""
    extra = collection.extra_fields if collection else {}
    credit = item.properties.get("attribution") or extra.get("attribution") or ""
    if not credit and collection and collection.providers:
        credit = ", ".join(p.name for p in collection.providers)
    return ("" if terms in NO_LICENCE else terms), credit


def _checksum(asset: Any) -> str:
    """sha256 out of `file:checksum`, a multihash in hex (file extension 2.1: prefix 1220)."""
    text = str(asset.extra_fields.get("file:checksum", ""))
    return text[4:] if text.startswith("1220") and len(text) == 68 else ""
