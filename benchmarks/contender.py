"""What all contenders share: arguments, cores, clock, check of the pixels, one line of JSON."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tarfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
from rasterio.io import MemoryFile
from rasterio.windows import Window

from benchmarks.encoding import Tars
from benchmarks.family import peak_mb
from benchmarks.stack import BANDS, CHIP, Spot, make, placed, sample, stored

# Settings of the C library, read when it first looks: the same for everyone.
GDAL = {
    "GDAL_NUM_THREADS": "1",
    "GDAL_CACHEMAX": "512",
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_HTTP_MAX_RETRY": "4",
}


class Done(NamedTuple):
    """What one worker, or all of them together, did."""

    chips: int
    bytes: int
    peak_mb: float


Work = Callable[[list[Spot], Path, Tars], None]
"""Reads the spots from the scene of a STAC item and adds each to the tars."""


def arguments() -> argparse.ArgumentParser:
    """The options that every contender takes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps the scene")
    parser.add_argument("--n", type=int, default=2000, help="number of chips")
    parser.add_argument("--out", type=Path, required=True, help="folder to write, emptied first")
    parser.add_argument("--workers", type=int, default=1, help="cores to use")
    parser.add_argument("--zlevel", type=int, default=6, help="deflate level of the GeoTIFFs")
    return parser


def start(options: argparse.Namespace, item: Path | None = None) -> Path:
    """The placed item's path; empties the output folder and pins the process to its cores."""
    item = item or make(options.cache)
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    os.environ.update(GDAL)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.workers])
    return placed(item, options.out)


def main(name: str, version: str, work: Work, note: str = "") -> None:
    """Runs the work on its share of cores and prints the contender's line."""
    parser = arguments()
    parser.add_argument(
        "--threads", type=int, nargs="?", const=-1, default=0, metavar="N",
        help="threads rather than processes, one for each core unless told",
    )  # fmt: skip
    options = parser.parse_args()
    item = start(options)
    spots = sample(options.n)
    begun = clock()
    done = spread(work, spots, item, options)
    used = clock() - begun
    check(spots, options.cache, tar_members(options.out))
    report(name, version, done, used, options.workers, note)


def spread(work: Work, spots: list[Spot], item: Path, options: argparse.Namespace) -> Done:
    """The work over contiguous parts of the spots, one a worker."""
    count = max(options.workers, options.threads)
    parts = np.array_split(np.arange(len(spots)), count)
    jobs = [
        (work, [spots[i] for i in part], item, Tars(options.out, f"part{k}", options.zlevel))
        for k, part in enumerate(parts)
    ]
    if count == 1:
        return _part(jobs[0])
    if options.threads:
        with ThreadPoolExecutor(count) as pool:
            each = list(pool.map(_part, jobs))
        return Done(sum(d.chips for d in each), sum(d.bytes for d in each), peak_mb())
    with ProcessPoolExecutor(options.workers, get_context("fork")) as pool:
        each = list(pool.map(_part, jobs))
    return Done(*(sum(column) for column in zip(*each, strict=True)))


def _part(job: tuple[Work, list[Spot], Path, Tars]) -> Done:
    """One worker's part."""
    work, spots, item, tars = job
    work(spots, item, tars)
    tars.close()
    return Done(tars.chips, tars.bytes, peak_mb())


class Clock(NamedTuple):
    """Seconds on the wall, and of processor time by this process and its ended children."""

    seconds: float
    cpu_seconds: float

    def __sub__(self, other: Clock) -> Clock:
        """The time between two readings."""
        return Clock(self.seconds - other.seconds, self.cpu_seconds - other.cpu_seconds)


def clock() -> Clock:
    """A reading of both clocks."""
    return Clock(time.perf_counter(), sum(os.times()[:4]))


def tar_members(folder: Path) -> dict[str, tuple[Path, int, int]]:
    """Where each chip's GeoTIFF lies: file, offset and size by key."""
    found = {}
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".tif"):
                    found[Path(member.name).stem] = (path, member.offset_data, member.size)
    return found


def check(spots: list[Spot], cache: Path, found: dict[str, tuple[Path, int, int]]) -> None:
    """Raises unless every chip is there, and sampled ones equal the scene pixel for pixel."""
    missing = {spot.key for spot in spots} - found.keys()
    if missing:
        raise AssertionError(f"{len(missing)} chips are missing, such as {min(missing)}")
    scene = [rasterio.open(stored(cache) / f"{band}.tif") for band in BANDS]
    for spot in spots[:: max(1, len(spots) // 20)]:
        path, offset, size = found[spot.key]
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(size)
        with MemoryFile(data) as memory, memory.open() as chip:
            pixels, transform = chip.read(), chip.transform
        window = Window(spot.col, spot.row, CHIP, CHIP)
        wanted = np.stack([band.read(1, window=window) for band in scene])
        if transform != spot.transform or not np.array_equal(pixels, wanted):
            raise AssertionError(f"chip {spot.key} differs from the scene at {spot}")


def report(
    name: str,
    version: str,
    done: Done,
    used: Clock,
    cores: int,
    note: str,
    planes: int = len(BANDS),
) -> None:
    """Prints the contender's one line of JSON; a chip has so many planes of 16 bit."""
    row = {"name": name, "version": version, "cores": cores, "note": note}
    row["pixel_bytes"] = done.chips * planes * CHIP * CHIP * 2
    print(json.dumps(row | done._asdict() | used._asdict()), flush=True)
