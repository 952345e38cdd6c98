"""STAC 1.1 of a release: catalog, collection and one Item for each shard. No wall-clock times."""

import math
from pathlib import Path
from typing import Any

from catalogs.files import write_json
from catalogs.releases.bands import BandTotal, band_of, describe, full_scale, members
from catalogs.releases.extents import box
from catalogs.releases.parts import by_part, publisher, terms, whole
from catalogs.releases.survey import Shard, Survey
from catalogs.releases.times import Clock, iso
from schemas.release import Staging
from schemas.scenes import Band
from schemas.text import counted

VERSION = "1.1.0"
FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
PARQUET = "application/vnd.apache.parquet"


def write_stac(
    folder: Path, staging: Staging, found: Survey, clock: Clock, sums: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Write `stac/` but its Parquet table; returns the collection.

    Args:
        sums: bytes and sha256 of each shard by file name.
    """
    body = collection(staging, found, clock)
    write_json(folder / "collection.json", body)
    write_json(folder / "catalog.json", catalog(staging))
    for shard in found.shards.values():
        name = f"{Path(shard.name).stem}.json"
        write_json(folder / "shards" / name, item(staging, shard, clock, sums[shard.name]))
    return body


def catalog(staging: Staging) -> dict[str, Any]:
    """The root: one collection."""
    card = staging.recipe.card
    return {
        "type": "Catalog",
        "stac_version": VERSION,
        "id": f"{card.name}-catalog",
        "title": f"{card.title} {card.version}",
        "description": description(staging),
        "links": [
            link("root", "./catalog.json", "application/json"),
            link("child", "./collection.json", "application/json", card.title),
        ],
    }


def collection(staging: Staging, found: Survey, clock: Clock) -> dict[str, Any]:
    """The collection of all shards and, through its Parquet table, of all samples."""
    card = staging.recipe.card
    parts = by_part(staging, found)
    starts = [s.start for s in found.shards.values() if s.start is not None]
    ends = [s.end for s in found.shards.values() if s.end is not None]
    span = (min(starts), max(ends)) if starts else (clock.fallback, clock.fallback)
    links = [
        link("root", "./catalog.json", "application/json"),
        link("parent", "./catalog.json", "application/json"),
        link("describedby", "../README.md", "text/markdown", "dataset card"),
        link("items", "./items.parquet", PARQUET, "one item for each sample (stac-geoparquet)"),
        link("license", "../LICENSE.md", "text/markdown", "terms of each part"),
    ]
    for spdx in sorted({name for names in parts.values() for name in names}):
        if terms(spdx).url:
            links.append(link("license", terms(spdx).url, "text/html", terms(spdx).title))
    for credit in staging.credits:
        if credit.location.startswith("http"):
            href = credit.location.split("?")[0]
            derived = link("derived_from", href, None, credit.title)
            links += [] if derived in links else [derived]  # a credit line for each year
    if card.url:
        links.append(link("via", card.url, "text/html", "method"))
    links += [
        link("item", f"./shards/{Path(name).stem}.json", "application/geo+json", name)
        for name in found.shards
    ]
    return {
        "type": "Collection",
        "stac_version": VERSION,
        "stac_extensions": [],
        "id": card.name,
        "title": card.title,
        "description": description(staging),
        "keywords": ["machine learning", "training data", "earth observation", *card.tasks],
        "license": spdx_or_other(whole(parts)),
        "providers": providers(staging),
        "extent": {
            "spatial": {"bbox": [list(found.extent.bbox())]},
            "temporal": {"interval": [[iso(span[0]), iso(span[1])]]},
        },
        "summaries": {
            "split": list(found.samples),
            "samples": {"minimum": 1, "maximum": max(s.samples for s in found.shards.values())}
            if found.shards
            else {"minimum": 0, "maximum": 0},
            "gsd": sorted(float(value) for value in found.gsd),
            "proj:code": sorted({crs for crs, _, _ in found.grids if crs.startswith("EPSG:")}),
            "bands": band_list(staging, found),
        },
        "item_assets": item_assets(staging),
        "assets": {
            "samples": {
                "href": "../metadata/samples.parquet",
                "type": PARQUET,
                "title": "one row for each sample (GeoParquet)",
                "roles": ["metadata"],
            },
            "items": {
                "href": "./items.parquet",
                "type": PARQUET,
                "title": "one STAC item for each sample (stac-geoparquet)",
                "roles": ["stac-items"],
            },
        },
        "links": links,
    }


def item(staging: Staging, shard: Shard, clock: Clock, sums: dict[str, Any]) -> dict[str, Any]:
    """The Item of one shard: its bbox, its span of time, its tar file with size and multihash."""
    stem = Path(shard.name).stem
    start = clock.fallback if shard.start is None else shard.start
    end = clock.fallback if shard.end is None else shard.end
    bbox = shard.extent.bbox()
    return {
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": [FILE],
        "id": stem,
        "collection": staging.recipe.card.name,
        "bbox": list(bbox),
        "geometry": box(bbox),
        "properties": {
            "datetime": None,
            "start_datetime": iso(start),
            "end_datetime": iso(end),
            "datetime_unknown": shard.start is None,
            "title": shard.name,
            "split": shard.split,
            "samples": shard.samples,
            "samples_undated": shard.undated,
        },
        "assets": {
            "shard": {
                "href": f"../../data/{shard.name}",
                "type": "application/x-tar",
                "title": f"{counted(shard.samples, 'sample')} of {shard.split} (WebDataset)",
                "roles": ["data"],
                "file:size": sums["bytes"],
                "file:checksum": "1220" + sums["sha256"],
            }
        },
        "links": [
            link("root", "../catalog.json", "application/json"),
            link("parent", "../collection.json", "application/json"),
            link("collection", "../collection.json", "application/json"),
        ],
    }


def item_assets(staging: Staging) -> dict[str, Any]:
    """What an item's assets are: the shard, and each member inside it."""
    found: dict[str, Any] = {
        "shard": {"type": "application/x-tar", "roles": ["data"], "title": "WebDataset shard"}
    }
    for ext, encoder in staging.recipe.pack.members.items():
        kind = getattr(encoder, "media_type", "application/octet-stream")
        roles = ["data", "thumbnail"] if getattr(encoder, "feature", "") == "image" else ["data"]
        found[ext.replace(".", "_")] = {
            "type": kind,
            "roles": roles,
            "title": f".{ext} member of the sample",
        }
        bands = getattr(encoder, "bands", ())
        if bands:
            found[ext.replace(".", "_")]["bands"] = [{"name": band} for band in bands]
    return found


def band_list(staging: Staging, found: Survey) -> list[dict[str, Any]]:
    """Bands with data type and, from training samples, statistics.

    Names must be unique in a list of bands: with several collections each band's is
    `collection/band`.
    """
    bands = []
    for group, totals in sorted(found.bands.items()):
        scenes = members(group, staging.scenes, staging.recipe)
        for name, total in totals.items():
            title = name if len(found.bands) == 1 else f"{group}/{name}"
            bands.append(band_entry(title, band_of(name, scenes), total))
    return bands


def band_entry(name: str, band: Band | None, total: BandTotal) -> dict[str, Any]:
    """One entry of `bands`, from what the scenes say of the band and its sums."""
    entry: dict[str, Any] = {"name": name}
    if band is not None:
        entry["data_type"] = band.dtype
        if band.nodata is not None:
            finite = math.isfinite(band.nodata)
            entry["nodata"] = band.nodata if finite else str(band.nodata)  # "nan", "inf", "-inf"
    numbers = describe(total, full_scale(band))
    if "mean" in numbers:
        entry["statistics"] = {
            "minimum": numbers["min"],
            "maximum": numbers["max"],
            "mean": numbers["mean"],
            "stddev": numbers["std"],
            "valid_percent": round(100 * (1 - numbers["nodata_share"]), 4),
        }
    return entry


def providers(staging: Staging) -> list[dict[str, Any]]:
    """The producer of the release and the licensors of its sources."""
    card = staging.recipe.card
    found: list[dict[str, Any]] = [{"name": publisher(staging), "roles": ["producer"]}]
    if card.url:
        found[0]["url"] = card.url
    for title in dict.fromkeys(credit.title for credit in staging.credits):
        found.append({"name": title, "roles": ["licensor"]})
    return found


def description(staging: Staging) -> str:
    """The card's summary, after the notice that generated data must carry."""
    notice = "GENERATED: depicts no real place. " if staging.generated else ""
    return notice + (staging.recipe.card.summary or staging.recipe.card.title)


def spdx_or_other(name: str) -> str:
    """A licence id that STAC accepts: SPDX, else `other`."""
    return name if name and not name.startswith("LicenseRef-") else "other"


def link(rel: str, href: str, kind: str | None = None, title: str = "") -> dict[str, str]:
    """A STAC link."""
    found = {"rel": rel, "href": href}
    if kind:
        found["type"] = kind
    if title:
        found["title"] = title
    return found
