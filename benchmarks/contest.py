"""What all tables share: contenders, rounds, the machine's description, Markdown.

Each measurement is a process of its own that prints one line of JSON. Rounds are interleaved, so that
what else the machine does meets all alike; tables show medians.
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
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL
import rasterio

from benchmarks.slow_server import Server, served

ROOT = Path(__file__).resolve().parents[1]
Result = dict[str, Any]


class Contender(NamedTuple):
    """A module to run, under the name shown in the table."""

    label: str
    module: str
    cores: int = 1
    options: tuple[str, ...] = ()  # they win over the table's own
    peer: str | None = None  # whose Python runs it; None for ours
    most: int | None = None  # chips at most, for slow ones
    remote: bool = False  # whether it reads over HTTP


Results = dict[Contender, list[Result]]
Column = tuple[str, Callable[[Contender, list[Result]], str]]
"""Heading, and what stands below it for a contender and its runs."""


def parser(purpose: str, n: int, zlevel: int, repeat: int = 3) -> argparse.ArgumentParser:
    """The options that every table takes."""
    found = argparse.ArgumentParser(description=purpose.splitlines()[0])
    found.add_argument("--cache", type=Path, required=True, help="folder that keeps the scenes")
    found.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    found.add_argument("--only", default="", help="contenders whose label holds this text")
    found.add_argument("--n", type=int, default=n, help=f"chips ({n})")
    found.add_argument("--repeat", type=int, default=repeat, help=f"rounds ({repeat})")
    found.add_argument("--zlevel", type=int, default=zlevel, help=f"deflate level ({zlevel})")
    found.add_argument("--tmp", type=Path, help="folder for the output, removed after each run")
    found.add_argument("--delay", type=float, default=0.02, help="seconds each way, over HTTP")
    return found


def measure(contenders: Iterable[Contender], options: argparse.Namespace) -> tuple[Results, bool]:
    """The runs of every contender that can run here, and whether any failed."""
    pythons = dict(pair.split("=", 1) for pair in options.peer)
    results: Results = {}
    for contender in contenders:
        reason = _reason(contender, pythons)
        if options.only not in contender.label:
            continue
        if reason:
            print(f"skipped {contender.label}: {reason}", file=sys.stderr)
        else:
            results[contender] = []
    failed = False
    for _ in range(options.repeat):
        for contender, runs in results.items():
            result = _run(contender, pythons, options)
            if result is None:
                failed = True
            else:
                runs.append(result)
                told = f"{contender.label}, {contender.cores}: {rate(result):.1f} chips/s"
                told += f", {result['peak_mb']:.0f} MB, load {os.getloadavg()[0]:.1f}"
                print(told, file=sys.stderr, flush=True)
    return {contender: runs for contender, runs in results.items() if runs}, failed


def _reason(contender: Contender, pythons: dict[str, str]) -> str | None:
    """Why the contender cannot run, or None."""
    cores = len(os.sched_getaffinity(0))
    if contender.cores > cores:
        return f"needs {contender.cores} cores, there are {cores}"
    if contender.peer and contender.peer not in pythons:
        return f"no --peer {contender.peer}=PYTHON given"
    return None


def _run(
    contender: Contender, pythons: dict[str, str], options: argparse.Namespace
) -> Result | None:
    """One measurement, with what the server saw; None, and the error printed, where it failed."""
    out = Path(tempfile.mkdtemp(prefix="chips-", dir=options.tmp))
    settings = {
        "--cache": options.cache.resolve(),
        "--out": out,
        "--n": min(options.n, contender.most or options.n),
        "--workers": contender.cores,
        "--zlevel": options.zlevel,
    }
    command = [pythons[contender.peer] if contender.peer else sys.executable, "-m"]
    command += [contender.module, *(str(part) for pair in settings.items() for part in pair)]
    command += contender.options
    server: Server | None
    try:
        with served(options.cache, options.delay) if contender.remote else nullcontext() as server:
            env = dict(os.environ)
            if server is not None:
                env["BENCH_HTTP"] = server.address
                env["EARTHLOOM_ALLOW_HOSTS"] = server.address.removeprefix("http://")
            done = subprocess.run(
                command, cwd=ROOT, env=env, capture_output=True, text=True, check=True
            )
            result: Result = json.loads(done.stdout.splitlines()[-1])
            return result | server.seen() if server is not None else result
    except subprocess.CalledProcessError as error:
        print(f"failed {contender.label}:\n{error.stderr[-2000:]}", file=sys.stderr)
        return None
    finally:
        shutil.rmtree(out, ignore_errors=True)


def rate(result: Result) -> float:
    """Chips per second."""
    return float(result["chips"] / result["seconds"])


def median(runs: list[Result], value: Callable[[Result], float]) -> float:
    """The median of a value over the runs."""
    return statistics.median(map(value, runs))


def rates(results: Results) -> dict[Contender, float]:
    """Chips per second of each contender."""
    return {contender: median(runs, rate) for contender, runs in results.items()}


def spread(_: Contender, runs: list[Result]) -> str:
    """The least and the largest rate."""
    each = sorted(map(rate, runs))
    return f"{each[0]:.1f}-{each[-1]:.1f}"


WHO: tuple[Column, ...] = (
    ("contender", lambda contender, _: contender.label),
    ("version", lambda _, runs: str(runs[0]["version"])),
    ("cores", lambda contender, _: str(contender.cores)),
    ("chips", lambda _, runs: str(runs[0]["chips"])),
    ("chips/s", lambda _, runs: f"{median(runs, rate):.1f}"),
    ("spread", spread),
)
"""The columns that every table begins with."""

COST: tuple[Column, ...] = (
    ("CPU ms/chip", lambda _, runs: f"{median(runs, cpu_ms):.1f}"),
    ("peak MB", lambda _, runs: f"{median(runs, lambda run: run['peak_mb']):.0f}"),
    ("note", lambda _, runs: str(runs[0]["note"])),
)
"""What the reader took of the machine, and how its table ends."""


def over_http(heading: str, value: Callable[[Result], float]) -> Column:
    """A column of what the server saw."""
    return heading, lambda who, runs: f"{median(runs, value):.2f}" if who.remote else "-"


SEEN: tuple[Column, ...] = (
    over_http("requests/chip", lambda run: run["requests"] / run["chips"]),
    over_http("bytes/pixel byte", lambda run: run["sent"] / run["pixel_bytes"]),
    over_http("server ms/chip", lambda run: 1000 * run["server_cpu_seconds"] / run["chips"]),
)
"""What the server saw: its bytes for a byte of the chips' pixels, its time beside the readers'."""


def cpu_ms(run: Result) -> float:
    """Milliseconds of the reader's processor time a chip."""
    return float(1000 * run["cpu_seconds"] / run["chips"])


def table(results: Results, columns: Iterable[Column]) -> str:
    """Markdown, one row a contender."""
    columns = tuple(columns)
    rows = [[heading for heading, _ in columns], ["---"] * len(columns)]
    rows += [[value(*entry) for _, value in columns] for entry in results.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def header(options: argparse.Namespace, what: str) -> str:
    """What the figures were measured on and with."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return (
        f"CPU {[*named, platform.machine()][0]}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}\n"
        f"Python {platform.python_version()}, rasterio {rasterio.__version__}, "
        f"GDAL {rasterio.__gdal_version__}, numpy {np.__version__}, Pillow {PIL.__version__}\n"
        f"{what}; deflate level {options.zlevel}; medians of {options.repeat} interleaved rounds"
    )
