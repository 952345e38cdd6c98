"""What the fields of a STAC item say, whichever version wrote them, and how an item is lost by them."""

import re
from collections.abc import Mapping
from datetime import datetime
from itertools import zip_longest
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from catalogs.sources.headers import parse_time
from schemas.errors import Fault

Json = dict[str, Any]
Lost = list[tuple[str, str, str]]
"""(item, reason code, message) of what cannot be used."""

UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)
"""What comes of reading an item whose fields are of another kind than they should be."""


def unreadable(name: str, error: Exception) -> tuple[str, str, str]:
    """How an item is lost that raised one of `UNREADABLE`."""
    why = f"{name}: a field holds what STAC does not allow ({type(error).__name__}: {error})"
    return name, "stac_invalid", why


def usable_assets(feature: Any) -> dict[str, Json]:
    """The assets of an item that lead anywhere.

    Raises:
        Fault: `stac_invalid:FIELD` where `id`, `properties` or `assets` is none.
    """
    if not isinstance(feature, dict) or not isinstance(feature.get("id"), str) or not feature["id"]:
        raise Fault("stac_invalid:id", "an item without an id")
    name = feature["id"]
    for member in ("properties", "assets"):
        if not isinstance(feature.get(member), dict):
            raise Fault(f"stac_invalid:{member}", f"{name}: has no {member}")
    assets = feature["assets"].items()
    found = {key: a for key, a in assets if isinstance(a, dict) and a.get("href")}
    if not found:
        raise Fault("stac_invalid:assets", f"{name}: has no asset that leads anywhere")
    return found


SUFFIXES = (".tif", ".tiff", ".jp2")
"""Endings by which an asset without a media type is taken for a raster."""


def is_raster(asset: Json) -> bool:
    """Whether an asset's media type, or else its ending, is that of a raster, and it is not metadata."""
    if "metadata" in (asset.get("roles") or []):
        return False
    kind = str(asset.get("type") or "")
    path = PurePosixPath(urlsplit(str(asset.get("href") or "")).path)
    return "tiff" in kind or "jp2" in kind or (not kind and path.suffix.lower() in SUFFIXES)


PICTURES = re.compile(r"(visual|tci|overview|preview|rendered|thumbnail)([-_].*)?", re.IGNORECASE)
"""Keys of assets that are made to be looked at, whatever their roles say."""

SHOWN = {"thumbnail", "overview", "visual"}
"""Roles of such assets."""


def pictures(assets: Mapping[str, Json]) -> set[str]:
    """Keys of rasters that are made to be looked at, not measured, by their roles or their keys.

    Some catalogues call such a picture data (Planetary Computer, Earth Search). One that is called so
    and is all there is counts as data: aerial pictures have no other bands.

    Args:
        assets: the item's rasters by key.
    """
    shown = {key for key, asset in assets.items() if SHOWN & set(asset.get("roles") or [])}
    left = set(assets) - shown
    named = {key for key in left if PICTURES.fullmatch(key)}
    return shown | (named if named < left else set())


def stated_bands(asset: Mapping[str, Any]) -> list[Json]:
    """What an asset states of each of its bands, in the words of any version of STAC."""
    described = asset.get("bands") or asset.get("eo:bands") or []
    return [
        {**(extra or {}), **(band or {})}
        for band, extra in zip_longest(described, asset.get("raster:bands") or [])
    ]


def time_of(item: Json) -> datetime | None:
    """The time that an item states: its own, else the middle of its range (or the end that it states).

    An item of a range thus counts in one year, in which most of it lies: one of 30 December to 29
    January in that of January. None: it states no time.

    Raises:
        Fault: `stac_invalid:datetime`: it is not ISO 8601.
    """
    own, *ends = (item["properties"].get(f"{name}datetime") for name in ("", "start_", "end_"))
    try:
        times = [parse_time(str(text)) for text in ([own] if own else ends) if text]
    except ValueError as error:
        raise Fault("stac_invalid:datetime", f"{item['id']}: {error}") from error
    if len(times) == 2:
        return (times[0] + (times[1] - times[0]) / 2).replace(microsecond=0)
    return times[0] if times else None


UNSURE = ("", "proprietary", "various", "other")
"""Licence fields that say nothing."""

MISSING = object()


def properties_of(item: Json) -> Json:
    """An item's properties, with numbers as numbers and without a licence that is none."""
    found = {k: v for k, v in item["properties"].items() if not k.startswith("storage:")}
    if str(found.get("license", MISSING)).lower() in UNSURE:
        del found["license"]
    if (cloud := found.pop("eo:cloud_cover", None)) is not None:
        number = _percent(cloud)
        found.update({} if number is None else {"eo:cloud_cover": number})
    return found


def _percent(value: Any) -> float | None:
    """A share of cloud as a number, None when it is none."""
    if isinstance(value, str) and not re.fullmatch(r"\s*\d+(\.\d*)?\s*", value):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number <= 100 else None
