"""LICENSE.md, LICENSES/, ATTRIBUTION.md: which terms hold for which part, and whom to credit."""

from pathlib import Path

from catalogs.files import write_bytes
from catalogs.releases.parts import PARTS, by_part, credit_line, terms
from catalogs.releases.provenance import unsigned
from catalogs.releases.survey import Survey
from schemas.licences import Licence
from schemas.release import Staging

NO_ADVICE = "This page is a summary in plain words, not legal advice; the linked terms decide."


def write_legal(stage: Path, staging: Staging, found: Survey) -> None:
    """Write the licence and credit pages."""
    parts = by_part(staging, found)
    write_bytes(stage / "LICENSE.md", licence_page(staging, parts).encode())
    write_bytes(stage / "ATTRIBUTION.md", attribution_page(staging, found).encode())
    for spdx in sorted({name for names in parts.values() for name in names}):
        path = stage / "LICENSES" / f"{spdx}.txt"
        write_bytes(path, licence_text(terms(spdx)).encode())


def licence_table(parts: dict[str, list[str]]) -> list[str]:
    """Markdown rows: part, what it covers, terms."""
    rows = ["| part | covers | terms |", "|---|---|---|"]
    for part, names in sorted(parts.items(), key=lambda p: list(PARTS).index(p[0])):
        linked = ", ".join(
            f"[{name}]({terms(name).url})" if terms(name).url else f"`{name}`" for name in names
        )
        rows.append(f"| {part} | {PARTS.get(part, part)} | {linked} |")
    return rows


def licence_page(staging: Staging, parts: dict[str, list[str]]) -> str:
    """LICENSE.md: a table part -> licence, and what each licence asks in plain words."""
    lines = [f"# Licences of {staging.recipe.card.title}", ""]
    if staging.generated:
        lines += ["**GENERATED data: some sources of this release depict no real place.**", ""]
    lines += ["Different parts of this release stand under different terms.", ""]
    lines += [*licence_table(parts), "", "## What the terms ask", ""]
    for spdx in sorted({name for names in parts.values() for name in names}):
        lines.append(f"- **{spdx}** ({terms(spdx).title}): {asks(terms(spdx))}")
    if "ODbL-1.0" in parts.get("tables", []):
        lines += [
            "",
            "Labels and facts taken from OpenStreetMap are a derivative database under ODbL-1.0. "
            "The pictures are independent of it; both together are a collective database, in "
            "which each part keeps its own terms.",
        ]
    lines += ["", "Credit lines to print: [ATTRIBUTION.md](ATTRIBUTION.md). " + NO_ADVICE, ""]
    return "\n".join(lines)


def asks(entry: Licence) -> str:
    """Duties of a licence in one sentence."""
    duties = []
    if entry.attribution:
        duties.append("name the source")
    if entry.share_alike:
        duties.append("pass databases derived from it on under the same licence")
    if "-NC-" in entry.id:
        duties.append("no commercial use")
    said = "; ".join(duties) if duties else "no duties; a credit is good manners"
    return f"{said}." + (f" Terms: <{entry.url}>" if entry.url else "")


def licence_text(entry: Licence) -> str:
    """LICENSES/ID.txt: title, id and where the full text stands."""
    lines = [entry.title, "", f"Identifier: {entry.id}"]
    if entry.url:
        lines += [f"Full text:  {entry.url}", "", "The full text at that address is binding."]
    return "\n".join(lines) + "\n"


def attribution_page(staging: Staging, found: Survey) -> str:
    """ATTRIBUTION.md: every credit line with its source, licence, time and link."""
    lines = [f"# Credits of {staging.recipe.card.title}", ""]
    lines += ["Print these lines wherever you use or show this dataset or parts of it.", ""]
    lines += [f"- {line}" for line in credit_lines(staging, found)]
    lines += ["", "## Sources", ""]
    for credit in staging.credits:
        entry = terms(credit.licence)
        lines.append(f"### {credit.title} ({credit.role})")
        lines.append("")
        lines.append(f"- credit: {printed(credit.attribution, credit.licence, found)}")
        lines.append(f"- licence: {entry.id}" + (f", <{entry.url}>" if entry.url else ""))
        lines.append(f"- used for: {', '.join(credit.parts)}")
        where = unsigned(credit.location)
        if where:
            lines.append(f"- read from: {f'<{where}>' if '://' in where else f'`{where}`'}")
        if credit.datetime:
            label = "extract of" if credit.licence == "ODbL-1.0" else "data of"
            lines.append(f"- {label}: {credit.datetime}")
        if credit.licence == "ODbL-1.0":
            lines.append("- about: <https://www.openstreetmap.org/copyright>")
        if credit.checksum:
            lines.append(f"- sha256: `{credit.checksum}`")
        if credit.generated:
            lines.append("- GENERATED: this source depicts no real place")
        lines.append("")
    lines.append("Every scene and file with its checksum: `provenance/sources.parquet`.")
    return "\n".join(lines) + "\n"


def credit_lines(staging: Staging, found: Survey) -> list[str]:
    """The distinct lines to print: of the roles' sources, then of the scenes."""
    lines = [printed(c.attribution, c.licence, found) for c in staging.credits]
    pairs = {(s.attribution, s.licence) for s in staging.scenes.values()}
    lines += [printed(text, spdx, found) for text, spdx in sorted(pairs)]
    return [line for line in dict.fromkeys(lines) if line]


def printed(text: str, spdx: str, found: Survey) -> str:
    """One credit line; Copernicus gets its years, OpenStreetMap its link."""
    line = credit_line(text, spdx, found.licence_years.get(spdx, set()))
    if spdx == "ODbL-1.0" and "OpenStreetMap" in line:
        line += ", <https://www.openstreetmap.org/copyright>"
    return line
