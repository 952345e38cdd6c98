"""Imagery as rows of `Scene`: from a static STAC catalogue, an items file, or plain rasters."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from catalogs.rasters import open_raster
from catalogs.sources.items import scene_of
from schemas.errors import Fault, SourceError, UsageError
from schemas.licences import licence
from schemas.scenes import Band, Scene
from schemas.sensors import BY_COUNT, DISPLAY, common_name, family
from schemas.sources import Credit
from schemas.windows import Bounds, Grid, Window, ground_gsd

if TYPE_CHECKING:
    import shapely

SUFFIXES = {".tif", ".tiff", ".geotiff", ".jp2", ".j2k", ".png", ".jpg", ".jpeg"}


@dataclass(frozen=True)
class Override:
    """What the command line says of a source that does not say it itself.

    Attributes:
        licence, attribution: for files that carry none.
        datetime: ISO time for images without a date.
    """

    licence: str = ""
    attribution: str = ""
    datetime: str = ""


@dataclass(frozen=True)
class Imagery:
    """Scenes of one role, found by place and year.

    Attributes:
        scenes: sorted by collection and id.
        credits: one for each (licence, attribution) found.
        lost: (location, reason code, message) of files that cannot be used.
    """

    scenes: tuple[Scene, ...]
    credits: tuple[Credit, ...]
    lost: tuple[tuple[str, str, str], ...] = ()

    @cached_property
    def _outlines(self) -> "npt.NDArray[Any]":
        import shapely

        return np.asarray(shapely.from_wkt([scene.footprint for scene in self.scenes]))

    @cached_property
    def _tree(self) -> "shapely.STRtree":
        import shapely

        return shapely.STRtree(self._outlines)

    def over(self, lon: float, lat: float) -> list[Scene]:
        """Scenes whose footprint holds a point given in degrees, in the order of `scenes`."""
        import shapely

        hits = self._tree.query(shapely.Point(lon, lat), predicate="intersects")
        return [self.scenes[i] for i in np.sort(hits)]

    def bounds(self) -> Bounds:
        """(west, south, east, north) in degrees over all scenes."""
        import shapely

        west, south, east, north = shapely.total_bounds(self._outlines)
        return float(west), float(south), float(east), float(north)


def open_imagery(location: str, override: Override, *, generated: bool = False) -> Imagery:
    """Read what `location` describes: a STAC catalogue, an items file, a raster or a folder of them.

    Raises:
        UsageError: nothing is there, or the kind is unknown.
        SourceError: no usable scene, or a scene without a licence.
    """
    path = Path(location)
    if "://" in location or location in ("planetary-computer", "earth-search", "earth-engine"):
        raise UsageError(
            f"--imagery {location}: remote catalogues are not supported yet; "
            "pass a GeoTIFF, a folder of them, or a STAC catalogue on disk"
        )
    if not path.exists():
        raise UsageError(f"--imagery {location}: no such file or folder")
    lost: list[tuple[str, str, str]] = []
    if path.suffix == ".json" or path.suffix == ".geojson":
        scenes = list(_from_stac(path, lost))
    else:
        files = _rasters(path)
        if not files:
            raise UsageError(f"--imagery {location}: holds no raster (looked for {_kinds()})")
        scenes = list(_from_files(files, lost))
    if not scenes:
        why = f"; first reason: {lost[0][2]}" if lost else ""
        raise SourceError(f"--imagery {location}: not one usable scene in it{why}")
    scenes = [_with(scene, override) for scene in scenes]
    scenes.sort(key=lambda s: (s.collection, s.id))
    return Imagery(tuple(scenes), tuple(_credits(scenes, location, generated)), tuple(lost))


def _kinds() -> str:
    return " ".join(sorted(SUFFIXES))


def _rasters(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)


def _from_stac(path: Path, lost: list[tuple[str, str, str]]) -> Iterator[Scene]:
    """Scenes of a static catalogue, a collection, one item, or a FeatureCollection of items."""
    import json

    import pystac

    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        kind = document.get("type")
    except (ValueError, AttributeError) as error:
        raise SourceError(f"--imagery {path}: not a STAC document ({error})") from error
    items: Iterable[pystac.Item]
    if kind in ("Catalog", "Collection"):
        items = pystac.read_file(str(path)).get_items(recursive=True)  # type: ignore[attr-defined]
    elif kind == "FeatureCollection":
        items = [pystac.Item.from_dict(d) for d in document["features"]]
    elif kind == "Feature":
        items = [pystac.Item.from_file(str(path))]
    else:
        raise SourceError(
            f"--imagery {path}: type {kind!r} is no STAC catalogue, collection or item"
        )
    for item in items:
        try:
            scene = scene_of(item)
        except Fault as fault:
            lost.append((item.id, fault.code, fault.message))
        else:
            if scene is not None:
                yield scene


def _from_files(files: list[Path], lost: list[tuple[str, str, str]]) -> Iterator[Scene]:
    for file in files:
        try:
            yield describe(file)
        except Fault as fault:
            if len(files) == 1:
                raise SourceError(f"--imagery {fault.message} ({fault.code})") from fault
            lost.append((str(file), fault.code, fault.message))


def describe(file: Path) -> Scene:
    """The scene that one raster file holds, from its header alone.

    Raises:
        Fault: as `open_raster`, and `no_crs`, `local_crs`, `rotated_grid`.
    """
    import shapely

    with open_raster(str(file)) as dataset:
        grid = grid_of(dataset, str(file))
        names = _band_names(dataset)
        when = _tagged_time(dataset.tags())
        nodata = dataset.nodata
        dtypes = dataset.dtypes
    west, south, east, north = grid.bounds()
    gsd = ground_gsd(grid, (west + east) / 2, (south + north) / 2)
    bands = tuple(
        Band(name, str(file.resolve()), i + 1, dtypes[i], nodata, gsd=gsd, common=common_name(name))
        for i, name in enumerate(names)
    )
    kind = family("", names)
    return Scene(
        id=file.stem,
        collection=kind or "local",
        datetime=when,
        grid=grid,
        footprint=shapely.to_wkt(
            shapely.Polygon(Window(grid, gsd).outline(16)), rounding_precision=9
        ),
        bands=bands,
        licence="",
        attribution="",
        size=file.stat().st_size,
        display=DISPLAY.get(kind, (0.0, 255.0) if set(dtypes) == {"uint8"} else None),
    )


def grid_of(dataset: Any, where: str) -> Grid:
    """The pixel grid of an open dataset.

    Raises:
        Fault: `no_crs`, `local_crs` or `rotated_grid`: such pixels cannot be placed honestly.
    """
    crs = dataset.crs
    if crs is None or (dataset.transform.is_identity and not dataset.gcps[0]):
        raise Fault("no_crs", f"{where}: has no CRS; georeference it first (gdal_edit.py -a_srs)")
    if not (crs.is_geographic or crs.is_projected):
        raise Fault("local_crs", f"{where}: its CRS is local, not tied to the Earth")
    epsg = crs.to_epsg()
    t = dataset.transform
    grid = Grid(
        crs=f"EPSG:{epsg}" if epsg else crs.to_wkt(),
        transform=(t.a, t.b, t.c, t.d, t.e, t.f),
        width=dataset.width,
        height=dataset.height,
        tile=int(dataset.block_shapes[0][0]),
    )
    if grid.rotated:
        raise Fault("rotated_grid", f"{where}: its rows do not run east-west; gdalwarp it first")
    return grid


def _band_names(dataset: Any) -> tuple[str, ...]:
    names = tuple(n or "" for n in dataset.descriptions)
    if all(names) and len(set(names)) == len(names):
        return names
    kinds = [kind.name for kind in dataset.colorinterp]
    known = BY_COUNT.get(dataset.count, ()) if dataset.dtypes[0] == "uint8" else ()
    if "alpha" in kinds:
        known = tuple("alpha" if k == "alpha" else n for k, n in zip(kinds, known, strict=False))
    return known or tuple(f"band{i + 1}" for i in range(dataset.count))


def _tagged_time(tags: dict[str, str]) -> datetime | None:
    """An acquisition time from the tags that carry one (`DATETIME`, `ACQUISITION_DATE...`), if ISO."""
    for name in (
        "DATETIME",
        "ACQUISITIONDATETIME",
        "ACQUISITION_DATETIME",
        "DATATAKE_SENSING_START",
    ):
        if text := tags.get(name):
            try:
                return parse_time(text)
            except ValueError:
                continue
    return None


def parse_time(text: str) -> datetime:
    """An ISO time as aware UTC; a time without zone is taken as UTC.

    Raises:
        ValueError: when it is not ISO 8601.
    """
    when = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def _with(scene: Scene, override: Override) -> Scene:
    """The scene with what only the command line knows; what the source says itself stands."""
    if not scene.licence and not override.licence:
        raise SourceError(
            f"--imagery {scene.id}: carries no licence; say it with --license imagery=SPDX-ID "
            '(and --attribution imagery="...")'
        )
    if scene.licence and override.licence and scene.licence.lower() != override.licence.lower():
        raise UsageError(
            f"--license imagery={override.licence}: {scene.id} already declares {scene.licence}"
        )
    terms = licence(scene.licence or override.licence, "imagery")
    credit = scene.attribution or override.attribution
    if terms.attribution and not credit:
        raise SourceError(
            f"--imagery {scene.id}: {terms.id} asks for a credit line; "
            'say it with --attribution imagery="..."'
        )
    credit = credit or f"{scene.id} ({terms.title})"
    when = scene.datetime
    if when is None and override.datetime:
        try:
            when = parse_time(override.datetime)
        except ValueError as error:
            raise UsageError(f"--datetime imagery={override.datetime}: {error}") from error
    return replace(scene, licence=terms.id, attribution=credit, datetime=when)


def _credits(scenes: list[Scene], location: str, generated: bool) -> Iterator[Credit]:
    """One credit for each (collection, licence, attribution), as of its newest scene."""
    seen: dict[tuple[str, str, str], list[Scene]] = {}
    for scene in scenes:
        seen.setdefault((scene.collection, scene.licence, scene.attribution), []).append(scene)
    for (collection, terms, credit), group in sorted(seen.items()):
        times = sorted(s.datetime.date().isoformat() for s in group if s.datetime)
        yield Credit(
            role="imagery",
            title=collection if collection != "local" else Path(location).name,
            location=location,
            licence=terms,
            attribution=credit,
            parts=("pixels",),
            size=sum(s.size for s in group),
            datetime=times[-1] if times else "",
            generated=generated,
        )
