"""OpenStreetMap in a recipe: objects to start from, what of them is visible, what surrounds them."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalogs.sources.osm import open_osm
from schemas.errors import Reject
from schemas.geo import all_beside, beside, bounds_of, ring_beside
from schemas.samples import Drop, Sample
from schemas.visible import Visible as Table
from schemas.visible import load
from schemas.windows import Grid, from_lonlat, ground_gsd
from transforms.captions import multi, single, source
from transforms.context import Context

FINEST = 0.01  # metres: at this GSD every groundable tag is visible
PREFIX = {"node": "n", "way": "w", "relation": "r"}


def tag_table(path: str) -> Table:
    """The groundability table, extended by a user's file when `path` is not empty."""
    return load(Path(path) if path else None)


@lru_cache(maxsize=4096)
def gsd_at(grid: Grid, lon: float, lat: float) -> float:
    """Metres on the ground of a pixel of `grid` at a place in degrees."""
    x, y = from_lonlat(grid.crs, np.array([lon]), np.array([lat]))
    return ground_gsd(grid, float(x[0]), float(y[0]))


def nominal(gsd: float) -> float:
    """GSD rounded to two digits: a UTM grid's 0.6 m pixel is 0.5998 to 0.6006 m on the ground."""
    return float(f"{gsd:.2g}")


@dataclass(frozen=True)
class Objects:
    """One sample for every object that carries a visually groundable tag at any GSD.

    Attributes:
        visible: file with further rows for the groundability table, "" for none.
    """

    visible: str = ""
    role: str = field(default="osm", init=False)
    needs: tuple[str, ...] = field(default=(), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "osm_type": "string",
            "osm_id": "int64",
            "osm_version": "int64",
            "osm_timestamp": "timestamp",
            "focus_geometry": "binary",
            "_kind": "string",
            "_tags": "string",
            "_bounds": "string",
        },
        init=False,
    )

    def open(self, location: str) -> Any:
        """The extract or feature table at `location`."""
        return open_osm(Path(location))

    def scan(self, ctx: Context, on_drop: Callable[[Drop], None]) -> Iterator[pa.Table]:
        """Start rows (`key`, `lon`, `lat` of the bbox centre, facts), in batches of bounded size."""
        table = tag_table(self.visible)
        source = ctx.sources["osm"]

        def lost(drop: Any) -> None:
            key = f"{PREFIX[drop.osm_type]}{drop.osm_id}"
            on_drop(Drop(key, "osm.Objects", drop.code, drop.message))

        for batch in source.features(table.keys(), ctx.bbox, on_drop=lost):
            rows = self._rows(pa.table(batch), table)
            if ctx.region is not None:
                rows = rows.filter(_inside(rows, ctx.region))
            if len(rows):
                yield rows

    def tally(self, rows: pa.Table) -> dict[str, int]:
        """Objects by groundable main tag ("building=yes"); one object may count for several tags."""
        table, found = tag_table(self.visible), dict[str, int]()
        for entry in rows["_tags"].value_counts().to_pylist():
            for tag in json.loads(entry["values"]).items():
                if table.main(dict([tag]), FINEST):
                    found["=".join(tag)] = found.get("=".join(tag), 0) + entry["counts"]
        return found

    def _rows(self, batch: pa.Table, table: Table) -> pa.Table:
        seen: dict[str, bool] = {}
        for text in batch["tags"].unique().to_pylist():
            seen[text] = bool(table.coarsest(json.loads(text)))
        batch = batch.filter(
            pa.array([seen[t] for t in batch["tags"].to_pylist()], pa.bool_(), from_pandas=False)
        )
        sides = [batch[s].to_numpy() for s in ("west", "south", "east", "north")]
        keys = [
            f"{PREFIX[k]}{i}"
            for k, i in zip(batch["osm_type"].to_pylist(), batch["osm_id"].to_pylist(), strict=True)
        ]
        bounds = [" ".join(repr(float(v)) for v in row) for row in zip(*sides, strict=True)]
        return pa.table(
            {
                "key": pa.array(keys, pa.string(), from_pandas=False),
                "lon": (sides[0] + sides[2]) / 2,
                "lat": (sides[1] + sides[3]) / 2,
                "osm_type": batch["osm_type"],
                "osm_id": batch["osm_id"],
                "osm_version": batch["version"].cast(pa.int64()),
                "osm_timestamp": batch["timestamp"].cast(pa.timestamp("us", tz="UTC")),
                "focus_geometry": batch["geometry"],
                "_kind": batch["kind"],
                "_tags": batch["tags"],
                "_bounds": pa.array(bounds, pa.string(), from_pandas=False),
                "_half_lon": (sides[2] - sides[0]) / 2,
                "_half_lat": (sides[3] - sides[1]) / 2,
            }
        )


def _inside(rows: pa.Table, region: Any) -> pa.Array:
    import shapely

    hits = shapely.contains_xy(region, rows["lon"].to_numpy(), rows["lat"].to_numpy())
    return pa.array(hits)


@dataclass(frozen=True)
class Visible:
    """What of the object's tags can be seen at the scene's GSD.

    Gives `center_tags` (JSON object of the groundable tags, main tag first), `main_tag`
    ("building=house") and `main_key`.

    Attributes:
        visible: as in `Objects`.
    """

    visible: str = ""
    needs: tuple[str, ...] = field(default=("scenes", "_tags"), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "center_tags": "string",
            "main_tag": "string",
        },
        init=False,
    )

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its groundable tags.

        Raises:
            Reject: `not_visible`.
        """
        grid = sample.scenes[0].grid
        gsd = nominal(gsd_at(grid, round(sample.lon, 1), round(sample.lat, 1)))
        table = tag_table(self.visible)
        tags = json.loads(str(sample.facts["_tags"]))
        main = table.main(tags, gsd)
        if main is None:
            raise Reject("not_visible", f"no tag of it is visible at {gsd:g} m")
        shown = json.dumps(table.tags(tags, gsd), ensure_ascii=False)
        sample.facts.update(center_tags=shown, main_tag="=".join(main))
        return sample


@dataclass(frozen=True)
class Nearby:
    """The objects around the focus: those that meet the window and have a tag visible at its GSD.

    Gives `surrounding_tags` (JSON list of tag objects) and `surrounding_ids` ("w12 n34").

    Attributes:
        most: objects kept, nearest to the focus first, then by id.
        visible: as in `Objects`.
    """

    most: int = 10
    visible: str = ""
    needs: tuple[str, ...] = field(default=("window", "center_tags", "osm_id"), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"surrounding_tags": "string", "surrounding_ids": "string"},
        init=False,
    )

    def across(self, samples: list[Sample], ctx: Context) -> list[Sample]:
        """All samples of a partition, each with what surrounds it."""
        if not samples:
            return samples
        keys, tags, shapes, groups = meeting(samples, ctx)
        here = samples[0].lon
        table = tag_table(self.visible)
        shown: dict[tuple[str, float], dict[str, str]] = {}

        def visible_tags(text: str, gsd: float) -> dict[str, str]:
            if (text, gsd) not in shown:
                found = json.loads(text)
                shown[text, gsd] = table.tags(found, gsd) if table.main(found, gsd) else {}
            return shown[text, gsd]

        for sample, hits in zip(samples, groups, strict=True):
            assert sample.window is not None
            own = f"{PREFIX[str(sample.facts['osm_type'])]}{sample.facts['osm_id']}"
            gsd = nominal(sample.window.gsd)
            found = [i for i in hits if keys[i] != own and visible_tags(tags[i], gsd)]
            lon = float(beside(sample.lon, here))
            apart = np.round(_distances(lon, sample.lat, shapes[found]), 2)
            order = sorted(range(len(found)), key=lambda k: (apart[k], keys[found[k]]))
            near = [found[k] for k in order[: self.most]]
            sample.facts["surrounding_tags"] = json.dumps(
                [visible_tags(tags[i], gsd) for i in near], ensure_ascii=False
            )
            sample.facts["surrounding_ids"] = " ".join(keys[i] for i in near)
        return samples


@dataclass(frozen=True)
class Present:
    """Every main tag of the objects that meet the window, at any resolution: what is surely mapped.

    `Nearby` keeps the nearest few and what can be seen; a statement that something is not there needs
    them all. Gives `present_tags` (JSON list of "building=house", sorted).

    Attributes:
        visible: as in `Objects`.
    """

    visible: str = ""
    needs: tuple[str, ...] = field(default=("window", "_tags"), init=False)
    gives: dict[str, str] = field(default_factory=lambda: {"present_tags": "string"}, init=False)

    def across(self, samples: list[Sample], ctx: Context) -> list[Sample]:
        """All samples of a partition, each with what its window holds."""
        if not samples:
            return samples
        _, texts, _, groups = meeting(samples, ctx)
        table = tag_table(self.visible)
        main = table.keys()

        @lru_cache(maxsize=1 << 14)
        def named(text: str) -> tuple[str, ...]:
            found = table.tags(json.loads(text), FINEST)
            return tuple(f"{key}={value}" for key, value in found.items() if key in main)

        for sample, hits in zip(samples, groups, strict=True):
            own = str(sample.facts["_tags"])
            found = {tag for text in (own, *(texts[i] for i in hits)) for tag in named(text)}
            sample.facts["present_tags"] = json.dumps(sorted(found))
        return samples


def meeting(
    samples: list[Sample], ctx: Context
) -> tuple[list[str], list[str], npt.NDArray[Any], list[npt.NDArray[np.int64]]]:
    """The start's objects that meet the samples' windows.

    Args:
        samples: one partition with windows, at least one.

    Returns:
        keys ("w12"), tags (JSON) and shapes (lon/lat, moved to the side of the first sample) of the
        objects around, and for each sample which of them meet its window.
    """
    import shapely

    assert ctx.start_rows is not None
    here = samples[0].lon
    outlines = [ring_beside(s.window.outline(), here) for s in samples if s.window]
    around = ctx.start_rows(bounds_of(outlines))
    shapes = all_beside(shapely.from_wkb(around["focus_geometry"].to_numpy()), here)
    window, other = shapely.STRtree(shapes).query(
        shapely.polygons(outlines), predicate="intersects"
    )
    groups = np.split(other, np.searchsorted(window, np.arange(1, len(samples))))
    return around["key"].to_pylist(), around["_tags"].to_pylist(), shapes, groups


def _distances(lon: float, lat: float, shapes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Metres from a point to lon/lat shapes near it (equirectangular about the point)."""
    import shapely

    if not len(shapes):
        return np.empty(0)
    scale = np.array([np.cos(np.radians(lat)), 1.0]) * 111_195.0
    moved = shapely.transform(shapes, lambda xy: (xy - (lon, lat)) * scale)
    return np.asarray(shapely.distance(shapely.Point(0, 0), moved))


@dataclass(frozen=True)
class Captions:
    """Captions by the grammar of specs/skyscript.md: `title` (focus) and `title_multi_objects`."""

    needs: tuple[str, ...] = field(
        default=("window", "scenes", "center_tags", "surrounding_tags"), init=False
    )
    gives: dict[str, str] = field(
        default_factory=lambda: {"title": "string", "title_multi_objects": "string"}, init=False
    )

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with both captions."""
        focus: Mapping[str, str] = json.loads(str(sample.facts["center_tags"]))
        around: list[Mapping[str, str]] = json.loads(str(sample.facts["surrounding_tags"]))
        assert sample.window is not None
        seen = source(sample.scenes[0], nominal(sample.window.gsd))
        sample.facts.update(
            title=single(focus, seen), title_multi_objects=multi(focus, around, seen)
        )
        return sample
