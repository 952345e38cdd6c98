"""The one map element that a patch is told of: which (`Choose`), and how it lies there (`Describe`)."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalogs.sources.feature_index import meeting
from schemas import tag_families, tag_meanings
from schemas.errors import Reject
from schemas.recipes import at_least, within
from schemas.samples import Fact, Sample
from schemas.visible import WORD
from schemas.windows import EARTH_M, Bounds, unit_vectors
from transforms.context import Context
from transforms.elements import words
from transforms.elements.choice import (
    Element,
    Rules,
    background,
    candidates,
    draw,
    elements,
)
from transforms.elements.frame import Frame
from transforms.osm import nominal, tag_table

TILE = 0.05
"""Degrees; patches in one tile are asked of the map together."""


@dataclass(frozen=True)
class Choose:
    """One area or line of the map for each patch, by the rules of specs/rsteller.md.

    Gives the object (`osm_type`, `osm_id`, `osm_version`, `osm_timestamp`), its cleaned tags
    (`element_tags`, JSON), the part of it within the patch (`element_geometry`, WKB, lon/lat), how many
    objects there were to choose from (`elements`), and the tags of the boundaries around the middle
    (`background_tags`, JSON list). Without a candidate the object is null.

    Attributes:
        area, length, top, areas: as `choice.Rules`.
        families: file with further rows for the table of tag families, "" for none.
    """

    area: float = 0.05
    length: float = 0.3
    top: int = 3
    areas: float = 0.6
    families: str = ""
    needs: tuple[str, ...] = field(default=("window",), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "osm_type": "string",
            "osm_id": "int64",
            "osm_version": "int64",
            "osm_timestamp": "timestamp",
            "element_tags": "string",
            "element_geometry": "binary",
            "elements": "int64",
            "background_tags": "string",
            "_extent_m": "float64",
        },
        init=False,
    )

    def __post_init__(self) -> None:
        """Refuse shares that are none."""
        within("elements.Choose.area", self.area, 0, 1)
        within("elements.Choose.areas", self.areas, 0, 1)
        at_least("elements.Choose.length", self.length, 0)
        at_least("elements.Choose.top", self.top, 1)

    def across(self, samples: list[Sample], ctx: Context) -> list[Sample]:
        """All samples of a partition, each with its element."""
        assert ctx.features is not None
        rules = Rules(self.area, self.length, self.top, self.areas)
        families = tag_families.load(self.families)
        for group, bounds in tiles(samples):
            rows = ctx.features(bounds)
            ways = np.asarray(rows["osm_type"].to_pylist(), object) != "node"
            rows = rows.filter(pa.array(ways))
            for sample in group:
                assert sample.window is not None
                near = meeting(rows, sample.window.bbox())
                frame = Frame.of(sample.window)
                found = elements(near, frame, families)
                one = draw(*candidates(found, rules), rules, ctx.seed, sample.id)
                around = background(near, *sample.window.centre(), families)
                sample.facts["elements"] = len(found)
                sample.facts["background_tags"] = json.dumps(around, ensure_ascii=False)
                sample.facts.update(facts_of(near, one, frame))
        return samples


def tiles(samples: list[Sample]) -> Iterator[tuple[list[Sample], Bounds]]:
    """Samples that lie close together, and the box around their windows."""
    groups: dict[tuple[int, int], list[Sample]] = {}
    for number, sample in enumerate(samples):
        assert sample.window is not None
        west, _, east, _ = sample.window.bbox()
        own = (math.floor(sample.lat / TILE), math.floor(sample.lon / TILE))
        groups.setdefault(own if west < east else (10**6, number), []).append(sample)
    for group in groups.values():
        boxes = np.array([sample.window.bbox() for sample in group if sample.window])
        west, south = boxes[:, 0].min(), boxes[:, 1].min()
        east, north = boxes[:, 2].max(), boxes[:, 3].max()
        yield group, (float(west), float(south), float(east), float(north))


def facts_of(rows: pa.Table, one: Element | None, frame: Frame) -> dict[str, Any]:
    """What `Choose` gives of the chosen object."""
    import shapely

    if one is None:
        names = ("osm_type", "osm_id", "osm_version", "osm_timestamp", "element_tags")
        return dict.fromkeys((*names, "element_geometry", "_extent_m"))
    row = rows.slice(one.row, 1).to_pylist()[0]
    return {
        "osm_type": row["osm_type"],
        "osm_id": row["osm_id"],
        "osm_version": row["version"],
        "osm_timestamp": row["timestamp"],
        "element_tags": json.dumps(dict(one.tags), ensure_ascii=False),
        "element_geometry": shapely.to_wkb(frame.outside(one.shape)),
        "_extent_m": _extent(*(row[side] for side in ("west", "south", "east", "north"))),
    }


def _extent(west: float, south: float, east: float, north: float) -> float:
    """Metres between the corners of a lon/lat box, through the globe."""
    one, two = unit_vectors(np.array([west, east]), np.array([south, north]))
    return float(np.linalg.norm(one - two)) * EARTH_M


@dataclass(frozen=True)
class Describe:
    """How the element lies in the patch, in words and numbers; left is west.

    `task` is 1 for an area and 2 for a line, as the original numbers its prompts. Of an area
    `area_share` and `outline` are known, of a line `length_sides`, `length_m`, `sinuosity` (null
    where it is closed or broken), `course`, `orientation` and `ends`; of both `position` and `edges`.

    Attributes:
        few: patches with so many elements or fewer are left out.
        visible: file with further rows for the table of visible tags, "" for none.
    """

    few: int = 2
    visible: str = ""
    needs: tuple[str, ...] = field(
        default=("window", "element_tags", "element_geometry", "elements"), init=False
    )
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "task": "int64",
            "element_tag": "string",
            "visible_tags": "string",
            "position": "string",
            "edges": "string",
            "area_share": "float64",
            "outline": "string",
            "length_sides": "float64",
            "length_m": "float64",
            "sinuosity": "float64",
            "course": "string",
            "orientation": "string",
            "ends": "string",
        },
        init=False,
    )

    def __post_init__(self) -> None:
        """Refuse a number below nothing."""
        at_least("elements.Describe.few", self.few, 0)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its words.

        Raises:
            Reject: `few_elements`, `no_element`.
        """
        import shapely

        assert sample.window is not None
        count, text = sample.facts["elements"], sample.facts["element_tags"]
        if not isinstance(count, int) or count <= self.few:
            raise Reject("few_elements", f"{count} in the patch, more than {self.few} are needed")
        if not isinstance(text, str):
            raise Reject("no_element", f"none of {count} is large enough")
        frame = Frame.of(sample.window)
        geometry: Any = sample.facts["element_geometry"]
        shape = frame.inside(np.array([shapely.from_wkb(geometry)], object))[0]
        tags: dict[str, str] = json.loads(text)
        table, gsd = tag_table(self.visible), nominal(sample.window.gsd)
        main = table.main(tags, gsd)
        key = main[0] if main else tag_meanings.table().headline(tags) or min(tags)
        value = main[1] if main else tags[key] if WORD.fullmatch(tags[key]) else "yes"
        sample.facts.update(
            element_tag=f"{key}={value}",
            visible_tags=json.dumps(table.tags(tags, gsd), ensure_ascii=False),
            **described(shape, frame),
        )
        return sample


def described(shape: Any, frame: Frame) -> dict[str, Fact]:
    """Words and numbers for an area or a line in the coordinates of a patch, see `Describe`."""
    import shapely

    area = shapely.get_dimensions(shape) == 2
    metres = frame.metres(shape)
    found: dict[str, Fact] = {
        "task": 1 if area else 2,
        "position": words.position(shape),
        "edges": " ".join(words.edges(shape)),
        **dict.fromkeys(("area_share", "length_sides", "length_m", "sinuosity")),
        **dict.fromkeys(("outline", "course", "orientation", "ends"), ""),
    }
    if area:
        found["area_share"] = round(float(shapely.area(shape)), 3)
        found["outline"] = words.outline(metres)
        return found
    length, course = float(shapely.length(metres)), words.course(metres)
    orientation = words.orientation(metres)
    ratio = words.sinuosity(metres) if course != "broken" else math.inf
    found.update(
        length_sides=round(length / frame.side_m, 2),
        length_m=round(length, 1),
        sinuosity=round(ratio, 4) if math.isfinite(ratio) else None,
        course=course,
        orientation=orientation,
        ends=json.dumps(_ends(shape, orientation) if orientation else []),
    )
    return found


def _ends(line: Any, orientation: str) -> list[str]:
    """Where a line's longest part ends, from west to east, or from south to north."""
    import shapely

    points: npt.NDArray[np.float64] = shapely.get_coordinates(words.longest(line))[[0, -1]]
    axis = 1 if orientation == "north-south" else 0
    order = np.argsort(points[:, axis], kind="stable")
    return [words.end(float(x), float(y)) for x, y in points[order]]
