"""The vector truth of a site: a bent street grid whose blocks are filled by theme.

The grid has 15 x 15 blocks of about 340 m, turned and bent, and covers the whole Sentinel-2 scene.
The middle 5 x 5 blocks are drawn in detail and cover the aerial picture; the outer ones hold
fields, woods, water and villages that can be told apart at 10 m.
"""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from shapely import LineString, Point, Polygon, STRtree

from catalogs.world import country, leisure, streets, town, water, works
from catalogs.world.block import Block
from catalogs.world.feature import Feature, Sheet
from catalogs.world.shapes import Floats, along, curve
from catalogs.world.sites import Site, generator

BLOCKS = 15
STEP = 340.0
CORE = range(5, 10)

DRAW = {**town.DRAW, **works.DRAW, **leisure.DRAW, **country.DRAW, **water.DRAW}

THEMES: dict[str, str] = {
    "town": "centre apartments residential school residential retail park residential sports "
    "industry residential cemetery allotments works lake forest fields orchard residential meadow "
    "fields forest solar farmyard pond",
    "lake": "lake residential centre camping residential park lake sports forest "
    "residential beach meadow fields forest farmyard wetland orchard fields school golf "
    "forest cemetery fields meadow heath",
    "farm": "farmyard residential fields church fields orchard fields residential meadow "
    "fields farmyard fields forest pond fields solar nursery meadow fields forest sports quarry "
    "fields wetland cemetery",
    "forest": "residential forest church forest sawmill forest meadow lake camping "
    "forest residential fields quarry forest heath farmyard wetland forest meadow fields forest "
    "sports pond forest orchard",
    "wine": "centre vineyard residential vineyard church orchard residential vineyard school "
    "vineyard fields vineyard forest farmyard meadow sports park fields vineyard pond solar forest "
    "cemetery residential heath",
    "river": "centre residential school park apartments sports residential retail industry "
    "works fields meadow forest allotments wetland lake fields farmyard residential orchard fields "
    "forest cemetery gravelpit camping",
    "industry": "industry retail apartments works industry residential tanks residential solar "
    "quarry sawmill forest fields landfill school sports lake allotments meadow fields residential "
    "gravelpit farmyard forest heath",
    "resort": "golf residential pools centre camping park golf sports residential "
    "hotel lake forest vineyard orchard meadow fields church beach forest airfield fields farmyard "
    "cemetery pond heath",
    "open": "fields meadow fields farmyard fields forest fields orchard meadow fields forest "
    "vineyard wetland fields meadow heath fields pond fields solar forest meadow fields nursery "
    "lake",
    "woods": "forest forest meadow forest fields forest heath forest meadow forest fields lake "
    "forest wetland meadow forest orchard forest fields quarry pond forest meadow farmyard fields",
}  # fmt: skip
"""Kinds of the 25 detailed blocks by theme, from the middle outwards."""

OUTER = (
    ("fields",) * 14
    + ("forest",) * 8
    + ("meadow",) * 4
    + ("village", "village", "lake", "heath", "solar")
)

WIDTHS = {"primary": 10.0, "secondary": 8.0, "tertiary": 7.0, "residential": 6.0,
          "unclassified": 5.0, "track": 3.6, "river": 17.0, "railway": 9.0, "": 2.0}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A site together with everything that stands on it: what every layer is drawn from.

    Attributes:
        site: Where it is.
        seed: Seed of the world.
        features: Things on the ground; geometry in the site's UTM metres.
    """

    site: Site
    seed: int
    features: tuple[Feature, ...]

    def rng(self, *names: object) -> np.random.Generator:
        """A generator for one purpose at this place."""
        return generator(self.seed, self.site.id, *names)


def lay_out(site: Site, seed: int = 0) -> Place:
    """Everything that stands at a site, the same for the same seed."""
    sheet = Sheet(site, generator(seed, site.id, "layout"))
    across, up = _lines(sheet)
    plan = Plan.bent(sheet, across, up)
    for i in range(BLOCKS):
        for j in range(BLOCKS):
            kind = sheet.pick(*OUTER)
            if not (i in CORE and j in CORE) and plan.shows(i, j, site.scene_bounds):
                DRAW[kind](sheet, plan.block(i, j))
    kinds = _kinds(sheet)
    spots = sorted(
        ((i, j) for i in CORE for j in CORE),
        key=lambda ij: (max(abs(ij[0] - 7), abs(ij[1] - 7)), sheet.rng.random()),
    )
    for (i, j), kind in zip(spots, kinds, strict=True):
        DRAW[kind](sheet, plan.block(i, j, detailed=True))
    for index in range(BLOCKS + 1):
        _draw_line(sheet, plan, index, across[index], upright=False)
        _draw_line(sheet, plan, index, up[index], upright=True)
    country.power_line(sheet, plan.line(CORE[0], True))
    return Place(site, seed, tuple(sheet.features))


@dataclass(frozen=True)
class Plan:
    """Edges (16, 16, 5, 2) of the bent grid in UTM metres, and what runs along its lines."""

    flat: Floats
    upright: Floats
    across: tuple[str, ...]
    up: tuple[str, ...]

    @classmethod
    def bent(cls, sheet: Sheet, across: tuple[str, ...], up: tuple[str, ...]) -> "Plan":
        """A grid with random turn, bends and corners around the middle of the site."""
        rng, n = sheet.rng, BLOCKS + 1
        sheet.angle = turn = sheet.between(-0.35, 0.35)
        grid = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), axis=-1)
        spots = (grid - BLOCKS / 2) * STEP + (rng.random((n, n, 2)) - 0.5) * 76.0
        nodes = spots @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        nodes = nodes + np.array(sheet.site.centre)
        bends = (rng.random((2, n, n, 2)) - 0.5) * 44.0
        ahead, above = np.roll(nodes, -1, axis=0), np.roll(nodes, -1, axis=1)
        flat, upright = np.zeros((n, n, 5, 2)), np.zeros((n, n, 5, 2))
        for i in range(n):
            for j in range(n):
                middle = (nodes[i, j] + ahead[i, j]) / 2 + bends[0, i, j]
                flat[i, j] = curve(nodes[i, j], middle, ahead[i, j])
                middle = (nodes[i, j] + above[i, j]) / 2 + bends[1, i, j]
                upright[i, j] = curve(nodes[i, j], middle, above[i, j])
        return cls(flat, upright, across, up)

    def shows(self, i: int, j: int, bounds: tuple[int, int, int, int]) -> bool:
        """Whether block (i, j) may reach into `bounds` in UTM metres."""
        x, y = (self.flat[i, j, 0] + self.flat[i, j + 1, -1]) / 2
        reach = 0.9 * STEP
        west, south, east, north = bounds
        return bool(west - reach < x < east + reach and south - reach < y < north + reach)

    def block(self, i: int, j: int, detailed: bool = False) -> Block:
        """Block in column i, row j: its outline on the street axes, its land inside the kerbs."""
        sides = (self.flat[i, j], self.upright[i + 1, j], self.flat[i, j + 1], self.upright[i, j])
        ring = np.concatenate([sides[0][:-1], sides[1][:-1], sides[2][:0:-1], sides[3][:0:-1]])
        outline = Polygon(ring)
        land = outline
        kinds = (self.across[j], self.up[i + 1], self.across[j + 1], self.up[i])
        for side, kind in zip(sides, kinds, strict=True):
            margin = WIDTHS[kind] / 2 + (3.0 if kind in ("river", "railway") else 1.2)
            land = land.difference(LineString(side).buffer(margin, join_style="mitre"))
        largest = max(getattr(land, "geoms", [land]), key=lambda part: part.area)
        doors = tuple(
            (float(side[2][0]), float(side[2][1])) if kind not in ("river", "railway", "") else None
            for side, kind in zip(sides, kinds, strict=True)
        )
        return Block(outline, largest.simplify(0.3), doors, detailed)

    def line(self, index: int, upright: bool) -> LineString:
        """A whole grid line across the scene."""
        parts = [self.edge(index, k, upright) for k in range(BLOCKS)]
        return LineString(np.concatenate([p[:-1] for p in parts] + [parts[-1][-1:]]))

    def edge(self, index: int, k: int, upright: bool) -> Floats:
        """The k-th edge (5, 2) of a grid line."""
        edge: Floats = self.upright[index, k] if upright else self.flat[k, index]
        return edge


def _kinds(sheet: Sheet) -> list[str]:
    """Kinds of the detailed blocks, from the middle outwards.

    Those of the theme, but three of the inner nine change places with kinds that would otherwise
    lie beyond the aerial picture.
    """
    kinds = THEMES[sheet.site.theme].split()
    inner = [int(k) + 1 for k in sheet.rng.permutation(8)[:3]]
    fresh = [k for k in range(9, 25) if kinds[k] not in kinds[:9]]
    outer = [fresh[int(k)] for k in sheet.rng.permutation(len(fresh))[:3]]
    for here, there in zip(inner, outer, strict=True):
        kinds[here], kinds[there] = kinds[there], kinds[here]
    return kinds


def _lines(sheet: Sheet) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What runs along each horizontal and each vertical grid line."""
    far = partial(sheet.pick, "track", "track", "", "unclassified", "tertiary")
    near = partial(sheet.pick, "residential", "unclassified", "track")
    across = [near() if i in range(5, 11) else far() for i in range(BLOCKS + 1)]
    up = [near() if i in range(5, 11) else far() for i in range(BLOCKS + 1)]
    across[7], up[8] = "secondary", "primary"
    across[8], up[7] = "residential", "tertiary"
    if sheet.site.theme in ("river", "lake", "resort", "town"):
        up[6 if sheet.rng.random() < 0.5 else 9] = "river"
    if sheet.site.theme in ("industry", "town", "river", "farm"):
        across[9 if sheet.rng.random() < 0.5 else 6] = "railway"
    return tuple(across), tuple(up)


def _draw_line(sheet: Sheet, plan: Plan, index: int, kind: str, upright: bool) -> None:
    """Draws a grid line: one way per block in the middle, longer ones outside."""
    if not kind:
        return
    name = streets.street_name(sheet)
    breaks = [0, 3, *CORE, CORE[-1] + 1, 12, BLOCKS]
    for low, high in pairwise(breaks):
        parts = [plan.edge(index, k, upright) for k in range(low, high)]
        path = LineString(np.concatenate([p[:-1] for p in parts] + [parts[-1][-1:]]))
        if kind == "river":
            water.river(sheet, path, WIDTHS[kind])
        elif kind == "railway":
            streets.railway(sheet, path)
        else:
            streets.road(sheet, path, kind, WIDTHS[kind], name)
    core = LineString(np.concatenate([plan.edge(index, k, upright) for k in CORE]))
    if index in range(5, 11) and kind in ("residential", "tertiary", "track", "river"):
        _avenue(sheet, core, WIDTHS[kind])


def _avenue(sheet: Sheet, line: LineString, width: float) -> None:
    """Trees along one side of a line, with gaps."""
    step, side = sheet.between(14, 40), 1 if sheet.rng.random() < 0.5 else -1
    tall = STRtree([f.footprint() for f in sheet.features if f.height > 2.5])
    for x, y, angle in along(line, step, 12):
        reach = side * (width / 2 + 3.2)
        px, py = x - np.sin(angle) * reach, y + np.cos(angle) * reach
        free = tall.query(Point(px, py), predicate="dwithin", distance=3.0).size == 0
        if free and sheet.rng.random() < 0.6:
            sheet.tree(px, py, sheet.between(4.5, 8.5), mapped=sheet.rng.random() < 0.2)
