"""STAC documents on disk and the items in them. Links that leave the disk are never followed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from catalogs.sources.stac_fields import Json, Lost, properties_of, time_of, usable_assets
from schemas.errors import Fault, SourceError

if TYPE_CHECKING:
    import pystac


@dataclass(frozen=True, slots=True)
class Found:
    """An item as it lies on disk.

    Attributes:
        item: without links; its hrefs resolve against the document's folder.
        collection: its collection's document, empty when none is on disk.
        when: its time (the middle of a range), UTC and aware; None when it states none.
    """

    item: "pystac.Item"
    collection: Json
    when: datetime | None


def items_of(path: Path, lost: Lost) -> Iterator[Found]:
    """The items of a static catalogue, a collection, one item or a FeatureCollection of items.

    What cannot be used goes to `lost`.

    Raises:
        SourceError: `path` itself is no STAC document.
    """
    try:
        document = _read(path)
    except Fault as fault:
        raise SourceError(f"--imagery {path}: not a STAC document ({fault.message})") from fault
    walk, kind = _Walk(lost), document.get("type")
    if kind in ("Catalog", "Collection"):
        yield from walk.below(path, document, {})
    elif kind == "FeatureCollection":
        features = document.get("features")
        for feature in features if isinstance(features, list) else []:
            yield from walk.found(path, feature, {})
    elif kind == "Feature":
        yield from walk.found(path, document, {})
    else:
        raise SourceError(
            f"--imagery {path}: type {kind!r} is no STAC catalogue, collection or item"
        )


def _read(path: Path) -> Json:
    """The JSON object in a file.

    Raises:
        Fault: `stac_missing`, or `stac_invalid` when it holds no JSON object.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Fault("stac_missing", f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise Fault("stac_invalid", f"{path}: is no JSON ({error})") from error
    if not isinstance(document, dict):
        raise Fault("stac_invalid", f"{path}: holds no JSON object")
    return document


def on_disk(href: str, document: Path) -> Path | None:
    """The file that a link in `document` names, None when it lies on another host."""
    if href.startswith("file://"):
        return Path(unquote(href.removeprefix("file://")))
    return None if "://" in href or href.startswith("//") else document.parent / href


def _links(document: Json, rel: str) -> list[str]:
    links = document.get("links")
    return [
        str(link["href"])
        for link in (links if isinstance(links, list) else [])
        if isinstance(link, dict) and link.get("rel") == rel and link.get("href")
    ]


def found_of(feature: Any, collection: Json, base: str, lost: Lost) -> Found | None:
    """The item that a GeoJSON feature describes; None when it describes none, which `lost` is told.

    Args:
        base: path or URL of the document that holds it, against which its hrefs resolve.
    """
    import pystac

    name = feature.get("id", "?") if isinstance(feature, dict) else "?"
    try:
        assets = usable_assets(feature)
        when = time_of(feature)
        # pystac refuses an item without time
        properties = {**properties_of(feature), "datetime": "1970-01-01T00:00:00Z"}
        bare = {**feature, "properties": properties, "links": [], "assets": assets}
        item = pystac.Item.from_dict(bare, migrate=True, preserve_dict=False)
        item.set_self_href(base)
    except Fault as fault:
        lost.append((str(name), fault.code, f"{base}: {fault.message}"))
    except (pystac.STACError, KeyError, TypeError, ValueError, AttributeError) as error:
        why = f"{base}: item {name} is no valid STAC item ({type(error).__name__}: {error})"
        lost.append((str(name), "stac_invalid", why))
    else:
        return Found(item, collection, when)
    return None


@dataclass(slots=True)
class _Walk:
    """A walk down the links of a catalogue; every document is visited once."""

    lost: Lost
    seen: set[Path] = field(default_factory=set)
    collections: dict[Path, Json] = field(default_factory=dict)

    def below(self, path: Path, document: Json, collection: Json) -> Iterator[Found]:
        """The items of a catalogue document and of its children."""
        self.seen.add(path.resolve())
        if document.get("type") == "Collection":
            collection = document
        for rel in ("item", "child"):
            for href in _links(document, rel):
                place = on_disk(href, path)
                if place is None:
                    reason = f"{href}: lies on another host; only files on disk are read"
                    self.lost.append((href, "stac_remote", reason))
                elif place.resolve() not in self.seen:
                    yield from self._at(place, collection)

    def _at(self, place: Path, collection: Json) -> Iterator[Found]:
        self.seen.add(place.resolve())
        try:
            document = _read(place)
        except Fault as fault:
            self.lost.append((str(place), fault.code, fault.message))
            return
        if document.get("type") in ("Catalog", "Collection"):
            yield from self.below(place, document, collection)
        else:
            yield from self.found(place, document, collection)

    def found(self, path: Path, feature: Any, collection: Json) -> Iterator[Found]:
        """The item that a GeoJSON feature describes, if it describes one."""
        try:
            own = self._collection(path, feature) or collection
        except (TypeError, ValueError, AttributeError):
            own = collection
        item = found_of(feature, own, str(path.resolve()), self.lost)
        if item is not None:
            yield item

    def _collection(self, path: Path, feature: Json) -> Json:
        """The collection that an item links to, empty when it is not on disk."""
        for href in _links(feature, "collection"):
            place = on_disk(href, path)
            if place is None or not place.is_file():
                continue
            if place not in self.collections:
                try:
                    self.collections[place] = _read(place)
                except Fault as fault:
                    self.lost.append((str(place), fault.code, fault.message))
                    self.collections[place] = {}
            return self.collections[place]
        return {}
