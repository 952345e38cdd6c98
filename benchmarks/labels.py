"""Labels joined to pixels: lidar shots, parcels and phenology, things a second as they grow in number.

    python -m benchmarks.labels --cache DIR --peer labels=PYTHON

Each measurement is a process of its own that prints one line of JSON; rounds are interleaved and the
table shows medians. Contenders of one task must agree on a sum over their results, to one part in a
million, and a table says where they do not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import labels_contender, labels_inputs

ROOT = Path(__file__).resolve().parents[1]
Result = dict[str, Any]
ALIKE = 1e-6


class Contender(NamedTuple):
    """Who does a task, under the name shown in the table."""

    label: str
    task: str
    peer: bool = True
    most: int = 1_000_000  # of what it is asked to do at most, for slow ones


TASKS = {
    "GEDI shots: good ones within regions, L4A joined to L2A": (
        "shots",
        Contender("earthloom", "shots", peer=False),
        Contender("h5py, pandas, geopandas sjoin", "pandas_h5py"),
        Contender("gedidb, geopandas sjoin", "gedidb"),
    ),
    "Parcels as pixels: number and class, 366 px patches": (
        "parcels",
        Contender("earthloom", "rasterised", peer=False),
        Contender("rasterio.features, two calls", "rasterised"),
    ),
    "Parcels' mean and deviation of 156 layers, exact coverage": (
        "parcels",
        Contender("earthloom", "zonal", peer=False),
        Contender("exactextract, all layers", "exactextract", most=10_000),
    ),
    "Parcels' mean and deviation of 156 layers, centres": (
        "parcels",
        Contender("earthloom", "zonal_centre", peer=False),
        Contender("rasterstats", "rasterstats", most=400),
    ),
    "Phenology of points: three years, nearest fill": (
        "points",
        Contender("earthloom", "phenology", peer=False),
        Contender("rasterio sample, k-d tree of all pixels", "sampled"),
    ),
}  # fmt: skip


def main() -> int:
    """Measure everyone at every size and print a table for each task."""
    options = _options()
    options.cache.mkdir(parents=True, exist_ok=True)
    labels_contender.prepare(options.cache)
    labels_inputs.phenology(options.cache)
    print(_header(options))
    for title, (unit, *contenders) in TASKS.items():
        if options.only not in title:
            continue
        print(f"\n**{title}**\n\n| contender | version | {unit} | s | spread | {unit}/s | CPU s "
              "| peak MB | note |\n|---|---|---|---|---|---|---|---|---|")  # fmt: skip
        for count in options.n:
            if unit == "shots":
                labels_inputs.granules(options.cache, count)
            _rows(contenders, count, options)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps the input")
    parser.add_argument("--peer", default="", metavar="labels=PYTHON")
    parser.add_argument("--n", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--repeat", type=int, default=3, help="rounds (default 3)")
    parser.add_argument("--only", default="", help="tasks whose title holds this text")
    return parser.parse_args()


def _header(options: argparse.Namespace) -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return (
        f"CPU {[*named, platform.machine()][0]}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f}, Python {platform.python_version()}; one process each; medians of "
        f"{options.repeat} interleaved rounds"
    )


def _rows(contenders: list[Contender], count: int, options: argparse.Namespace) -> None:
    results: dict[Contender, list[Result]] = {}
    for _ in range(options.repeat):
        for one in contenders:
            if (one.peer and not options.peer) or count > max(one.most, min(options.n)):
                continue
            asked = min(count, one.most)
            if (result := _run(one, asked, options)) is not None:
                results.setdefault(one, []).append(result)
    for one, runs in results.items():
        each = sorted(run["seconds"] for run in runs)
        took, done = statistics.median(each), runs[0]["done"] if one.task != "shots" else count
        asked = min(count, one.most)
        handled = asked if "shot" in one.task or one.task in ("gedidb", "pandas_h5py") else done
        cpu, peak = (statistics.median(run[name] for run in runs) for name in ("cpu", "peak_mb"))
        note = runs[0]["note"]
        ours = results.get(contenders[0])
        if ours and one.peer and asked == count and (odd := _odd(ours[0], runs[0])):
            note = f"{note}; {odd}" if note else odd
        print(f"| {one.label} | {runs[0]['version']} | {handled:,} | {took:.2f} "
              f"| {each[0]:.2f}-{each[-1]:.2f} | {handled / took:,.0f} | {cpu:.2f} | {peak:.0f} "
              f"| {note} |", flush=True)  # fmt: skip


def _odd(ours: Result, other: Result) -> str:
    """What two results do not agree on, "" when they do."""
    if ours["done"] != other["done"]:
        return f"{other['done']:,} against {ours['done']:,}"
    apart = abs(ours["sum"] - other["sum"]) / max(abs(ours["sum"]), 1e-9)
    return "" if apart <= ALIKE else f"sums differ by {apart:.1e}"  # of NaN, too


def _run(one: Contender, count: int, options: argparse.Namespace) -> Result | None:
    python = options.peer.partition("=")[2] if one.peer else sys.executable
    module = "benchmarks.peers.labels_peers" if one.peer else "benchmarks.labels_engine"
    command = [python, "-m", module, "--task", one.task, "--n", str(count),
               "--cache", str(options.cache.resolve())]  # fmt: skip
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        found: Result = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.CalledProcessError, ValueError, IndexError) as error:
        said = getattr(error, "stderr", str(error))[-1500:]
        print(f"failed {one.label} at {count}:\n{said}", file=sys.stderr)
        return None
    return found


if __name__ == "__main__":
    sys.exit(main())
