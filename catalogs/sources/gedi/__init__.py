"""GEDI: granules of lidar shots in HDF5 (L4A biomass, L2A heights, L2B cover).

Names, types and fill values: user guides of GEDI L4A V2 and V3 (ORNL DAAC) and of L2A and L2B
(LP DAAC), releases 001, 002 and 003.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from catalogs.sources.about import content
from catalogs.sources.gedi.granules import Granule, look
from catalogs.sources.gedi.hdf import GediError
from catalogs.sources.gedi.shots import HEAD, Lost, Shots, main_product
from catalogs.sources.terms import Override
from schemas.errors import SourceError, UsageError
from schemas.licences import licence
from schemas.sources import About
from schemas.text import counted

CREDIT = {
    ("L4A", "V2"): (
        "Dubayah et al., GEDI L4A Footprint Level Aboveground Biomass Density V2, ORNL DAAC, "
        "https://doi.org/10.3334/ORNLDAAC/2056"
    ),
    ("L2A", "V2"): (
        "Dubayah et al., GEDI L2A Elevation and Height Metrics V002, NASA LP DAAC, "
        "https://doi.org/10.5067/GEDI/GEDI02_A.002"
    ),
    ("L2B", "V2"): (
        "Dubayah et al., GEDI L2B Canopy Cover and Vertical Profile Metrics V002, NASA LP DAAC, "
        "https://doi.org/10.5067/GEDI/GEDI02_B.002"
    ),
}
"""The citation asked for; other versions are credited without a DOI."""


def open_shots(location: Path, terms: Override = Override()) -> Shots:  # noqa: B008
    """The granules of a file, or of a folder and those in it.

    Of a folder a granule that cannot be used does not end the build: it is told, and is a row of
    losses. A single file that cannot be used does, and so does a product or version that is not
    known, wherever it lies.

    Raises:
        SourceError: nothing usable at `location`, another product or version, or an unknown licence.
        UsageError: there is no such file, or the licence is another than the granules state.
    """
    paths = _paths(location)
    granules: list[Granule] = []
    broken: list[tuple[str, str, str]] = []
    for path in paths:
        try:
            granules.append(look(path))
        except GediError as error:
            if len(paths) == 1 or error.code in ("gedi:other_product", "gedi:unknown_version"):
                raise
            broken.append((path.name, error.code, str(error)))
    if not granules:
        raise SourceError(
            f"{location}: none of {counted(len(paths), 'file')} can be used; {broken[0][2]}"
        )
    notes = (*_notes(granules), *(f"unusable: {message}" for _, _, message in broken[:5]))
    return Shots(_about(location, granules, terms, notes), tuple(granules), tuple(broken))


def _paths(location: Path) -> list[Path]:
    if location.is_file():
        return [location]
    if not location.is_dir():
        raise UsageError(f"--shots {location}: no such file or folder")
    found = sorted(p for p in location.rglob("*") if p.suffix.lower() in (".h5", ".hdf5", ".he5"))
    if not found:
        raise SourceError(f"--shots {location}: holds no GEDI granule (*.h5)")
    return found


def _notes(granules: list[Granule]) -> list[str]:
    """What people must be told: absent beams, granules that join nothing, and versions belied by names."""
    notes = []
    absent = {g.path.name: g.missing for g in granules if g.missing}
    if absent:
        count = sum(map(len, absent.values()))
        first = next(iter(absent))
        notes.append(
            f"{count} of {8 * len(granules)} GEDI beams are absent, e.g. {absent[first][0]} of {first}"
        )
    notes += _unpaired([g for g in granules if any(g.beams.values())])
    for granule in granules:
        stated = granule.name.version
        if stated and f"V{stated}" != granule.layout.version:
            notes.append(
                f"{granule.path.name}: its name says version {stated:03d}, its datasets are those of "
                f"{granule.layout.version}, which count"
            )
    return notes


def _unpaired(granules: list[Granule]) -> Iterator[str]:
    """Granules of one product without one of the other, of the same orbit and part, where both are."""
    main = main_product(granules)
    rows = [g for g in granules if g.layout.product == main]
    others = [g for g in granules if g.layout.product != main]
    mixed = len({g.layout.version == "V1" for g in granules}) > 1
    hint = " (release 001 numbers no parts)" if mixed else ""
    for some, than, what in (
        (others, rows, f"joined to nothing, no {main}"),
        (rows, others, "with nothing joined to it, no granule of another product"),
    ):
        there = {(g.orbit, g.sub_granule) for g in than}
        alone = [g for g in some if (g.orbit, g.sub_granule) not in there]
        if alone and others:
            one = alone[0]
            yield (
                f"{counted(len(alone), 'granule')} {what} of the same orbit and part is there, e.g. "
                f"{one.path.name} of orbit {one.orbit}, part {one.sub_granule}{hint}"
            )


def _about(
    location: Path, granules: list[Granule], terms: Override, notes: tuple[str, ...]
) -> About:
    kinds = sorted({(g.layout.product, g.layout.version) for g in granules})
    stated = {g.licence for g in granules if g.licence}
    if len(stated) > 1:
        raise SourceError(
            f"--shots {location}: granules of several licences: {', '.join(sorted(stated))}"
        )
    own_terms = next(iter(stated), "")
    if own_terms and terms.licence and own_terms.lower() != terms.licence.lower():
        raise UsageError(
            f"--license shots={terms.licence}: {location} already declares {own_terms}"
        )
    try:
        named = licence(terms.licence or own_terms or "LicenseRef-LPDAAC", "shots")
    except UsageError as error:
        raise SourceError(f"--shots {location}: {error}") from error
    own = sorted({g.attribution for g in granules if g.attribution})
    real = [
        CREDIT.get(kind, f"GEDI {kind[0]} {kind[1]}, NASA LP DAAC and ORNL DAAC") for kind in kinds
    ]
    credit = terms.attribution or "; ".join(own or real)
    counts = Counter(g.layout.product for g in granules)
    title = ", ".join(
        f"{counted(counts[name], 'granule')} of GEDI {name}" for name in sorted(counts)
    )
    checksum, size = content(location, [g.path for g in granules], terms.checksum)
    starts = sorted(g.name.start[:7] for g in granules if g.name.start)
    return About(
        title=title,
        licence=named.id,
        attribution=credit,
        checksum=checksum,
        size=size,
        datetime=_day(starts[-1]) if starts else "",
        parts=("tables",),
        notes=notes,
    )


def _day(text: str) -> str:
    """ISO date of `YYYYDDD`."""
    from datetime import datetime

    return datetime.strptime(text, "%Y%j").date().isoformat()


__all__ = ["HEAD", "GediError", "Granule", "Lost", "Shots", "look", "open_shots"]
