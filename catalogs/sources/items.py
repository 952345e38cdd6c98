"""A STAC item as a `Scene`: bands, grid, licence and credit, whatever version wrote it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from catalogs.rasters import open_raster, remote_of
from catalogs.sources.earth_engine.assets import SCHEME
from catalogs.sources.headers import bands_of, centre_gsd, check_whole, grid_of
from catalogs.sources.reprocessed import baseline_of, offset_applied
from catalogs.sources.stac_fields import Json, is_raster, pictures, stated_bands
from catalogs.sources.stac_files import Found, on_disk
from schemas.errors import Fault
from schemas.geo import beside, within_180
from schemas.scenes import Band, Scene
from schemas.sensors import DISPLAY, common_name, family
from schemas.windows import Grid, to_lonlat

LOOSE = 1.0
"""Degrees by which an outline may miss its pixels: some catalogues draw them with a broad brush."""

NO_LICENCE = ("", "proprietary", "various", "other")


def scene_of(found: Found) -> Scene | None:
    """The scene that an item describes, or None when it holds no raster asset with data.

    What the item leaves out of grid and bands is read from the header of its file.

    Raises:
        Fault: `stac_invalid:FIELD` when a field that cannot be guessed is missing; `misplaced`; as
            `describe` where a header must be read.
    """
    import shapely

    item = found.item
    outline = _outline(item)
    rasters = {key: a for key, a in item.assets.items() if is_raster(a.to_dict())}
    shown = pictures({key: {"roles": asset.roles} for key, asset in rasters.items()})
    assets = [(key, asset) for key, asset in rasters.items() if key not in shown]
    if not assets:
        return None
    placed = [(_grid(item, asset), key, asset) for key, asset in assets]
    bands = _all_bands(item, placed)
    there = {band.href for band in bands}
    grids = [grid for grid, _, asset in placed if _href(asset) in there]
    finest = min(grids, key=lambda g: abs(g.transform[0]))
    check_placed(item.id, outline, finest)
    collection = item.collection_id or "items"
    kind = family(collection, tuple(b.name for b in bands if not b.alpha))
    eight_bit = all(b.dtype == "uint8" for b in bands)
    terms, credit = _terms(item, found.collection)
    return Scene(
        id=item.id,
        collection=collection,
        datetime=found.when,
        grid=finest,
        footprint=shapely.to_wkt(outline, rounding_precision=9),
        bands=tuple(_apart(band, finest) for band in bands),
        licence=terms,
        attribution=credit,
        platform=item.properties.get("platform", ""),
        baseline=baseline_of(
            {"id": item.id, "collection": item.collection_id, "properties": item.properties}
        ),
        offset_applied=offset_applied(item.properties),
        cloud=item.properties.get("eo:cloud_cover"),
        size=sum(_size(asset) for _, asset in assets),
        checksum=_checksum(assets[0][1]) if len(assets) == 1 else "",
        display=DISPLAY.get(kind, (0.0, 255.0) if eight_bit else None),
    )


def check_placed(name: str, outline: Any, grid: Grid) -> None:
    """Refuse an item whose pixels lie elsewhere than its outline, by the UTM grid that it states.

    Some items of HLS state a zone of the other hemisphere (PlanetaryComputer issue 486): chips would be
    cut a quarter of the Earth away.

    Raises:
        Fault: `misplaced`: more than `LOOSE` degrees lie between the two.
    """
    import shapely

    if not grid.crs.upper().startswith(("EPSG:326", "EPSG:327")):
        return
    left, bottom, right, top = grid.bounds()
    lon, lat = to_lonlat(
        grid.crs, np.array([left, right, left, right]), np.array([bottom, bottom, top, top])
    )
    if np.isfinite(lon).all() and np.isfinite(lat).all():
        for part in shapely.get_parts(outline):
            west, south, east, north = part.bounds
            near = beside(lon, (west + east) / 2)
            if (
                max(near.min() - east, west - near.max()) <= LOOSE
                and max(lat.min() - north, south - lat.max()) <= LOOSE
            ):
                return
    west, south, east, north = outline.bounds
    raise Fault(
        "misplaced",
        f"{name}: its outline lies at {(west + east) / 2:.1f} {(south + north) / 2:.1f}, its pixels by "
        f"{grid.crs} at {lon.mean():.1f} {lat.mean():.1f}; report it to the catalogue",
    )


def _apart(band: Band, finest: Grid) -> Band:
    """The band without its declared place where that is the scene's own grid."""
    own = (finest.width, finest.height, *finest.transform)
    return replace(band, place=()) if band.place == own else band


def _outline(item: Any) -> Any:
    """The item's outline in lon/lat, cut at the antimeridian where the catalogue did not.

    Raises:
        Fault: `stac_invalid:geometry`.
    """
    import shapely

    if item.geometry is None:
        raise Fault("stac_invalid:geometry", f"{item.id}: has no geometry")
    try:
        return within_180(shapely.geometry.shape(item.geometry))
    except (shapely.errors.ShapelyError, ValueError, TypeError, KeyError, IndexError) as error:
        raise Fault("stac_invalid:geometry", f"{item.id}: is no GeoJSON ({error})") from error


def _field(item: Any, asset: Any, name: str) -> Any:
    """An asset's own field, or the item's."""
    return asset.extra_fields.get(name, item.properties.get(name))


def _grid(item: Any, asset: Any) -> Grid:
    grid = _placed(item, asset) or _header_grid(item, asset)
    if grid.rotated:
        raise Fault("rotated_grid", f"{item.id}: its rows do not run east-west")
    return grid


def _crs(code: Any) -> str:
    """ "EPSG:n" of a number (some items of HLS write `proj:code` so), a code as it is."""
    return f"EPSG:{code}" if isinstance(code, int) else str(code or "")


def _placed(item: Any, asset: Any) -> Grid | None:
    """The grid by the projection extension, None for items that leave part of it out."""
    code = _crs(_field(item, asset, "proj:code") or _field(item, asset, "proj:epsg"))
    transform, shape = _field(item, asset, "proj:transform"), _field(item, asset, "proj:shape")
    if not (code and transform and shape):
        return None
    a, b, c, d, e, f = (float(v) for v in transform[:6])
    return Grid(code, (a, b, c, d, e, f), int(shape[1]), int(shape[0]), 512)


def _etag(href: str) -> str:
    """The entity tag of a remote file that has been opened, "" without one."""
    remote = remote_of(href)
    return remote.version.etag if remote else ""


def _header_grid(item: Any, asset: Any) -> Grid:
    """The grid from the file itself, for items without the projection extension."""
    href = _href(asset)
    with open_raster(href) as dataset:
        return grid_of(dataset, f"{item.id} ({href})")


def _href(asset: Any) -> str:
    """Absolute location of an asset: a path, or a URL as the catalogue has it."""
    href = asset.get_absolute_href() or asset.href
    if href.startswith(SCHEME):
        raise Fault("blocked_href", f"{href}: only --imagery earth-engine:... names assets of it")
    place = on_disk(href, Path("/"))
    return str(place) if place is not None else href


def _all_bands(item: Any, placed: list[tuple[Grid, str, Any]]) -> list[Band]:
    """The bands of all assets; one that had to be opened and is not on disk gives none.

    Raises:
        Fault: as the last asset, when no band is left.
    """
    bands: list[Band] = []
    missing: Fault | None = None
    for grid, key, asset in placed:
        try:
            bands += _bands(item, key, asset, grid)
        except Fault as fault:
            if fault.code != "raster_missing":
                raise
            missing = fault
    if missing is not None and not bands:
        raise missing
    return bands


def _bands(item: Any, key: str, asset: Any, grid: Grid) -> list[Band]:
    """The bands of an asset as the item states them; names, types and nodata else by the header."""
    fields = asset.extra_fields
    stated = stated_bands(fields)
    href = _href(asset)
    gsd = _gsd(item, fields, grid)
    typed = all("data_type" in band or "data_type" in fields for band in stated)
    unnamed = len(stated) > 1 and not all(band.get("name") for band in stated)
    header = () if stated and typed and not unnamed else _header_bands(item, href, gsd)
    stated = stated or [{} for _ in header]
    if header and len(stated) != len(header):
        raise Fault(
            "band_mismatch",
            f"{item.id}: {key} states {len(stated)} bands, its file has {len(header)}",
        )
    declared = _field(item, asset, "proj:transform") and _field(item, asset, "proj:shape")
    place = (grid.width, grid.height, *grid.transform) if declared else ()
    etag = _etag(href) if header or _placed(item, asset) is None else ""
    return [
        replace(
            _band(key, fields, band, known, len(stated), item.collection_id or ""),
            place=place,
            size=_size(asset),
            checksum=_checksum(asset),
            etag=etag,
        )
        for band, known in zip(stated, header or _plain(href, gsd, len(stated)), strict=True)
    ]


def _gsd(item: Any, fields: Json, grid: Grid) -> float:
    """Metres of an asset's pixels as it states them; those of the item stand for assets without a
    place of their own (an item states its best)."""
    stated = fields.get("gsd")
    if not stated and "proj:transform" not in fields:
        stated = item.properties.get("gsd")
    return float(stated or centre_gsd(grid))


def _plain(href: str, gsd: float, count: int) -> tuple[Band, ...]:
    """Bands of which only the number is known."""
    return tuple(Band("", href, index, gsd=gsd) for index in range(1, count + 1))


def _header_bands(item: Any, href: str, gsd: float) -> tuple[Band, ...]:
    remote = remote_of(href)
    with open_raster(href, remote) as dataset:
        size = remote.size if remote else Path(href).stat().st_size
        check_whole(dataset, f"{item.id} ({href})", size)
        return bands_of(dataset, href, gsd)


def _band(key: str, fields: Json, stated: Json, known: Band, count: int, collection: str) -> Band:
    """One band: what the item states of it, else of its asset, stands before what its file says."""
    own = stated.get("name")
    alone = count == 1 and not known.alpha
    name = own or (key if alone else known.name)
    return Band(
        name=name,
        href=known.href,
        index=known.index,
        dtype=stated.get("data_type") or fields.get("data_type") or known.dtype,
        nodata=_number(stated.get("nodata", fields.get("nodata", known.nodata))),
        scale=_scaling(stated, fields, "scale", 1.0),
        offset=_scaling(stated, fields, "offset", 0.0),
        gsd=float(stated.get("gsd") or known.gsd),
        common=stated.get("eo:common_name")
        or stated.get("common_name")
        or common_name(name, collection),
        assumed=known.assumed and not own and not alone,
    )


def _scaling(stated: Json, fields: Json, name: str, default: float) -> float:
    """`scale` or `offset` of a band, in the words of any version of STAC: its own, else its asset's."""
    said = (stated.get(f"raster:{name}"), stated.get(name), fields.get(f"raster:{name}"))
    return float(next((value for value in said if value is not None), default))


def _number(value: Any) -> float | None:
    """A nodata value, which STAC may write as text ("nan", "inf", "-inf"), and JSON as 0 or 0.0."""
    return None if value is None else float(value)


def _terms(item: Any, collection: Json) -> tuple[str, str]:
    """(licence id, credit line) of the item, else of its collection; "" where neither says it."""
    terms = item.properties.get("license") or collection.get("license") or ""
    credit = item.properties.get("attribution") or collection.get("attribution") or ""
    providers = collection.get("providers") or []
    credit = credit or ", ".join(p["name"] for p in providers if p.get("name"))
    return ("" if terms in NO_LICENCE else terms), credit


def _size(asset: Any) -> int:
    """Bytes of an asset's file by `file:size`, 0 where it is not stated."""
    return int(asset.extra_fields.get("file:size") or 0)


def _checksum(asset: Any) -> str:
    """sha256 out of `file:checksum`, a multihash in hex (file extension 2.1: prefix 1220)."""
    text = str(asset.extra_fields.get("file:checksum", ""))
    return text[4:] if text.startswith("1220") and len(text) == 68 else ""
