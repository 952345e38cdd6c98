"""README.md: the dataset card, front matter and a body made to be read."""

from pathlib import Path
from typing import Any

from catalogs.files import write_bytes
from catalogs.releases.bands import EVERY
from catalogs.releases.cautions import known, taste
from catalogs.releases.extents import decimals
from catalogs.releases.frontmatter import front_matter
from catalogs.releases.legal import NO_ADVICE, credit_lines, licence_table
from catalogs.releases.parts import by_part, spoken
from catalogs.releases.snippets import snippets
from catalogs.releases.story import columns, examples, method, sample
from catalogs.releases.survey import Survey
from catalogs.releases.words import cell, number, size, table
from catalogs.releases.writers import writers
from schemas.release import Staging
from schemas.text import counted

CLASSES_SHOWN = 25


def write_card(
    stage: Path, staging: Staging, found: Survey, stats: dict[str, Any], quality: dict[str, Any]
) -> None:
    """Write README.md from the surveyed rows and the statistics."""
    sections = [
        opening(staging, found, stage),
        taste(staging, found),
        sample(staging),
        examples(stage, staging),
        snippets(stage, staging, found),
        numbers(staging, found, stats),
        method(staging),
        writers(staging, found.writers),
        splits(staging, quality),
        losses(staging),
        columns(staging),
        bands(stats),
        rights(staging, found),
        known(staging, found),
        files(),
        citing(staging),
    ]
    body = "\n".join(section for section in sections if section)
    write_bytes(stage / "README.md", (front_matter(staging, found) + "\n" + body).encode())


def opening(staging: Staging, found: Survey, stage: Path) -> str:
    """Title, notice, summary, and the facts at a glance."""
    card = staging.recipe.card
    lines = [f"# {card.title}", ""]
    if staging.generated:
        lines += [
            "> **GENERATED DATA.** Sources of this release were made by a program: they depict no "
            "real place and no real date. Use it to try the format, never to learn of the world.",
            "",
        ]
    lines += [card.summary, ""]
    weight = sum(path.stat().st_size for path in (stage / "data").glob("*.tar"))
    years = {year for counts in found.years.values() for year in counts if year != "unknown"}
    metres = sorted(float(value) for value in found.gsd)
    shapes = [f"{wide} x {high}" for wide, high in sorted({grid[1:] for grid in found.grids})]
    total = sum(found.samples.values())
    facts = [
        ("samples", f"{number(total)} in {counted(len(found.shards), 'tar file')}, {size(weight)}"),
        ("splits", ", ".join(f"{name} {number(n)}" for name, n in found.samples.items())),
        (
            "chip",
            f"{', '.join(shapes) if len(shapes) < 5 else f'{shapes[0]} to {shapes[-1]}'} pixels",
        ),
        ("pixel on the ground", span(metres, "m")),
        ("years", spoken(years) or "not recorded"),
        ("area", area(found.extent.bbox())),
        ("tasks", ", ".join(card.tasks)),
        ("version", card.version),
    ]
    return "\n".join([*lines, *table(("", ""), facts), ""])


def area(bbox: tuple[float, float, float, float]) -> str:
    """`7.00 E to 8.51 E, 49.99 N to 50.01 N` of (west, south, east, north) in degrees."""
    west, south, east, north = bbox
    digits = decimals(bbox)
    across = [f"{abs(lon):.{digits}f} {'W' if lon < 0 else 'E'}" for lon in (west, east)]
    along = [f"{abs(lat):.{digits}f} {'S' if lat < 0 else 'N'}" for lat in (south, north)]
    return f"{' to '.join(across)}, {' to '.join(along)} (degrees)"


def span(values: list[float], unit: str) -> str:
    """`0.6 m`, or `0.6 to 10 m`."""
    if not values:
        return "unknown"
    low, high = f"{values[0]:g}", f"{values[-1]:g}"
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"


def numbers(staging: Staging, found: Survey, stats: dict[str, Any]) -> str:
    """Samples by split, and the classes by frequency."""
    rows: list[tuple[str, ...]] = []
    for name, count in found.samples.items():
        shards = [shard for shard in found.shards.values() if shard.split == name]
        classes = stats["classes"][name]
        years = {year for year in found.years[name] if year != "unknown"}
        rows.append(
            (name, number(count), number(len(shards)), spoken(years) or "-",
             f"{classes['classes']} (effective {classes['effective_number']:g})")
        )  # fmt: skip
    lines = ["## Numbers", ""]
    lines += [*table(("split", "samples", "tar files", "years", "classes"), rows), ""]
    if staging.recipe.label:
        names = sorted(found.labels, key=lambda n: (-sum(found.labels[n].values()), n))
        head = (f"`{staging.recipe.label}`", *found.samples)
        rows = [
            (cell(name) or "(none)", *(number(found.labels[name].get(s, 0)) for s in found.samples))
            for name in names[:CLASSES_SHOWN]
        ]
        lines += [*table(head, rows), ""]
        if len(names) > CLASSES_SHOWN:
            rest = len(names) - CLASSES_SHOWN
            lines += [f"... and {number(rest)} more in `metadata/classes.json`.", ""]
    for name, entry in stats["texts"].items():
        if entry["texts"]:
            lines.append(
                f"`{name}`: {entry['mean']:g} characters on average, {entry['min']} to "
                f"{entry['max']}, median {entry['p50']}."
            )
    return "\n".join([*lines, ""])


def splits(staging: Staging, quality: dict[str, Any]) -> str:
    """The split rule, the promise and what was measured."""
    rule = staging.split_rule
    shares = ", ".join(f"{name} {100 * share:g} %" for name, share in rule.shares.items())
    lines = [
        "## Splits",
        "",
        f"The world is cut into {rule.cells or f'cells of {rule.cell_km:g} km'}. A hash of the cell "
        f"and the seed {rule.seed} sends the whole cell to one split ({shares} of the cells). Then "
        f"samples near a border are dropped until footprints of different splits lie at least "
        f"**{rule.buffer_m / 1000:g} km** apart. Please use these splits "
        "(`metadata/splits.parquet`); a random split of neighbouring chips leaks.",
        "",
    ]
    gaps = quality["splits"]["least_gap_m"]
    if gaps:
        rows = [(pair, f"{metres / 1000:,.2f} km") for pair, metres in gaps.items()]
        lines += [*table(("splits", "least distance measured"), rows), ""]
    near = quality["near_duplicates"]
    if near["compared"]:
        lines += [
            f"Near-duplicates across splits: {counted(near['pairs'], 'pair')} ({near['method']}; "
            f"{counted(near['compared'], 'picture')} compared, {number(near['too_flat'])} too "
            "flat).",
            "",
        ]
    for rule in near["vectors"]:
        lines += [
            f"Like vectors across splits: {counted(rule['pairs'], 'pair')} with a cosine of "
            f"`{rule['column']}` of {rule['cosine']:g} or more and centres within "
            f"{rule['radius_m'] / 1000:g} km ({counted(rule['compared'], 'picture')} compared).",
            "",
        ]
    return "\n".join(lines)


def losses(staging: Staging) -> str:
    """The funnel from planned to shipped, with every reason."""
    counts = staging.counts
    lines = [
        "## What was left out, and why",
        "",
        f"{number(counts.get('planned', 0))} planned = {number(counts.get('shipped', 0))} shipped "
        f"+ {number(counts.get('rejected', 0))} rejected + {number(counts.get('failed', 0))} "
        "failed. Each loss is a row of `metadata/drops.parquet`.",
        "",
    ]
    rows = [
        (act, f"`{step}`", f"`{code}`", outcome, number(count))
        for act, step, code, outcome, count in staging.funnel
    ]
    if rows:
        lines += [*table(("act", "step", "reason", "outcome", "samples"), rows), ""]
    return "\n".join(lines)


def bands(stats: dict[str, Any]) -> str:
    """Band statistics of the training samples by collection, for normalisation."""
    rows = [
        (f"`{cell(group)}`", f"`{cell(name)}`",
         *(f"{e[k]:g}" for k in ("mean", "std", "p1", "p99")),
         f"{100 * e['nodata_share']:.2f} %")
        for group, entries in stats["bands"]["collections"].items()
        for name, e in entries.items()
        if "mean" in e
    ]  # fmt: skip
    if not rows:
        return ""
    head = ("collection", "band", "mean", "std", "1 %", "99 %", "nodata")
    lead = "Stored values, training samples only."
    if set(stats["bands"]["collections"]) != {EVERY}:
        lead += " Collections are not pooled: normalise each sample with the numbers of its own."
    lines = ["## Band statistics", "", lead, ""]
    return "\n".join([*lines, *table(head, rows), ""])


def rights(staging: Staging, found: Survey) -> str:
    """Licences by part and the credit lines."""
    lines = ["## Licences and credits", "", *licence_table(by_part(staging, found)), ""]
    lines += [*(f"- {line}" for line in credit_lines(staging, found)), ""]
    return "\n".join([*lines, f"Details: LICENSE.md, ATTRIBUTION.md. {NO_ADVICE}", ""])


def files() -> str:
    """Where things are."""
    rows = [
        ("`data/`", "the samples: tar files in WebDataset order"),
        ("`metadata/samples.parquet`", "one row a sample (GeoParquet): footprint, facts, bytes"),
        ("`metadata/samples.fgb`", "the footprints for map viewers"),
        ("`metadata/splits.parquet`, `drops.parquet`", "the split of every cell; every loss"),
        ("`stac/`", "STAC catalogue; `items.parquet` has one item a sample"),
        ("`stats/`", "counts, band statistics, quality report"),
        ("`provenance/`", "run, configuration, sources with checksums"),
        ("`manifest.json`, `SHA256SUMS`", "every file's checksum: `sha256sum -c SHA256SUMS`"),
    ]  # fmt: skip
    return "\n".join(["## Files", "", *table(("path", "content"), rows), ""])


def citing(staging: Staging) -> str:
    """How to cite: this release, and the method's paper."""
    card = staging.recipe.card
    lines = ["## Citation", "", "Cite this release by `CITATION.cff`."]
    if card.cite:
        lines += ["", "The method:", "", "```bibtex", card.cite.strip(), "```"]
    if card.url:
        lines += ["", f"Method page: <{card.url}>"]
    return "\n".join([*lines, ""])
