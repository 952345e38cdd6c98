"""What a table of parcels says of itself: its outlines, its terms, and what was counted."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from catalogs.geoparquet import geo_metadata, kinds_of
from catalogs.sources.parcels.making import Made
from catalogs.sources.parcels.reader import Parcels
from schemas.chance import digest


def geo(stage: Parcels) -> bytes:
    """The `geo` metadata of a table's outlines."""
    found: set[int] = set()
    for group in stage.batches():
        found |= kinds_of(group["geometry"])
    about = geo_metadata(stage.bounds, found, orientation="counterclockwise")
    return json.dumps(about, sort_keys=True, separators=(",", ":")).encode()


def abouts_of(made: Made, sums: dict[str, tuple[str, int]]) -> list[dict[str, Any]]:
    """One entry for each register, licence and credit line, as `schemas.sources.About` has it.

    Args:
        sums: sha256 and size of each file, by path.
    """
    groups: dict[tuple[str, str, str], list[Path]] = {}
    for path, profile in made.profiles:
        title = profile.title or f"Parcels of {profile.collection}"
        groups.setdefault((title, profile.licence, profile.attribution), []).append(path)
    found = []
    for number, ((title, terms, credit), paths) in enumerate(sorted(groups.items())):
        listed = sorted((path.name, *sums[str(path)]) for path in set(paths))
        found.append({
            "title": title, "licence": terms, "attribution": credit,
            "checksum": listed[0][1] if len(listed) == 1 else digest(listed),
            "size": sum(size for _, _, size in listed), "datetime": "", "parts": ["tables"],
            "notes": made.notes if number == 0 else [],
        })  # fmt: skip
    return found


def lost_of(counts: Counter[str]) -> str:
    """A sentence on the rows that are no parcels."""
    return (
        f"{counts['read'] - counts['kept']:,} of {counts['read']:,} rows of the registers are no parcels: "
        f"{counts['geometry']:,} without a sound outline, {counts['bounds']:,} outside of where they "
        f"should lie, {counts['duplicate']:,} doubles"
    )


def facts(made: Made, address: str, sums: dict[str, tuple[str, int]]) -> bytes:
    """The metadata under `META`."""
    about = {
        "address": address,
        "abouts": abouts_of(made, sums),
        "counts": dict(sorted(made.counts.items())),
        "years": sorted(made.years),
        "undated": sorted(made.undated),
    }
    return json.dumps(about, sort_keys=True, ensure_ascii=False).encode()
