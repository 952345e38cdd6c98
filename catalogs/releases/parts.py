"""Which terms hold for which part of a release: pixels, tables, texts."""

from catalogs.releases.survey import Survey
from schemas.licences import LICENCES, Licence
from schemas.release import Staging

PARTS = {
    "pixels": "image members of the tar files",
    "tables": "labels and facts: `metadata/`, `stac/items.parquet`, JSON members of the tar files",
    "texts": "texts of the tar files and the columns that hold them",
}


def by_part(staging: Staging, found: Survey) -> dict[str, list[str]]:
    """Licence ids of each part, sorted."""
    ids: dict[str, set[str]] = {part: set() for part in PARTS}
    for credit in staging.credits:
        for part in credit.parts:
            ids.setdefault(part, set()).add(credit.licence)
    ids["pixels"].update(found.licences)
    return {part: sorted(names) for part, names in ids.items() if names}


def terms(spdx: str) -> Licence:
    """The licence of that id; an unknown id stands for itself."""
    known = {name.lower(): entry for name, entry in LICENCES.items()}
    return known.get(spdx.lower(), Licence(spdx, spdx, ""))


def whole(parts: dict[str, list[str]]) -> str:
    """The one licence id that holds for all parts, or "" when they differ."""
    every = {name for names in parts.values() for name in names}
    return every.pop() if len(every) == 1 else ""


def credit_line(text: str, spdx: str, years: set[str]) -> str:
    """The credit to print; for Copernicus Sentinel the wording that its terms ask, with years."""
    if spdx == "LicenseRef-Copernicus-Sentinel":
        span = spoken(years)
        return f"Contains modified Copernicus Sentinel data{' ' + span if span else ''}"
    if spdx == "ODbL-1.0" and "openstreetmap" in text.lower():
        return "© OpenStreetMap contributors"
    return text


def publisher(staging: Staging) -> str:
    """Who answers for the release: `publisher` of the run, else a description."""
    return str(staging.run.get("publisher") or f"publisher of {staging.recipe.card.title}")


def spoken(years: set[str]) -> str:
    """Years as `2018-2020, 2023`."""
    runs: list[list[int]] = []
    for year in sorted(int(y) for y in years):
        if runs and year == runs[-1][1] + 1:
            runs[-1][1] = year
        else:
            runs.append([year, year])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
