"""Chips per second from local COGs: every contender against the hand-written loop, in one run.

    python -m benchmarks.make_local --cache DIR [--peer odc=PYTHON] [--peer torchgeo=PYTHON] ...

The ratio is to the better form of the loop on as many cores.
"""

from __future__ import annotations

import sys

from benchmarks import contest, stack
from benchmarks.contest import Contender

SAME = ("--zlevel", "0")  # the engine's encoder
FAST = ("--zlevel", "1")  # GDAL's own writer at the engine's level
THREADS = "--threads"
CONTENDERS = (
    Contender("earthloom make", "benchmarks.engine", 1),
    Contender("earthloom make", "benchmarks.engine", 2),
    Contender("loop, same encoder", "benchmarks.loop", 1, SAME),
    Contender("loop, same encoder, threads", "benchmarks.loop", 2, (*SAME, THREADS)),
    Contender("loop, same encoder, processes", "benchmarks.loop", 2, SAME),
    Contender("loop, level 1", "benchmarks.loop", 1, FAST),
    Contender("loop, level 1, threads", "benchmarks.loop", 2, (*FAST, THREADS)),
    Contender("loop, level 1, processes", "benchmarks.loop", 2, FAST),
    Contender("loop", "benchmarks.loop"),
    Contender("loop, threads", "benchmarks.loop", 2, (THREADS,)),
    Contender("loop, processes", "benchmarks.loop", 2),
    Contender("odc-stac", "benchmarks.peers.odc", 1, peer="odc"),
    Contender("odc-stac, processes", "benchmarks.peers.odc", 2, peer="odc"),
    Contender("torchgeo", "benchmarks.peers.torchgeo_", 1, peer="torchgeo"),
    Contender("torchgeo, processes", "benchmarks.peers.torchgeo_", 2, peer="torchgeo"),
    Contender("rslearn", "benchmarks.peers.rslearn_", 1, peer="rslearn", most=200),
)


def main() -> int:
    """Measure every contender that can run here, and print the table."""
    options = contest.parser(__doc__, n=2000, zlevel=6).parse_args()
    stack.make(options.cache)
    results, failed = contest.measure(CONTENDERS, options)
    rates = contest.rates(results)

    def to_loop(who: Contender, _: object) -> str:
        loops = [
            r for c, r in rates.items() if (c.module, c.cores) == ("benchmarks.loop", who.cores)
        ]
        return f"{rates[who] / max(loops):.2f}" if loops else "-"

    print(contest.header(options, stack.told(options.n)))
    print(contest.table(results, (*contest.WHO, ("to the loop", to_loop), *contest.COST)))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
