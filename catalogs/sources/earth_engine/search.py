"""Scenes of Earth Engine collections over an area and years."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from catalogs.sources.area import Area
from catalogs.sources.earth_engine.assets import Asset, asset_id, scene_of, trimmed
from catalogs.sources.earth_engine.calls import Service, service
from catalogs.sources.earth_engine.session import connect
from catalogs.sources.harvest import Harvest
from catalogs.sources.search_files import Answer, Kept
from catalogs.sources.stac_fields import Lost
from schemas.chance import digest
from schemas.earth_engine import IMAGE, TABLE, Collection, collection
from schemas.errors import Fault, SourceError, UsageError
from schemas.scenes import Scene
from schemas.windows import Bounds

PREFIX = "earth-engine"

PAGE = 500
"""Assets asked for in one answer, each with its full metadata."""

FIRST_S = 60.0
"""Seconds to try to connect: somebody sits and waits for it."""

Years = tuple[int, int]


def scenes_of_earth_engine(
    location: str,
    area: Area,
    years: Years | None,
    lost: Lost,
    *,
    keep: Path | None = None,
    say: Callable[[str], None] | None = None,
    by: Service | None = None,
) -> Harvest:
    """The scenes that `earth-engine:S2`, or several such as `earth-engine:CH,FI`, holds over an area.

    Args:
        location: aliases or collection ids after `earth-engine:` (or `#`).
        area: where.
        years: first and last.
        lost: gets (asset id, reason code, message) of images that cannot be used.
        keep: folder for the answers, so that the same question is not asked twice.
        say: takes a line for people before the first question.
        by: does the requests.

    Raises:
        UsageError: no such collection, years without imagery, no client, project or credentials.
        SourceError: access is refused, the service cannot be reached, or a collection is gone.
    """
    chosen = [collection(name) for name in names(location)]
    caveats = tuple(dict.fromkeys(note for _, note in chosen if note))
    collections = {found.id: found for found, _ in chosen}
    for found in collections.values():
        check_years(found, years)
    scenes: list[Scene] = []
    items, unusable, newest = 0, len(lost), ""
    for found in collections.values():
        for asset in _kept(found, area, years, keep, say, by):
            items += 1
            newest = max(newest, str(asset.get("updateTime") or ""))
            scene = usable(asset, found, area, years, lost)
            scenes += [scene] if scene else []
    outside = items - len(scenes) - (len(lost) - unusable)
    facts = {
        "url": PREFIX,
        "collections": list(collections),
        "bounds": [list(box) for box in area.boxes()],
        "years": list(years) if years else None,
        "items": items,
        "outside": outside,
        "scenes": len(scenes),
        "newest_updated": newest,
    }
    notes = (f"{outside:,} items lie outside of the area or years asked for",) if outside else ()
    return Harvest(tuple(scenes), notes, facts, caveats)


def _kept(
    found: Collection,
    area: Area,
    years: Years | None,
    keep: Path | None,
    say: Callable[[str], None] | None,
    by: Service | None,
) -> list[Asset]:
    """The assets of a collection that may show an area: as they are kept, else as the service says.

    Raises:
        UsageError, SourceError: as `scenes_of_earth_engine`.
    """
    folder = Kept(keep) if keep else None
    asked = [PREFIX, found.id, [list(box) for box in area.boxes()], list(years) if years else None]
    name = f"{PREFIX}-{digest(asked)[:16]}"
    known = folder.read(name, asked) if folder else None
    if known is not None:
        return known.items
    if say:
        say(f"sources: searching {PREFIX} for {found.id}")
    by = by or service()
    connect(by=by, deadline_s=FIRST_S)
    try:
        answer = [trimmed(asset) for asset in assets(found, area, years, by)]
    except Fault as fault:
        raise SourceError(f"--imagery {fault.message} ({fault.code})") from fault
    if folder:
        folder.write(name, asked, Answer(answer, given=len(answer)))
    return answer


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


def assets(found: Collection, where: Area, years: Years | None, by: Service) -> Iterator[Asset]:
    """The metadata of the image that the id is, or of the collection's images, each once.

    The service is asked with boxes around the area.

    Raises:
        Fault: as `Service.call`; `ee_not_found` also where the id is something else.
    """
    import ee

    def get(name: str) -> Asset:
        return by.call(lambda: dict(ee.data.getAsset(name)), name)

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
        for asset in _pages(found.id, box, years, by):
            name = asset_id(asset)
            if name in seen or asset.get("type", IMAGE) != IMAGE:
                continue
            seen.add(name)
            yield asset if asset.get("bands") else get(name)


def _pages(parent: str, box: Bounds, years: Years | None, by: Service) -> Iterator[Asset]:
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
        answer = by.call(lambda: dict(ee.data.listImages(dict(asked))), f"{parent}, page {number}")
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
