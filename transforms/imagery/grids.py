"""Where the pixels of a band lie, once source, catalogue and scene agree."""

from dataclasses import replace

from catalogs.readers import reader_of
from schemas.errors import Fault
from schemas.scenes import Band, Scene
from schemas.windows import Grid
from transforms.resampling import TOLERANCE, nests, offset, same_size, whole


def aligned(own: Grid, chip: Grid) -> bool:
    """Whether two grids have the same pixels, as far as the chip reaches."""
    if own.crs != chip.crs or not same_size(own, chip):
        return False
    last = chip.cut(chip.width, chip.height, 1, 1)  # sides that differ a little add up
    return None not in (*map(whole, offset(own, chip)), *map(whole, offset(own, last)))


def own_grid(scene: Scene, band: Band) -> Grid:
    """The grid on which a band is stored, once its source agrees with the catalogue and the scene's grid.

    A band of another pixel size must nest with the scene's grid, unless the catalogue places it
    elsewhere itself (the 15 m band of Landsat lies between the 30 m ones).

    Raises:
        Fault: `band_mismatch`, `misaligned`, `rotated_grid`, and as the reader's `place`.
    """
    reader = reader_of(band)
    found = reader.place(band, scene)
    if not reader.in_crs(band, scene.grid.crs):
        raise Fault("band_mismatch", f"{scene.id}: {band.name} is not in {scene.grid.crs}")
    home = (scene.grid.width, scene.grid.height, *scene.grid.transform)
    if found == home and band.place in ((), home):
        return scene.grid
    width, height, *affine = found
    a, b, c, d, e, f = affine
    own = Grid(scene.grid.crs, (a, b, c, d, e, f), int(width), int(height))
    if own.rotated:
        raise Fault("rotated_grid", f"{scene.id}: the rows of {band.name} do not run east-west")
    alike = same_size(own, scene.grid) or (own.width, own.height) == home[:2]
    stated: tuple[float, ...] = band.place or (home if alike else ())
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


def _coincide(own: Grid, affine: tuple[float, ...]) -> bool:
    """Whether a grid lies where an affine says: its first corner to a hundredth of a pixel, the last
    to a tenth (catalogues round the size of a pixel)."""
    a, b, c, d, e, f = affine
    said = replace(own, transform=(a, b, c, d, e, f))
    first = max(abs(c - own.transform[2]), abs(f - own.transform[5]))
    last = max(abs(x - y) for x, y in zip(said.bounds(), own.bounds(), strict=True))
    side = abs(own.transform[0])
    return not own.rotated and first <= TOLERANCE * side and last <= 10 * TOLERANCE * side
