"""Samplers side by side on the same ground: what `Audit` says of each, as one table."""

from collections.abc import Mapping
from typing import Any

from transforms.context import Context
from transforms.samplers.audit import Audit, cover_by_role, tally_of
from transforms.samplers.evenness import compared


def compare(samplers: Mapping[str, Any], ctx: Context, audit: Audit) -> dict[str, dict[str, Any]]:
    """What `audit.compared` says of each sampler's places, by the name it is given.

    Places are counted as they come, a batch at a time.

    Args:
        samplers: start steps by name; `ctx` has the sources of all of them.
    """
    audit, cover = audit.settled(ctx), cover_by_role(ctx)
    ground = audit.ground(ctx, cover)
    return {
        name: compared(tally_of(sampler, ctx, ground, cover), ground)
        for name, sampler in samplers.items()
    }


def as_table(reports: Mapping[str, dict[str, Any]]) -> str:
    """The reports as a Markdown table: ratios by latitude band, and what the cells say."""
    names = list(reports)
    rows = [["", *names], ["---"] * (len(names) + 1)]
    rows.append(["places", *(f"{reports[n]['samples']:,}" for n in names)])
    bands = sorted({(b["from"], b["to"]) for n in names for b in reports[n]["latitude"]})
    for low, high in bands:
        ratios = []
        for n in names:
            hit = [b for b in reports[n]["latitude"] if b["from"] == low]
            ratio = hit[0]["ratio"] if hit else None
            ratios.append("-" if ratio is None else f"{ratio:.2f}")
        rows.append([f"{low:g} to {high:g} degrees", *ratios])
    kinds = sorted({c["class"] for n in names for c in reports[n].get("landcover", ())})
    for kind in kinds:
        rows.append([f"class {kind}", *(_ratio_of(reports[n], kind) for n in names)])
    for label, key in (
        ("cells without a place", "without_samples"),
        ("chi-square a degree of freedom", "chi_square"),
        ("correlation with distance from the equator", "correlation_with_latitude"),
    ):
        values = []
        for n in names:
            cells = reports[n]["cells"]
            value = cells[key]
            if key == "chi_square" and value is not None:
                value /= max(cells["degrees_of_freedom"], 1)
            said = (
                "-" if value is None else f"{value:.2f}" if isinstance(value, float) else f"{value}"
            )
            values.append(f"{said} of {cells['with_ground']}" if key == "without_samples" else said)
        rows.append([label, *values])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def _ratio_of(report: dict[str, Any], kind: str) -> str:
    hit = [c["ratio"] for c in report.get("landcover", ()) if c["class"] == kind]
    return "-" if not hit or hit[0] is None else f"{hit[0]:.2f}"
