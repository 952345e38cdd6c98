"""Who wrote a release's texts: models, or the recipe's own templates where no model's text was taken."""

from collections import Counter
from typing import Any

import pyarrow as pa

from catalogs.releases.words import cell, number, table
from schemas.recipes import Recipe
from schemas.release import Staging


def columns(recipe: Recipe) -> dict[str, str]:
    """The columns that say who wrote a text, each with the one that says why no model's was taken."""
    found = {}
    for step in recipe.annotate:
        names = list(step.gives)
        for name in names:
            if name == "annotator" or name.endswith("_annotator"):
                found[name] = next((n for n in names if n.endswith("_faults")), "")
    return found


def count(
    batch: pa.RecordBatch, recipe: Recipe, found: dict[str, Counter[tuple[str, str]]]
) -> None:
    """Add the samples of a batch to (writer, reason) counts by column."""
    for name, reason in columns(recipe).items():
        said: Any = batch.column(reason).to_pylist() if reason else [""] * batch.num_rows
        pairs = zip(batch.column(name).to_pylist(), said, strict=True)
        found.setdefault(name, Counter()).update((who or "", why or "") for who, why in pairs)


def writers(staging: Staging, found: dict[str, Counter[tuple[str, str]]]) -> str:
    """The section of the card; "" where no text was to be written."""
    if not found:
        return ""
    rows, refused = [], []
    for column, pairs in found.items():
        by_writer: Counter[str] = Counter()
        for (who, why), samples in pairs.items():
            by_writer[who] += samples
            refused += [(column, f"`{cell(why)}`", samples)] if why else []
        rows += [(f"`{column}`", cell(who), number(n)) for who, n in by_writer.most_common()]
    lines = ["## Who wrote the texts", "", *table(("column", "written by", "samples"), rows), ""]
    if refused:
        refused.sort(key=lambda row: (row[0], -row[2], row[1]))
        shown = [(column, why, number(n)) for column, why, n in refused]
        lines += [
            "A model's text ships only if it passes every check; these did not, or never came, and the "
            "recipe's own template stands instead:",
            "",
            *table(("column", "reason", "samples"), shown),
            "",
        ]
    if staging.models:
        lines += ["What computed each column: `provenance/models.json`.", ""]
    return "\n".join(lines)
