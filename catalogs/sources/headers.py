"""What a raster says of itself: grid, outline, bands, time, and whether the file is whole."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from catalogs.rasters import open_raster
from schemas.errors import Fault
from schemas.geo import continuous, split
from schemas.scenes import ALPHA, Band, Scene
from schemas.sensors import BY_COUNT, COLOURS, DISPLAY, common_name, family
from schemas.windows import Grid, Window, ground_gsd

TIMES = ("DATETIME", "ACQUISITIONDATETIME", "ACQUISITION_DATETIME", "DATATAKE_SENSING_START")
"""Tags that carry an acquisition time."""


def describe(file: Path) -> Scene:
    """The scene that one raster file holds, from its header alone.

    Raises:
        Fault: as `open_raster`, and `no_crs`, `local_crs`, `rotated_grid`, `raster_truncated`.
    """
    import shapely

    with open_raster(str(file)) as dataset:
        grid = grid_of(dataset, str(file))
        check_whole(dataset, str(file), file.stat().st_size)
        gsd = centre_gsd(grid)
        bands = bands_of(dataset, str(file.resolve()), gsd)
        when = _tagged_time(dataset.tags())
    kind = family("", tuple(band.name for band in bands if band.name != ALPHA))
    eight_bit = all(band.dtype == "uint8" for band in bands)
    return Scene(
        id=file.stem,
        collection=kind or "local",
        datetime=when,
        grid=grid,
        footprint=shapely.to_wkt(footprint(grid), rounding_precision=9),
        bands=bands,
        licence="",
        attribution="",
        size=file.stat().st_size,
        display=DISPLAY.get(kind, (0.0, 255.0) if eight_bit else None),
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


def centre_gsd(grid: Grid) -> float:
    """Metres on the ground of a pixel in the middle of a grid."""
    west, south, east, north = grid.bounds()
    return ground_gsd(grid, (west + east) / 2, (south + north) / 2)


def footprint(grid: Grid) -> Any:
    """A grid's outline in lon/lat degrees: a polygon, or a multipolygon at the antimeridian."""
    import shapely

    return split(shapely.Polygon(continuous(Window(grid, 0.0).outline(16))))


def bands_of(dataset: Any, href: str, gsd: float) -> tuple[Band, ...]:
    """The bands of an open dataset, an alpha band among them under the name `alpha`."""
    return tuple(
        Band(
            name, href, i + 1, dataset.dtypes[i], dataset.nodata,
            gsd=gsd, common=common_name(name), assumed=assumed,
        )
        for i, (name, assumed) in enumerate(band_names(dataset))
    )  # fmt: skip


def band_names(dataset: Any) -> list[tuple[str, bool]]:
    """(name, whether it is only assumed) of each band.

    A description comes first, then the colour that the file declares, then, in 8-bit pictures, the
    usual order (`BY_COUNT`), else `band1`, `band2`, ...
    """
    described = [text or "" for text in dataset.descriptions]
    if len(set(filter(None, described))) < sum(map(bool, described)):
        described = [""] * dataset.count
    kinds = [kind.name for kind in dataset.colorinterp]
    sure = [_sure(text, kind, kinds) for text, kind in zip(described, kinds, strict=True)]
    pixels = [i for i, name in enumerate(sure) if name != ALPHA]
    usual = BY_COUNT.get(len(pixels), ()) if dataset.dtypes[0] == "uint8" else ()
    guessed = {i: name for i, name in zip(pixels, usual, strict=False) if name not in sure}
    return [
        (name, False) if name else (guessed.get(i, f"band{i + 1}"), i in guessed)
        for i, name in enumerate(sure)
    ]


def _sure(text: str, kind: str, kinds: list[str]) -> str:
    """What a band certainly is by its description and colour, "" when neither says it."""
    if kind == "alpha" and (not text or "alpha" in text.lower() or "mask" in text.lower()):
        return ALPHA
    if text:
        return text
    if kind == "gray" and len(kinds) == 1 + kinds.count("alpha"):
        return "gray"
    return kind if kind in COLOURS and kinds.count(kind) == 1 else ""


def check_whole(dataset: Any, where: str, size: int) -> None:
    """Refuse a GeoTIFF that ends before its pixels do, by the places of its outermost blocks.

    Args:
        size: bytes of its file.

    Raises:
        Fault: `raster_truncated`.
    """
    if dataset.driver != "GTiff":
        return
    for band in {1, dataset.count}:
        rows, columns = dataset.block_shapes[band - 1]
        right, bottom = (dataset.width - 1) // columns, (dataset.height - 1) // rows
        for x, y in {(0, 0), (right, 0), (0, bottom), (right, bottom)}:
            place = dataset.get_tag_item(f"BLOCK_OFFSET_{x}_{y}", "TIFF", bidx=band)
            length = dataset.get_tag_item(f"BLOCK_SIZE_{x}_{y}", "TIFF", bidx=band)
            end = int(place or 0) + int(length or 0)  # 0 where a sparse file holds nothing
            if end > size:
                raise Fault(
                    "raster_truncated",
                    f"{where}: is cut short, {size:,} bytes where its pixels reach to {end:,}; "
                    "fetch it anew",
                )


def _tagged_time(tags: dict[str, str]) -> datetime | None:
    """An acquisition time from the tags that carry one, if it is ISO 8601."""
    for name in TIMES:
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
