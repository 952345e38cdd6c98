"""Shot numbers, beams and file names of GEDI."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.uint64]

COVERAGE = ("BEAM0000", "BEAM0001", "BEAM0010", "BEAM0011")
FULL_POWER = ("BEAM0101", "BEAM0110", "BEAM1000", "BEAM1011")
BEAMS = COVERAGE + FULL_POWER
"""All beams; any may be missing from a granule."""

FIELDS = {
    "orbit": (10**13, 10**5),
    "beam": (10**11, 100),
    "sub_granule": (10**8, 100),
    "index": (1, 10**8),
}
"""Divisor and modulus of each part of a shot number, decimal OOOOO BB R GG NNNNNNNN (R is reserved, 0);
release 001 has a minor frame of three digits instead of R and GG."""


def beam_number(beam: str) -> int:
    """The number of a beam in shot numbers: `BEAM0110` is 6."""
    return int(beam.removeprefix("BEAM"), 2)


def beam_type(beam: str) -> str:
    """`full` power or `coverage`."""
    return "full" if beam in FULL_POWER else "coverage"


def encode(orbit: int, beam: int, sub_granule: int, index: npt.ArrayLike) -> Numbers:
    """Shot numbers, uint64, of one beam of a quarter orbit.

    Args:
        orbit: at most five digits.
        beam: 0 to 11, as `beam_number` gives it.
        sub_granule: quarter of the orbit, 1 to 4.
        index: whole numbers of at most eight digits.

    Raises:
        ValueError: a part has too many digits.
    """
    counts = np.asarray(index, np.uint64)
    parts = {
        "orbit": orbit,
        "beam": beam,
        "sub_granule": sub_granule,
        "index": int(counts.max(initial=0)),
    }
    for name, value in parts.items():
        if not 0 <= value < FIELDS[name][1]:
            raise ValueError(f"{name} {value}: not within 0 to {FIELDS[name][1] - 1}")
    head = sum(parts[name] * FIELDS[name][0] for name in ("orbit", "beam", "sub_granule"))
    return np.asarray(counts + np.uint64(head), np.uint64)


def decode(numbers: npt.ArrayLike) -> dict[str, Numbers]:
    """`orbit`, `beam`, `sub_granule` and `index` of shot numbers, uint64; never by way of floats."""
    whole: Any = np.asarray(numbers)
    if whole.dtype.kind not in "ui":
        raise TypeError(f"shot numbers as {whole.dtype} have lost digits; give whole numbers")
    whole = whole.astype(np.uint64)
    return {
        name: whole // np.uint64(divisor) % np.uint64(modulus)
        for name, (divisor, modulus) in FIELDS.items()
    }


def written(numbers: Numbers) -> list[str]:
    """Shot numbers as text of 18 digits: int64 and JSON readers cannot spoil them."""
    return [f"{number:018d}" for number in numbers.tolist()]


NAME = re.compile(
    r"GEDI0?(?P<level>\d)_(?P<kind>[A-Z])_(?P<start>\d{13})_O(?P<orbit>\d{5})(?:_(?P<sub>\d{2}))?_T(?P<track>\d{5})"
    r"_(?P<ppds>\d{2})_(?P<release>\d{3})_(?P<production>\d{2})(?:_V(?P<version>\d{3}))?(?=[_.]|$)"
)


@dataclass(frozen=True, slots=True)
class FileName:
    """What a granule's file name says; 0 or "" for what it does not.

    Attributes:
        product: `L4A`, `L2A`, ...
        start: `YYYYDDDHHMMSS`.
        ppds: positioning quality.
        release, production, version: numbers.
    """

    product: str = ""
    start: str = ""
    orbit: int = 0
    sub_granule: int = 0
    track: int = 0
    ppds: int = 0
    release: int = 0
    production: int = 0
    version: int = 0


def parsed(name: str) -> FileName:
    """The parts of a file name `GEDI04_A_YYYYDDDHHMMSS_Oooooo_gg_Tttttt_pp_rrr_nn_V002.h5`.

    Release 001 has neither sub-granule nor version; what a subsetting tool appends is ignored. A file
    of another name says nothing.
    """
    found = NAME.match(name)
    if found is None:
        return FileName()
    number = {
        k: int(found[k] or 0) for k in ("orbit", "sub", "track", "ppds", "release", "production")
    }
    sub = number.pop("sub")
    version = int(found["version"] or found["release"])
    product = f"L{found['level']}{found['kind']}"
    return FileName(product, found["start"], sub_granule=sub, version=version, **number)
