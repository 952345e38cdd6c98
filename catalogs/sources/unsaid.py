"""What scenes do not say of themselves, as a sentence each for the person who builds."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from schemas.scenes import Scene
from schemas.sensors import family

COARSE = 2.0  # metres: imagery with larger pixels is taken from space


def unsaid(scenes: Sequence[Scene]) -> tuple[str, ...]:
    """Notes on clouds that nobody counted, files that may belong together, and names assumed."""
    return (*_cloud_notes(scenes), *_single_notes(scenes), *_band_notes(scenes))


def _cloud_notes(scenes: Sequence[Scene]) -> Iterator[str]:
    """Whether satellite scenes say nothing of clouds: a limit cannot apply to them."""
    silent = [s for s in scenes if s.cloud is None and _from_space(s)]
    if silent:
        yield (
            f"{len(silent):,} of {len(scenes):,} scenes state no cloud cover; "
            "max_cloud does not apply to them"
        )


def _from_space(scene: Scene) -> bool:
    known = family(scene.collection, tuple(b.name for b in scene.bands if not b.alpha))
    return bool(known) or min(band.gsd for band in scene.bands) > COARSE


def _single_notes(scenes: Sequence[Scene]) -> Iterator[str]:
    """Whether files of one band each lie on one another: they may be the bands of one image."""
    alone = Counter(s.footprint for s in scenes if len(s.bands) == 1 and s.collection == "local")
    several = sum(count for count in alone.values() if count > 1)
    if several:
        yield (
            f"{several:,} files hold one band each of the same places and are taken for images of "
            "their own; to join them, stack them into one file or describe them in a STAC item"
        )


def _band_notes(scenes: Sequence[Scene]) -> Iterator[str]:
    """Which bands bear a name that nothing but their number speaks for, one note for each kind."""
    files: dict[tuple[tuple[int, str], ...], list[str]] = {}
    for scene in scenes:
        assumed = tuple((b.index, b.name) for b in scene.bands if b.assumed)
        if assumed:
            first = next(b for b in scene.bands if b.assumed)
            files.setdefault(assumed, []).append(Path(first.href).name)
    for bands, names in sorted(files.items()):
        more = f" and {len(names) - 1:,} further files" if len(names) > 1 else ""
        which = "bands" if len(bands) > 1 else f"band {bands[0][0]}"
        yield (
            f"{names[0]}{more}: {which} taken as {', '.join(name for _, name in bands)} by their "
            "number; describe them in the file if that is wrong"
        )


def unverified(scenes: list[Scene]) -> Iterator[str]:
    """Whether checksums are declared: of files that are read in parts, only the size can be compared."""
    stated = sum(any(band.checksum for band in scene.bands) for scene in scenes)
    if stated:
        yield (
            f"unverified: {stated:,} of {len(scenes):,} scenes declare checksums, which cannot be tested "
            "on files read in parts; sizes are compared where they are declared"
        )
