"""Samplers side by side on the same ground: what `Audit` says of each, as one table."""

from collections.abc import Mapping
from typing import Any

from transforms.context import Context
from transforms.samplers.audit import Audit, Tally, compared


def compare(samplers: Mapping[str, Any], ctx: Context, audit: Audit) -> dict[str, dict[str, Any]]:
    """What `audit.compared` says of each sampler's places, by the name it is given.

    Places are counted as they come, a batch at a time.

    Args:
        samplers: start steps by name; `ctx` has the sources of all of them.
    """
    ground = audit.ground(ctx)
    found = {}
    for name, sampler in samplers.items():
        tally = Tally(audit.cell_km, audit.band)
        for part in sampler.scan(ctx, lambda drop: None):
            tally.add(part["lon"].to_numpy(), part["lat"].to_numpy())
        found[name] = compared(tally, ground)
    return found


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
    for label, key in (
        ("cells without a place", "without_samples"),
        ("chi-square a degree of freedom", "chi_square"),
        ("correlation with |latitude|", "correlation_with_latitude"),
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
