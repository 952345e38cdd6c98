"""Chips per second from COGs over HTTP with latency: the engine against rasterio's threads and peers.

    python -m benchmarks.make_http --cache DIR [--peer odc=PYTHON] [--peer rslearn=PYTHON]

A web server on loopback stands behind a proxy that holds every byte for 20 ms each way. Both share the
cores with their readers, so rates are lower bounds for all; the engine's own rate from disk stands
beside them, and `server ms/chip` is the processor time that server and proxy take.
"""

from __future__ import annotations

import sys

from benchmarks import contest, stack
from benchmarks.contest import Contender

ENGINE = "benchmarks.engine"
CONTENDERS = (
    Contender("earthloom make, from disk", ENGINE, 1),
    Contender("earthloom make, from disk", ENGINE, 2),
    Contender("earthloom make", ENGINE, 1, remote=True),
    Contender("earthloom make", ENGINE, 2, remote=True),
    Contender("rasterio, 1 thread", "benchmarks.loop", 1, remote=True),
    Contender("rasterio, 32 threads", "benchmarks.loop", 2, ("--threads", "32"), remote=True),
    Contender("odc-stac, processes", "benchmarks.peers.odc", 2, peer="odc", remote=True),
    Contender("rslearn", "benchmarks.peers.rslearn_", 1, peer="rslearn", most=200, remote=True),
)


def main() -> int:
    """Measure everyone, and print the table."""
    options = contest.parser(__doc__, n=1000, zlevel=1).parse_args()
    stack.make(options.cache)
    results, failed = contest.measure(CONTENDERS, options)
    rates = contest.rates(results)
    disk = {c.cores: rate for c, rate in rates.items() if not c.remote}

    def of_disk(who: Contender, _: object) -> str:
        return f"{rates[who] / disk[who.cores]:.2f}" if who.cores in disk else "-"

    print(contest.header(options, stack.told(options.n)))
    print(f"{1000 * options.delay:g} ms each way, server and proxy on the same cores")
    columns = (*contest.WHO, ("of disk", of_disk), *contest.SEEN, *contest.COST)
    print(contest.table(results, columns))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
