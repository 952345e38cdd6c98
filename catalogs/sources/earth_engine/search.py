"""Scenes of Earth Engine collections over an area and years."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from catalogs.sources.area import Area
from catalogs.sources.earth_engine.assets import Asset, asset_id, scene_of
from catalogs.sources.earth_engine.calls import call
from catalogs.sources.earth_engine.limits import Patience
from catalogs.sources.earth_engine.session import connect
from schemas.earth_engine import IMAGE, TABLE, Collection, collection
from schemas.errors import Fault, SourceError, UsageError
from schemas.scenes import Scene
from schemas.sources import Credit
from schemas.windows import Bounds

PREFIX = "earth-engine"

PAGE = 500
"""Assets asked for in one answer, each with its full metadata."""

Years = tuple[int, int]
Lost = list[tuple[str, str, str]]


@dataclass(frozen=True)
class Found:
    """What a search gave.

    Attributes:
        scenes: sorted by collection and id.
        credits: one for each collection, for those whose terms are known.
        lost: (asset id, reason code, message) of images that cannot be used.
        notes: one sentence each.
        facts: how they were found, for provenance; JSON-able.
    """

    scenes: tuple[Scene, ...]
    credits: tuple[Credit, ...] = ()
    lost: tuple[tuple[str, str, str], ...] = ()
    notes: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def open_earth_engine(
    location: str,
    area: Area | Bounds | None,
    years: Years | None = None,
    *,
    project: str = "",
    patience: Patience | None = None,
) -> Found:
    """The scenes that `earth-engine:S2`, or several such as `earth-engine:CH,FI`, holds over an area.

    Args:
        location: aliases or collection ids after `earth-engine:` (or `#`).
        area: where; bounds are (west, south, east, north) in degrees, as `Area.of_box` takes them.
        years: first and last.
        project: Google Cloud project; that of the environment when empty.

    Raises:
        UsageError: no such collection, no area, years without imagery, no client, no access.
        SourceError: the service cannot be reached, or has not one usable scene.
    """
    chosen = [collection(name) for name in names(location)]
    if area is None:
        raise UsageError(
            f"--imagery {location}: where should it be searched? "
            "pass --bbox W S E N or --region FILE.geojson"
        )
    where = area if isinstance(area, Area) else Area.of_box(area)
    for found, _ in chosen:
        check_years(found, years)
    connect(project, patience)
    lost: Lost = []
    scenes: list[Scene] = []
    items = 0
    for found, _ in chosen:
        try:
            for asset in assets(found, where, years, patience):
                items += 1
                scene = usable(asset, found, where, years, lost)
                scenes += [scene] if scene else []
        except Fault as fault:
            raise SourceError(f"--imagery {fault.message} ({fault.code})") from fault
    if not scenes:
        why = f"; first reason: {lost[0][2]}" if lost else ""
        raise SourceError(
            f"--imagery {location}: not one usable scene in the area and years asked for{why}"
        )
    scenes.sort(key=lambda s: (s.collection, s.id))
    facts = {"items": items, "outside": items - len(scenes) - len(lost), "scenes": len(scenes)}
    credits = tuple(credit for found, _ in chosen for credit in _credit(found, scenes))
    notes = tuple(dict.fromkeys(note for _, note in chosen if note))
    return Found(tuple(scenes), credits, tuple(lost), notes, facts)


def names(location: str) -> list[str]:
    """The collections that a location names, each once.

    Raises:
        UsageError: none.
    """
    scheme, *rest = re.split("[:#]", location, maxsplit=1)
    found = list(dict.fromkeys(name.strip() for name in "".join(rest).split(",") if name.strip()))
    if scheme != PREFIX or not found:
        raise UsageError(
            f"--imagery {location}: name a collection, such as {PREFIX}:S2 ({', '.join(TABLE)}), "
            "or its Earth Engine id"
        )
    return found


def check_years(found: Collection, years: Years | None) -> None:
    """Refuse years in which the collection has no imagery at all.

    Raises:
        UsageError.
    """
    if years is None or found.first is None:
        return
    last = found.last.year if found.last else None
    if years[1] < found.first.year or (last is not None and years[0] > last):
        span = f"from {found.first.year} to {last}" if last else f"from {found.first.year} on"
        raise UsageError(f"--years {years[0]} {years[1]}: {found.id} has imagery {span}")


def usable(
    asset: Asset, found: Collection, where: Area, years: Years | None, lost: Lost
) -> Scene | None:
    """The scene of an asset, if its own outline and time are asked for; what is broken goes to `lost`."""
    import shapely

    name = asset_id(asset)
    try:
        scene = scene_of(asset, found)
    except Fault as fault:
        lost.append((name, fault.code, fault.message))
        return None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        why = f"{name}: its metadata cannot be read ({type(error).__name__}: {error})"
        lost.append((name, "ee_metadata", why))
        return None
    year = scene.datetime.year if scene.datetime else None
    timely = years is None or year is None or years[0] <= year <= years[1]
    return scene if timely and where.meets(shapely.from_wkt(scene.footprint)) else None


def assets(
    found: Collection, where: Area, years: Years | None, patience: Patience | None
) -> Iterator[Asset]:
    """The metadata of the image that the id is, or of the collection's images, each once.

    The service is asked with boxes around the area.

    Raises:
        Fault: as `call`; `ee_not_found` also where the id is something else.
    """
    import ee

    def get(name: str) -> Asset:
        return call(lambda: dict(ee.data.getAsset(name)), name, patience=patience)

    root = get(found.id)
    kind = str(root.get("type", ""))
    if kind not in found.kinds:
        wanted = " or ".join(found.kinds)
        raise Fault("ee_not_found", f"earth-engine: {found.id}: is a {kind}, not {wanted}")
    if kind == IMAGE:
        yield root
        return
    seen: set[str] = set()
    for box in where.boxes():
        for asset in _pages(found.id, box, years, patience):
            name = asset_id(asset)
            if name in seen or asset.get("type", IMAGE) != IMAGE:
                continue
            seen.add(name)
            yield asset if asset.get("bands") else get(name)


def _pages(
    parent: str, box: Bounds, years: Years | None, patience: Patience | None
) -> Iterator[Asset]:
    """All images of a collection whose outline meets a box, page after page.

    Both limits are on the start time: the year's mosaics end where the next year begins.
    """
    import ee

    asked: dict[str, Any] = {"parent": parent, "pageSize": PAGE, "region": polygon(box)}
    if years:
        asked["filter"] = (
            f'startTime >= "{years[0]}-01-01T00:00:00Z" AND '
            f'startTime < "{years[1] + 1}-01-01T00:00:00Z"'
        )
    number = 0
    while True:
        number += 1
        # listImages rewrites what it is given
        answer = call(
            lambda: dict(ee.data.listImages(dict(asked))),
            f"{parent}, page {number}",
            patience=patience,
        )
        yield from answer.get("images") or []
        if not answer.get("nextPageToken"):
            return
        asked["pageToken"] = answer["nextPageToken"]


def polygon(box: Bounds) -> str:
    """A box as GeoJSON, with points along its edges: the service draws edges as geodesics."""
    import shapely

    west, south, east, north = box
    ring = shapely.segmentize(shapely.box(*box), max(1.0, (east - west) / 32, (north - south) / 32))
    corners = [[round(x, 6), round(y, 6)] for x, y in shapely.get_coordinates(ring).tolist()]
    return json.dumps({"type": "Polygon", "coordinates": [corners]})


def _credit(found: Collection, scenes: list[Scene]) -> Iterator[Credit]:
    """The credit of a collection, as of its newest scene."""
    group = [scene for scene in scenes if scene.collection == found.id]
    if not group or not found.licence:
        return
    yield Credit(
        role="imagery",
        title=found.id,
        location=f"{PREFIX}:{found.alias or found.id}",
        licence=found.licence,
        attribution=found.attribution,
        parts=("pixels",),
        size=sum(scene.size for scene in group),
        datetime=max((s.datetime.date().isoformat() for s in group if s.datetime), default=""),
    )
