"""Searches of a stub: the imagery that comes of them, and what was asked."""

import json
from typing import Any

from catalogs.sources.area import Area
from catalogs.sources.imagery import Imagery, open_imagery
from catalogs.sources.terms import Override
from stub_api import Json, serving

HERE = Area.of_box((10.0, 47.0, 10.9, 47.9))
WIDE = Area.of_box((9.5, 46.5, 11.5, 48.5))
Found = tuple[Imagery, list[Json]]


def look(
    catalogue: Any,
    names: str = "#sentinel-2-l2a",
    area: Area | None = HERE,
    years: tuple[int, int] | None = None,
    override: Override | None = None,
    **more: Any,
) -> Found:
    """The imagery of a catalogue, and the searches it was asked for."""
    with serving(catalogue) as log:
        given = override or Override()
        found = open_imagery(log.url + names, given, area=area, years=years, **more)
        return found, log.searches()


def facts(found: Imagery) -> Json:
    """What the credit tells of the search."""
    return dict(json.loads(found.credits[0].search))
