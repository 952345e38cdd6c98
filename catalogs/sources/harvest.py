"""`Harvest`: items of a remote catalogue or a table of items as scenes, judged one by one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from catalogs.sources.area import Area
from catalogs.sources.items import scene_of
from catalogs.sources.reprocessed import Take, newest, take_of
from catalogs.sources.stac_fields import UNREADABLE, Json, Lost, unreadable
from catalogs.sources.stac_files import found_of
from catalogs.sources.stac_items import asked_for, check_hrefs, outline_of, terms_of, trimmed
from schemas.collections import provider_of
from schemas.errors import Fault
from schemas.scenes import Scene


@dataclass(frozen=True)
class Wanted:
    """What items must be, and where they come from.

    Attributes:
        collections: ids, () for any.
        documents: STAC collection documents by id, for terms that are not known.
        base: URL or path against which hrefs resolve.
        provider: short name of the catalogue, "" for that of the host of the pixels.
        local: whether items may name files of this machine.
    """

    collections: tuple[str, ...]
    base: str
    area: Area | None = None
    years: tuple[int, int] | None = None
    provider: str = ""
    local: bool = False
    documents: Mapping[str, Json] | None = None


@dataclass(frozen=True)
class Harvest:
    """Scenes, and what became of the other items.

    Attributes:
        notes: one sentence each for people.
        caveats: sentences that the release must carry as well.
        facts: how they were found, for provenance; JSON-able.
    """

    scenes: tuple[Scene, ...]
    notes: tuple[str, ...]
    facts: dict[str, Any]
    caveats: tuple[str, ...] = ()


def harvest(items: Iterable[Any], wanted: Wanted, lost: Lost) -> Harvest:
    """The scenes that items describe: each once, in its best processing, where and when asked for.

    What cannot be used goes to `lost` with a reason code; repeated items and those outside of what
    was asked for are counted only.
    """
    scenes: dict[tuple[str, str], Scene] = {}
    takes: dict[tuple[str, str], Take] = {}
    seen: set[tuple[str, str]] = set()
    outside, newest_update = 0, ""
    for item in items:
        name = item.get("id", "?") if isinstance(item, dict) else "?"
        stated = str(item.get("collection") or "") if isinstance(item, dict) else ""
        collection = stated or (wanted.collections[0] if len(wanted.collections) == 1 else "items")
        key = (collection, str(name))
        if key in seen:
            continue
        seen.add(key)
        try:
            found = _usable(item, collection, wanted)
            if found is None:
                outside += 1
                continue
            row, outline = found
            scene = _scene(row, collection, wanted, lost)
            take = take_of(row, collection, outline)
        except Fault as fault:
            lost.append((str(name), fault.code, fault.message))
        except UNREADABLE as error:
            lost.append(unreadable(str(name), error))
        else:
            if scene is not None:
                scenes[key], takes[key] = scene, take
                newest_update = max(newest_update, str(row["properties"].get("updated") or ""))
    kept, notes = _best(scenes, takes, lost)
    facts = {
        "items": len(seen),
        "outside": outside,
        "superseded": len(scenes) - len(kept),
        "scenes": len(kept),
        "newest_updated": newest_update,
    }
    if outside:
        notes.append(f"{outside:,} items lie outside of the area or years asked for")
    return Harvest(tuple(kept), tuple(notes), facts)


def _usable(item: Any, collection: str, wanted: Wanted) -> tuple[Json, Any] | None:
    """An item trimmed and its outline; None when it is not what was asked for.

    Raises:
        Fault: `stac_invalid:FIELD`, `blocked_href`.
    """
    row = trimmed(item, collection)
    outline = outline_of(row)
    collections = wanted.collections or (collection,)
    if not asked_for(row, collections, outline, wanted.area, wanted.years):
        return None
    if not wanted.local:
        check_hrefs(row)
    return row, outline


def _scene(row: Json, collection: str, wanted: Wanted, lost: Lost) -> Scene | None:
    """The scene of a trimmed item; None when it is no item, which `lost` is told.

    Raises:
        Fault: as `scene_of`.
    """
    document = (wanted.documents or {}).get(collection, {})
    found = found_of(row, terms_of(row, collection, document), wanted.base, lost)
    scene = scene_of(found) if found else None
    if scene is None:
        return None
    host = urlsplit(scene.bands[0].href).hostname or ""
    return replace(scene, provider=wanted.provider or provider_of(host))


def _best(
    scenes: Mapping[tuple[str, str], Scene], takes: Mapping[tuple[str, str], Take], lost: Lost
) -> tuple[list[Scene], list[str]]:
    """The scenes in their best processing, and a note on the others."""
    kept: list[Scene] = []
    superseded = 0
    for collection in sorted({collection for collection, _ in scenes}):
        choice = newest(take for (own, _), take in takes.items() if own == collection)
        superseded += len(choice.superseded)
        for name in choice.experimental:
            why = f"{name}: processing baseline {scenes[collection, name].baseline} is experimental"
            lost.append((name, "experimental_baseline", why))
        kept += [
            s for (own, name), s in scenes.items() if own == collection and name in choice.kept
        ]
    notes = []
    if superseded:
        notes.append(
            f"{superseded:,} scenes left out: a newer processing of the same view is there"
        )
    return kept, notes
