"""OSM extracts to tables: MB and features a second, memory, against peers in the same run.

    python -m benchmarks.osm --cache DIR --extract FILE ... [--peer osm=PYTHON]

Extracts are measured as they are, and as one big extract made of copies of them. Each measurement
is a process of its own that prints one line of JSON; rounds are interleaved, slow peers take part in
the first one only, and the table shows medians. Most peers make less than the engine does, as their
notes say: the clock is on their side.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import osm_extract
from benchmarks.family import Family

ROOT = Path(__file__).resolve().parents[1]
Result = dict[str, Any]


class Contender(NamedTuple):
    """A module to run, under the name shown in the table."""

    label: str
    module: str
    peer: bool = True  # run by the peers' Python
    options: tuple[str, ...] = ()
    slow: bool = False  # whether one round must do


CONTENDERS = (
    Contender("earthloom", "benchmarks.osm_engine", peer=False),
    Contender("osmium export -f pg, Arrow, sorted", "benchmarks.peers.osmium_export",
              options=("--sort",)),
    Contender("osmium export -f pg, Arrow, as it comes", "benchmarks.peers.osmium_export"),
    Contender("GDAL's driver, Arrow", "benchmarks.peers.gdal_osm"),
    Contender("quackosm", "benchmarks.peers.quackosm_", slow=True),
    Contender("pyrosm", "benchmarks.peers.pyrosm_", slow=True),
)  # fmt: skip


def main() -> int:
    """Measures every contender that can run here, and prints a table for each extract."""
    options = _options()
    keys = ",".join(sorted(_keys()))
    big = osm_extract.write(options.extract, options.cache / "big.osm.pbf", options.megabytes)
    runnable = [one for one in CONTENDERS if _reason(one, options) is None]
    for one in CONTENDERS:
        if reason := _reason(one, options):
            print(f"skipped {one.label}: {reason}", file=sys.stderr)
    print(f"load {os.getloadavg()[0]:.1f}, {len(os.sched_getaffinity(0))} cores; medians of "
          f"{options.repeat} interleaved rounds, one of slow peers\n")  # fmt: skip
    for extract in (big, *options.extract):
        for asked, what in (("", "everything tagged"), (keys, f"{keys.count(',') + 1} keys")):
            results: dict[str, list[Result]] = {one.label: [] for one in runnable}
            for number in range(options.repeat):
                for one in runnable:
                    if one.slow and number:
                        continue
                    if result := _run(one, extract, asked, options):
                        results[one.label].append(result)
            megabytes = extract.stat().st_size / 1e6
            print(f"**{extract.name}, {megabytes:.1f} MB, {what}**\n")
            print(_table(results, megabytes) + "\n", flush=True)
    return 0


def _options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps the extract")
    parser.add_argument("--extract", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("--megabytes", type=int, default=50, help="of the big one, at least")
    parser.add_argument("--peer", default="", metavar="osm=PYTHON")
    parser.add_argument("--repeat", type=int, default=3, help="rounds (default 3)")
    parser.add_argument("--quick", action="store_true", help="leave out slow peers")
    parser.add_argument("--tmp", type=Path, help="folder for the output, removed after each run")
    return parser.parse_args()


def _keys() -> frozenset[str]:
    """The keys that the recipe starts from."""
    from schemas.visible import load

    return frozenset(load(None).keys())


def _reason(contender: Contender, options: argparse.Namespace) -> str | None:
    """Why the contender cannot run, or None."""
    if contender.slow and options.quick:
        return "slow"
    if contender.peer and not options.peer:
        return "no --peer osm=PYTHON given"
    if contender.module.endswith(("osmium_export", "pyrosm_")) and shutil.which("osmium") is None:
        return "osmium-tool is not installed"
    return None


def _run(
    contender: Contender, extract: Path, keys: str, options: argparse.Namespace
) -> Result | None:
    """One measurement, or None with the error printed."""
    python = options.peer.partition("=")[2] if contender.peer else sys.executable
    out = Path(tempfile.mkdtemp(prefix="osm-", dir=options.tmp))
    command = [python, "-m", contender.module, "--extract", str(extract.resolve()), "--out",
               str(out), "--keys", keys, *contender.options]  # fmt: skip
    family = Family(every=0.05)
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        result: Result = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.CalledProcessError, ValueError, IndexError) as error:
        print(f"failed {contender.label}:\n{getattr(error, 'stderr', error)[-2000:]}",
              file=sys.stderr)  # fmt: skip
        return None
    finally:
        result_cpu, _ = family.end()
        result_mb = sum(path.stat().st_size for path in out.rglob("*.parquet")) / 1e6
        shutil.rmtree(out, ignore_errors=True)
    found = result | {"cpu": result_cpu, "peak": family.together, "size": result_mb}
    told = f"{contender.label}: {found['seconds']:.1f} s, CPU {result_cpu:.1f} s"
    told += f", {family.together:.0f} MB, load {os.getloadavg()[0]:.1f}"
    print(told, file=sys.stderr, flush=True)
    return found


def _table(results: dict[str, list[Result]], megabytes: float) -> str:
    """A Markdown table, one row a contender."""
    lines = [
        "| contender | version | s | spread | MB/s | features | features/s | CPU s | peak MB | "
        "output MB | note |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for label, runs in results.items():
        if not runs:
            lines.append(f"| {label} | failed |" + " |" * 9)
            continue
        each = sorted(run["seconds"] for run in runs)
        took, rows = statistics.median(each), runs[0]["rows"]
        cpu, peak = (statistics.median(run[name] for run in runs) for name in ("cpu", "peak"))
        lines.append(
            f"| {label} | {runs[0]['version']} | {took:.1f} | {each[0]:.1f}-{each[-1]:.1f} "
            f"| {megabytes / took:.1f} | {rows:,} | {rows / took:,.0f} | {cpu:.1f} | {peak:.0f} "
            f"| {runs[0]['size']:.0f} | {runs[0]['note']} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
