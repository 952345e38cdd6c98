"""Imagery that is searched, not listed: STAC APIs, Earth Engine, and tables of items."""

import re
from collections.abc import Callable
from pathlib import Path

from catalogs.sources.area import Area
from catalogs.sources.earth_engine.search import PREFIX, scenes_of_earth_engine
from catalogs.sources.harvest import Harvest
from catalogs.sources.stac_fields import Lost
from schemas.collections import PRESETS
from schemas.errors import UsageError

TABLES = (".parquet", ".geoparquet")


def searched(location: str) -> bool:
    """Whether `--imagery` names a catalogue that is searched by area and years."""
    return remote(location) or Path(location).suffix.lower() in TABLES


def remote(location: str) -> bool:
    """Whether `--imagery` names a service: a preset or an address, perhaps with `#COLLECTION`, or
    `earth-engine:COLLECTION`."""
    return "://" in location or location.partition("#")[0] in PRESETS or _assets(location)


def _assets(location: str) -> bool:
    """Whether `--imagery` names Earth Engine."""
    return re.split("[:#]", location, maxsplit=1)[0] == PREFIX


def place_of(location: str) -> str:
    """Where a catalogue lies: the name or address of a service without its collections, else the path."""
    if _assets(location):
        return PREFIX
    place = location.partition("#")[0]
    return PRESETS[place].url if place in PRESETS else (place if "://" in place else location)


def search(
    location: str,
    area: Area | None,
    years: tuple[int, int] | None,
    lost: Lost,
    *,
    keep: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> Harvest:
    """The scenes of a catalogue in an area and years. Arguments as `stac_api.scenes_of_api` has them.

    Raises:
        UsageError: a service without an area, no such file, or as `api_of`, `scenes_of_api` and
            `scenes_of_earth_engine`.
        SourceError: the catalogue cannot be read.
    """
    if not remote(location):
        from catalogs.sources.stac_table import scenes_of_table

        path = Path(location)
        if not path.is_file():
            raise UsageError(f"--imagery {location}: no such file or folder")
        return scenes_of_table(path, area, years, lost)
    from catalogs.sources.stac_api import api_of, scenes_of_api

    api = api_of(location)
    if area is None:
        raise UsageError(
            f"--imagery {location}: where should it be searched? nothing else states bounds; "
            "pass --bbox W S E N or --region FILE.geojson"
        )
    if api is None:
        return scenes_of_earth_engine(location, area, years, lost, keep=keep, say=say)
    return scenes_of_api(api, area, years, lost, keep=keep, say=say)
