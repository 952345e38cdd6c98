"""Where the pixels of a file lie, once file, catalogue and scene agree."""

from dataclasses import replace
from functools import lru_cache

from catalogs.shelf import SHELF, Held
from schemas.errors import Fault
from schemas.scenes import Band, Scene
from schemas.sources import Version
from schemas.windows import Grid
from transforms.resampling import TOLERANCE, nests, offset, same_size, whole


def aligned(own: Grid, chip: Grid) -> bool:
    """Whether two grids have the same pixels, as far as both reach."""
    if own.crs != chip.crs or not same_size(own, chip):
        return False
    return None not in map(whole, offset(own, chip))


def own_grid(href: str, scene: Scene, band: Band) -> Grid:
    """The grid of a file, once it agrees with the catalogue and with the scene's grid.

    A band of another pixel size must nest with the scene's grid, unless the catalogue places it
    elsewhere itself (the 15 m band of Landsat lies between the 30 m ones).

    Raises:
        Fault: `band_mismatch`, `misaligned`, and as `check_file`.
    """
    held = SHELF.held(href)
    check_file(href, held, band)
    found = held.grid
    home = (scene.grid.width, scene.grid.height, *scene.grid.transform)
    if found == home and band.place in ((), home):
        return scene.grid
    width, height, *affine = found
    a, b, c, d, e, f = affine
    own = Grid(scene.grid.crs, (a, b, c, d, e, f), int(width), int(height))
    alike = same_size(own, scene.grid) or (own.width, own.height) == home[:2]
    stated: tuple[float, ...] = band.place or (home if alike else ())
    if not alike and not _in_crs(href, scene.grid.crs, SHELF.version(href)):
        raise Fault("band_mismatch", f"{scene.id}: {band.name} is not in {scene.grid.crs}")
    if not stated:
        coarse, fine = sorted((own, scene.grid), key=lambda grid: -abs(grid.transform[0]))
        factor = whole(coarse.transform[0] / fine.transform[0])
        good = factor is None or (factor > 1 and nests(coarse, fine))
    elif stated[:2] != (own.width, own.height):
        raise Fault(
            "band_mismatch",
            f"{scene.id}: {band.name} has {own.width} x {own.height} pixels, "
            f"the catalogue says {stated[0]:g} x {stated[1]:g}",
        )
    else:
        good = _coincide(own, tuple(stated[2:]))
    if not good:
        raise Fault("misaligned", f"{scene.id}: {band.name} lies elsewhere than the catalogue says")
    return own


def check_file(href: str, held: Held, band: Band) -> None:
    """Refuse a file that is not the one that the catalogue or the plan has seen.

    Raises:
        Fault: `checksum` where its size is not the declared one, `changed_source` where its entity
            tag is another than when the plan read its header.
    """
    if band.size and held.size != band.size:
        raise Fault(
            "checksum",
            f"{href}: has {held.size:,} bytes, its catalogue says {band.size:,}; it was cut or "
            "replaced: mend it, or its catalogue",
            retryable=True,
        )
    if held.remote is not None and band.etag and held.remote.version.etag not in ("", band.etag):
        raise Fault(
            "changed_source", f"{href}: changed after it was planned; run again", retryable=True
        )


def _coincide(own: Grid, affine: tuple[float, ...]) -> bool:
    """Whether a grid lies where an affine says: its first corner to a hundredth of a pixel, the last
    to a tenth (catalogues round the size of a pixel)."""
    a, b, c, d, e, f = affine
    said = replace(own, transform=(a, b, c, d, e, f))
    first = max(abs(c - own.transform[2]), abs(f - own.transform[5]))
    last = max(abs(x - y) for x, y in zip(said.bounds(), own.bounds(), strict=True))
    side = abs(own.transform[0])
    return not own.rotated and first <= TOLERANCE * side and last <= 10 * TOLERANCE * side


@lru_cache(maxsize=4096)
def _in_crs(href: str, crs: str, version: Version | None) -> bool:
    """Whether this version of a file is in a CRS, as far as it states one."""
    from rasterio.crs import CRS

    found = SHELF.get(href).crs
    return found is None or found == CRS.from_user_input(crs)
