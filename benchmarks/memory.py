"""Memory of one process that makes time series: blocks of 500 windows over 12 dates.

    python -m benchmarks.memory --cache DIR [--peer odc=PYTHON]

Windows lie around ten towns, or anywhere in the scene; their files on disk, or behind 40 ms of latency.
The peak is the largest resident memory of the process (`VmHWM`), code and libraries included.
"""

from __future__ import annotations

import sys

from benchmarks import contest, dates
from benchmarks.contest import Contender

BAR_MB = 1500


def ours(label: str, *options: str, cores: int = 1) -> list[Contender]:
    """The engine from disk and over HTTP."""
    name = f"earthloom, {label}"
    return [
        Contender(f"{name}, {place}", "benchmarks.series", cores, options, remote=place == "HTTP")
        for place in ("disk", "HTTP")
    ]


ANYWHERE, WIDE = ("--where", "anywhere"), ("--bands", "13")
ODC = "benchmarks.peers.odc_series"
CONTENDERS = (
    *ours("towns"),
    *ours("anywhere", *ANYWHERE),
    *ours("towns, tiles of 1024", "--tile", "1024"),
    *ours("anywhere, tiles of 1024", *ANYWHERE, "--tile", "1024"),
    *ours("towns, median", "--merge", "median"),
    *ours("towns, medoid", "--merge", "medoid"),
    *ours("towns, 13 bands", *WIDE),
    *ours("anywhere, 13 bands", *ANYWHERE, *WIDE),
    *ours("towns, two workers", cores=2),
    Contender("odc-stac, towns, disk", ODC, peer="odc", most=100),
    Contender("odc-stac, towns, HTTP", ODC, peer="odc", most=100, remote=True),
    Contender("odc-stac, anywhere, disk", ODC, 1, ANYWHERE, peer="odc", most=100),
)


def main() -> int:
    """Measure everyone, and print the table; 1 where the engine takes more than 1.5 GB."""
    options = contest.parser(__doc__, n=500, repeat=1, zlevel=1).parse_args()
    for tile in (512, 1024):
        dates.make(options.cache, tile)
    results, failed = contest.measure(CONTENDERS, options)
    what = f"{options.n} windows in a block, {len(dates.DATES)} dates, 4 bands unless told"
    print(contest.header(options, what))
    print(f"{1000 * options.delay:g} ms each way, server and proxy on the same cores")
    print(contest.table(results, (*contest.WHO, *contest.SEEN, *contest.COST)))
    peaks = [run["peak_mb"] for who, runs in results.items() if not who.peer for run in runs]
    return int(failed or max(peaks, default=0) > BAR_MB)


if __name__ == "__main__":
    sys.exit(main())
