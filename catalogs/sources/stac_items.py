"""Items as a catalogue hands them out, judged and trimmed before they become scenes."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from catalogs.sources.area import Area
from catalogs.sources.stac_fields import (
    Json,
    is_raster,
    pictures,
    properties_of,
    stated_bands,
    time_of,
    usable_assets,
)
from schemas.collections import COLLECTIONS
from schemas.errors import Fault
from schemas.geo import within_180
from schemas.products import Layer

if TYPE_CHECKING:
    import shapely

SCHEMES = ("https", "http", "s3", "gs")
"""How a file on another host may be named: what `catalogs.sources.net` reads. Everything else would be
opened on this one, or fail as each of its samples is made."""

COG_TYPE = "image/tiff; application=geotiff"

KEPT = ("name", "data_type", "nodata", "scale", "offset", "raster:scale", "raster:offset")
"""Fields of a band that tell how its numbers are meant."""


def trimmed(item: Any, collection: str) -> Json:
    """An item without links, with the assets of its bands and masks only, and with what it leaves unsaid.

    Trimming twice changes nothing.

    Raises:
        Fault: `stac_invalid:FIELD` where `id`, `properties` or `assets` is unusable.
    """
    usable = usable_assets(item)
    name, known = item["id"], COLLECTIONS.get(collection)
    if known is not None:
        assets = {
            key: _completed(_asset(usable[key]), layer)
            for layer in known.layers
            for key in layer.keys
            if key in usable
        }
    else:
        rasters = {key: asset for key, asset in usable.items() if is_raster(asset)}
        shown = pictures(rasters)
        assets = {key: _asset(asset) for key, asset in rasters.items() if key not in shown}
    if not assets:
        wanted = f" ({', '.join(layer.name for layer in known.layers)})" if known else ""
        raise Fault("stac_invalid:assets", f"{name}: has no raster with bands{wanted}")
    return {
        "type": "Feature",
        "stac_version": item.get("stac_version", "1.0.0"),
        "stac_extensions": [],
        "id": name,
        "collection": item.get("collection") or collection,
        "geometry": item.get("geometry"),
        "bbox": item.get("bbox"),
        "properties": properties_of(item),
        "links": [],
        "assets": assets,
    }


def outline_of(item: Json) -> "shapely.Geometry":
    """An item's outline in lon/lat, cut at the antimeridian where its catalogue did not.

    Raises:
        Fault: `stac_invalid:geometry`.
    """
    import shapely

    name, geometry = item["id"], item.get("geometry")
    if not isinstance(geometry, dict):
        raise Fault("stac_invalid:geometry", f"{name}: has no geometry")
    try:
        shape = within_180(shapely.geometry.shape(geometry))
    except (shapely.errors.ShapelyError, ValueError, TypeError, KeyError, IndexError) as error:
        raise Fault("stac_invalid:geometry", f"{name}: is no GeoJSON ({error})") from error
    if shape.is_empty:
        raise Fault("stac_invalid:geometry", f"{name}: has an empty geometry")
    return shape


def asked_for(
    item: Json,
    collections: Iterable[str],
    outline: "shapely.Geometry",
    area: Area | None,
    years: tuple[int, int] | None,
) -> bool:
    """Whether an item is what was asked for: servers are known to ignore parts of a question.

    Raises:
        Fault: `stac_invalid:datetime`: no time, or one that is not ISO 8601.
    """
    when = time_of(item)
    if when is None:
        raise Fault("stac_invalid:datetime", f"{item['id']}: has no time")
    if item["collection"] not in collections:
        return False
    if years and not years[0] <= when.year <= years[1]:
        return False
    return area is None or area.meets(outline)


def check_hrefs(item: Json) -> None:
    """Refuse an item from another host that names files of this one.

    Raises:
        Fault: `blocked_href`.
    """
    for key, asset in item["assets"].items():
        parts = urlsplit(str(asset.get("href", "")))
        if parts.scheme not in SCHEMES or not parts.netloc or "@" in parts.netloc:
            raise Fault(
                "blocked_href", f"{item['id']}: {key} is no plain address on another host, and is "
                "not opened"
            )  # fmt: skip


def terms_of(item: Json, collection: str, document: Json) -> Json:
    """Licence and credit of an item, in the fields of a collection: what is known of it, else what
    its catalogue says.

    An item that states a licence of its own is not what is known under that name (a copy, a product
    made of it, generated data), so that the credit is its catalogue's too.
    """
    known = COLLECTIONS.get(collection)
    if known is None or own_terms(item):
        return document
    when = time_of(item)
    return {
        "license": known.licence,
        "attribution": known.credit.format(year=when.year if when else "n.d."),
    }


def own_terms(item: Json) -> bool:
    """Whether a trimmed item states a licence of its own."""
    return bool(item["properties"].get("license"))


def _asset(asset: Json) -> Json:
    """An asset with the media type of today."""
    made = {name: value for name, value in asset.items() if name != "alternate"}
    kind = str(made.get("type") or "")
    if "jp2" not in kind and not kind.startswith("image/tiff"):
        made["type"] = COG_TYPE  # image/vnd.stac.geotiff of older items, or none at all
    return made


def _completed(asset: Json, layer: Layer) -> Json:
    """A known asset whose band has its common name, and type and nodata where items leave them out.

    Size of pixels and common name are those of the product: items state that of the sensor (100 m for
    a thermal band on pixels of 30 m), and one name for several bands (`rededge`).
    """
    stated = stated_bands(asset)
    if layer.gsd:
        asset["gsd"] = layer.gsd
    if not layer.common or len(stated) > 1:
        for field, known in (("data_type", layer.dtype), ("nodata", layer.nodata)):
            if known is not None and not any(field in band for band in stated):
                asset.setdefault(field, known)
        return asset
    band = {name: value for name, value in (stated or [{}])[0].items() if name in KEPT}
    band["name"] = band.get("name") or layer.name
    band["eo:common_name"] = layer.common
    for field, known in (("data_type", layer.dtype), ("nodata", layer.nodata)):
        said = band.get(field, asset.get(field))
        if said is None and known is not None:
            band[field] = known
    for field in ("eo:bands", "raster:bands"):
        asset.pop(field, None)
    return {**asset, "bands": [band]}
