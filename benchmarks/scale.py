"""Plan and pack at 10 k, 100 k and 1 M windows with tiny fake chips: seconds and peak memory.

    python benchmarks/scale.py --windows 10000 100000 1000000 --out DIR

Each size runs in processes of its own, one an act. Density is constant: a larger plan covers more
ground. `make` runs in between (its chips are a few bytes) and is timed, but is not the subject.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pipelines.job import Job  # noqa: E402
from schemas.recipes import Card, Pack, Recipe  # noqa: E402
from schemas.samples import Drop, Sample  # noqa: E402
from schemas.windows import Grid, Window  # noqa: E402
from transforms import encode, quotas, splits, windows  # noqa: E402
from transforms.context import Context  # noqa: E402

STEP_DEG = 0.004  # about 445 m between windows


@dataclass(frozen=True)
class Lattice:
    """Windows on a lon/lat lattice of squares, 32 classes."""

    count: int
    role: str = field(default="lattice", init=False)
    needs: tuple[str, ...] = field(default=(), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"main_tag": "string", "collection": "string", "year": "int64"},
        init=False,
    )

    def open(self, location: str) -> None:
        """Nothing to open."""

    def scan(self, ctx: Context, on_drop: Callable[[Drop], None]) -> Iterator[pa.Table]:
        """Rows in batches of 20,000, in an order that mixes places."""
        side = int(np.ceil(np.sqrt(self.count)))
        stride = next(s for s in range(side * 7 + 1, side * 9) if np.gcd(s, self.count) == 1)
        for start in range(0, self.count, 20_000):
            i = np.arange(start, min(start + 20_000, self.count)) * stride % self.count
            lon, lat = (i % side) * STEP_DEG - 20, (i // side) * STEP_DEG - 20
            yield pa.table(
                {
                    "key": pa.array([f"p{n}" for n in i], pa.string(), from_pandas=False),
                    "lon": lon,
                    "lat": lat,
                    "main_tag": pa.array([f"c{n % 32}" for n in i], pa.string(), from_pandas=False),
                    "collection": pa.array(["fake"] * len(i), pa.string(), from_pandas=False),
                    "year": np.full(len(i), 2020),
                }
            )


@dataclass(frozen=True)
class Fixed:
    """A 16 px window of 10 m in geographic degrees around the anchor."""

    needs: tuple[str, ...] = field(default=(), init=False)
    gives: dict[str, str] = field(default_factory=lambda: {"window": "noun"}, init=False)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its window."""
        d = 9e-5
        affine = (d, 0.0, sample.lon - 8 * d, 0.0, -d, sample.lat + 8 * d)
        grid = Grid("EPSG:4326", affine, 16, 16, 512)
        row, col = int((60 - sample.lat) / d), int((sample.lon + 60) / d)
        sample.window = Window(grid, 10.0, col, row)
        return sample


@dataclass(frozen=True)
class Tiny:
    """A member of a few bytes."""

    needs: tuple[str, ...] = field(default=("image",), init=False)
    gives: dict[str, str] = field(default_factory=dict, init=False)
    media_type: str = field(default="application/octet-stream", init=False)
    feature: str = field(default="binary", init=False)

    def __call__(self, sample: Sample, ctx: Context) -> bytes:
        """The id, as a stand-in for pixels."""
        return sample.id.encode()


@dataclass(frozen=True)
class Score:
    """A score from the id's hash, and the promise of an image."""

    needs: tuple[str, ...] = field(default=("window",), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"image": "noun", "score": "float64"}, init=False
    )

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its score."""
        from schemas.chance import unit

        sample.facts["score"] = unit(0, sample.id)
        return sample


def recipe(count: int) -> Recipe:
    """The benchmark's recipe."""
    return Recipe(
        card=Card("scale", "1.0.0", "scale", "scale", ("image-to-text",)),
        start=Lattice(count),
        plan=(Fixed(), windows.Thin(px=20), quotas.PerClass(cap=1_000_000),
              splits.ByCell(km=20, buffer_km=1, val=0.05, test=0.05)),
        make=(Score(),),
        pack=Pack(members={"bin": Tiny(), "json": encode.Json()}),
        label="main_tag",
    )  # fmt: skip


def act(name: str, count: int, out: Path) -> None:
    """Run one act in this process and print seconds and peak memory."""
    from pipelines.acts.make import make
    from pipelines.acts.pack import pack
    from pipelines.acts.plan import plan
    from pipelines.runners import run

    run("warm", [0], abs)  # imports and the runner's first start are not the subject
    import scipy.spatial  # noqa: F401
    import shapely  # noqa: F401

    job = Job(out / ".work", recipe(count), 0, f"scale-{count}", {"lattice": ""}, workers=1)
    job.planned.mkdir(parents=True, exist_ok=True)
    (job.planned / "scenes.jsonl").touch()
    start = time.perf_counter()
    planned = plan(job)
    if name == "make":
        make(job, planned["blocks"])
    if name == "pack":
        pack(job, planned["blocks"])
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"act": name, "windows": count, "samples": planned["samples"],
                      "seconds": round(seconds, 2), "peak_mb": round(peak, 1)}))  # fmt: skip


def main() -> None:
    """Run all sizes and print one table."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--windows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    p.add_argument("--out", type=Path, default=Path("out/scale"))
    p.add_argument("--act", choices=("plan", "make", "pack"))
    args = p.parse_args()
    if args.act:
        act(args.act, args.windows[0], args.out)
        return
    print(f"Python {platform.python_version()}, pyarrow {pa.__version__}, {os.cpu_count()} cores")
    print(f"{'act':<6}{'windows':>10}{'samples':>10}{'seconds':>10}{'us/window':>11}{'peak MB':>9}")
    for count in args.windows:
        shutil.rmtree(args.out, ignore_errors=True)
        for name in ("plan", "make", "pack"):
            command = [
                sys.executable,
                __file__,
                "--act",
                name,
                "--windows",
                str(count),
                "--out",
                str(args.out),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(done.stderr)
            row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
            print(f"{name:<6}{count:>10,}{row['samples']:>10,}{row['seconds']:>10.2f}"
                  f"{row['seconds'] / count * 1e6:>11.1f}{row['peak_mb']:>9.0f}", flush=True)  # fmt: skip
    shutil.rmtree(args.out, ignore_errors=True)


if __name__ == "__main__":
    main()
