"""Chips per second from COGs over HTTP with latency: the engine against rasterio's threads and odc-stac.

    python -m benchmarks.make_http --cache DIR [--peer odc=PYTHON]

A web server on loopback stands behind a proxy that holds every byte for 20 ms each way. Everyone
writes the same GeoTIFF and JPEG of each chip. The server shares the cores with its readers, so rates are
lower bounds for all; the engine's own rate from disk stands beside them.
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

from benchmarks import stack
from benchmarks.make_local import ROOT, _header
from benchmarks.slow_server import served

PIXELS = stack.CHIP * stack.CHIP * len(stack.BANDS) * 2
"""Bytes of a chip's pixels."""


class Contender(NamedTuple):
    """A module to run, under the name shown in the table."""

    label: str
    module: str
    cores: int
    options: tuple[str, ...] = ()
    peer: str | None = None
    remote: bool = True


CONTENDERS = (
    Contender("earthloom make, from disk", "benchmarks.engine", 1, remote=False),
    Contender("earthloom make, from disk", "benchmarks.engine", 2, remote=False),
    Contender("earthloom make", "benchmarks.engine", 1),
    Contender("earthloom make", "benchmarks.engine", 2),
    Contender("rasterio, 1 thread", "benchmarks.loop", 1, ("--zlevel", "1")),
    Contender("rasterio, 32 threads", "benchmarks.loop", 2, ("--zlevel", "1", "--threads", "32")),
    Contender("odc-stac, processes", "benchmarks.peers.odc", 2, ("--zlevel", "1"), "odc"),
)


def main() -> int:
    """Measure everyone, and print the table."""
    options = _options()
    pythons = dict(pair.split("=", 1) for pair in options.peer)
    item = stack.make(options.cache)
    lines = [
        "| contender | cores | chips/s | spread | of disk | requests/chip | bytes/useful byte |",
        "|---|---|---|---|---|---|---|",
    ]
    disk: dict[int, float] = {}
    for contender in CONTENDERS:
        if contender.peer and contender.peer not in pythons:
            continue
        python = pythons[contender.peer] if contender.peer else sys.executable
        runs = [_run(contender, python, item, options) for _ in range(options.repeat)]
        rates = sorted(run["chips"] / run["seconds"] for run in runs)
        rate = statistics.median(rates)
        if not contender.remote:
            disk[contender.cores] = rate
        asked = statistics.median(run["requests"] / run["chips"] for run in runs)
        share = statistics.median(run["sent"] / run["chips"] / PIXELS for run in runs)
        print(f"{contender.label}: {rate:.1f} chips/s", file=sys.stderr, flush=True)
        over = (f"{asked:.2f}", f"{share:.2f}") if contender.remote else ("-", "-")
        lines.append(
            f"| {contender.label} | {contender.cores} | {rate:.1f} | {rates[0]:.1f}-{rates[-1]:.1f} "
            f"| {rate / disk[contender.cores]:.2f} | {over[0]} | {over[1]} |"
        )
    print(_header(options))
    print(f"{1000 * options.delay:g} ms each way, nginx behind a proxy on the same cores")
    print("\n".join(lines))
    return 0


def _options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps the scene")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--n", type=int, default=1000, help="chips (default 1000)")
    parser.add_argument("--repeat", type=int, default=3, help="rounds (default 3)")
    parser.add_argument("--delay", type=float, default=0.02, help="seconds each way (default 0.02)")
    parser.set_defaults(zlevel=1)
    return parser.parse_args()


def _run(contender: Contender, python: str, item: Path, options: Any) -> dict[str, Any]:
    """One measurement, with what the server saw."""
    out = Path(tempfile.mkdtemp(prefix="chips-"))
    command = [
        python, "-m", contender.module, "--cache", str(options.cache.resolve()), "--out", str(out),
        "--n", str(options.n), "--workers", str(contender.cores), *contender.options,
    ]  # fmt: skip
    with served(item.parent, options.delay) as (address, log):
        env = dict(os.environ, EARTHLOOM_ALLOW_HOSTS=address.removeprefix("http://"))
        if contender.remote:
            env["BENCH_HTTP"] = address
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{contender.label}:\n{done.stderr[-3000:]}")
        seen = [line.split() for line in log.read_text().splitlines()]
    shutil.rmtree(out, ignore_errors=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result | {"requests": len(seen), "sent": sum(int(line[1]) for line in seen)}


if __name__ == "__main__":
    sys.exit(main())
