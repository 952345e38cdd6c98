"""Chips per second from local COGs: every contender against the hand-written loop, in one run.

    python -m benchmarks.make_local --cache DIR [--peer odc=PYTHON] [--peer torchgeo=PYTHON] ...

Each measurement is a process of its own that prints one line of JSON; rounds are interleaved, and
the table shows medians. The ratio is to the better form of the loop on as many cores.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL
import rasterio

from benchmarks import stack

ROOT = Path(__file__).resolve().parents[1]
Result = dict[str, Any]


class Contender(NamedTuple):
    """A module to run, under the name shown in the table."""

    label: str
    module: str
    cores: int = 1
    peer: str | None = None  # whose Python runs it; None for ours
    options: tuple[str, ...] = ()
    most: int | None = None  # chips at most, for slow ones


SAME = ("--zlevel", "0")  # the engine's encoder
FAST = ("--zlevel", "1")  # GDAL's own writer at the engine's level
CONTENDERS = (
    Contender("earthloom make", "benchmarks.engine", 1),
    Contender("earthloom make", "benchmarks.engine", 2),
    Contender("loop, same encoder", "benchmarks.loop", options=SAME),
    Contender("loop, same encoder, threads", "benchmarks.loop", 2, options=(*SAME, "--threads")),
    Contender("loop, same encoder, processes", "benchmarks.loop", 2, options=SAME),
    Contender("loop, level 1", "benchmarks.loop", options=FAST),
    Contender("loop, level 1, threads", "benchmarks.loop", 2, options=(*FAST, "--threads")),
    Contender("loop, level 1, processes", "benchmarks.loop", 2, options=FAST),
    Contender("loop", "benchmarks.loop"),
    Contender("loop, threads", "benchmarks.loop", 2, options=("--threads",)),
    Contender("loop, processes", "benchmarks.loop", 2),
    Contender("odc-stac", "benchmarks.peers.odc", 1, "odc"),
    Contender("odc-stac, processes", "benchmarks.peers.odc", 2, "odc"),
    Contender("torchgeo", "benchmarks.peers.torchgeo_", 1, "torchgeo"),
    Contender("torchgeo, processes", "benchmarks.peers.torchgeo_", 2, "torchgeo"),
    Contender("rslearn", "benchmarks.peers.rslearn_", 1, "rslearn", most=200),
)


def main() -> int:
    """Measures every contender that can run here, and prints the table."""
    options = _options()
    pythons = dict(pair.split("=", 1) for pair in options.peer)
    cores = len(os.sched_getaffinity(0))
    runnable = []
    for contender in CONTENDERS:
        reason = _reason(contender, pythons, cores)
        if reason:
            print(f"skipped {contender.label}: {reason}", file=sys.stderr)
        else:
            runnable.append(contender)
    stack.make(options.cache)
    results: dict[Contender, list[Result]] = {contender: [] for contender in runnable}
    failed = False
    for _ in range(options.repeat):
        for contender in runnable:
            result = _run(contender, pythons, options)
            if result:
                results[contender].append(result)
            failed |= result is None
    print(_header(options))
    print(_table([c for c in runnable if results[c]], results))
    return int(failed)


def _options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps the scene")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--n", type=int, default=2000, help="chips (default 2000)")
    parser.add_argument("--repeat", type=int, default=3, help="rounds (default 3)")
    parser.add_argument("--zlevel", type=int, default=6, help="deflate level (default 6)")
    parser.add_argument("--tmp", type=Path, help="folder for the output, removed after each run")
    return parser.parse_args()


def _reason(contender: Contender, pythons: dict[str, str], cores: int) -> str | None:
    """Why the contender cannot run, or None."""
    if contender.cores > cores:
        return f"needs {contender.cores} cores, there are {cores}"
    if contender.peer and contender.peer not in pythons:
        return f"no --peer {contender.peer}=PYTHON given"
    return None


def _run(
    contender: Contender, pythons: dict[str, str], options: argparse.Namespace
) -> Result | None:
    """One measurement, or None with the error printed."""
    python = pythons[contender.peer] if contender.peer else sys.executable
    out = Path(tempfile.mkdtemp(prefix="chips-", dir=options.tmp))
    settings = {
        "--cache": options.cache.resolve(),
        "--out": out,
        "--n": min(options.n, contender.most or options.n),
        "--workers": contender.cores,
        "--zlevel": options.zlevel,
    }
    command = [python, "-m", contender.module]
    command += [str(part) for pair in settings.items() for part in pair]
    command += contender.options  # last, so that they win
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        result: Result = json.loads(done.stdout.splitlines()[-1])
    except subprocess.CalledProcessError as error:
        print(f"failed {contender.label}:\n{error.stderr[-2000:]}", file=sys.stderr)
        return None
    finally:
        shutil.rmtree(out, ignore_errors=True)
    print(f"{contender.label}: {_rate(result):.1f} chips/s", file=sys.stderr, flush=True)
    return result


def _rate(result: Result) -> float:
    """Chips per second."""
    return float(result["chips"] / result["seconds"])


def _header(options: argparse.Namespace) -> str:
    """What the figures were measured on and with."""
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return (
        f"CPU {cpu}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n"
        f"Python {platform.python_version()}, rasterio {rasterio.__version__}, "
        f"GDAL {rasterio.__gdal_version__}, numpy {np.__version__}, Pillow {PIL.__version__}\n"
        f"{options.n} chips of {stack.CHIP} px, {len(stack.BANDS)} bands of uint16, in tile order; "
        f"deflate level {options.zlevel}; medians of {options.repeat} interleaved rounds"
    )


def _table(contenders: list[Contender], results: dict[Contender, list[Result]]) -> str:
    """A Markdown table, one row a contender."""
    rates = {c: statistics.median(map(_rate, results[c])) for c in contenders}
    loops: dict[int, float] = {}
    for contender in contenders:
        if contender.module == "benchmarks.loop":
            loops[contender.cores] = max(loops.get(contender.cores, 0.0), rates[contender])
    lines = [
        "| contender | version | cores | chips | chips/s | spread | to the loop | CPU ms/chip "
        "| peak MB | note |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for contender in contenders:
        runs = results[contender]
        each = sorted(map(_rate, runs))
        peak = statistics.median(run["peak_mb"] for run in runs)
        cpu = statistics.median(1000 * run["cpu_seconds"] / run["chips"] for run in runs)
        loop = loops.get(contender.cores)
        ratio = f"{rates[contender] / loop:.2f}" if loop else "-"
        lines.append(
            f"| {contender.label} | {runs[0]['version']} | {contender.cores} | {runs[0]['chips']} "
            f"| {rates[contender]:.1f} | {each[0]:.1f}-{each[-1]:.1f} | {ratio} "
            f"| {cpu:.1f} | {peak:.0f} | {runs[0]['note']} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
