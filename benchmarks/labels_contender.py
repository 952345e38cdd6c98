"""What all contenders of `labels` share: arguments, clock, one line of JSON."""

from __future__ import annotations

import argparse
import json
import pickle
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import labels_inputs

Found = tuple[int, float, str]
"""(things done, a sum that all contenders must agree on, a note)."""


def patches(parcels: int) -> int:
    """How many patches hold so many parcels."""
    return max(1, round(parcels / labels_inputs.FIELDS))


DISTINCT = 25
"""Patches that are drawn; beyond them they come again."""


def prepare(folder: Path) -> None:
    """Draw the patches' parcels and pixels."""
    for number in range(DISTINCT):
        path = folder / f"fields-{number}.pickle"
        if not path.exists():
            path.write_bytes(pickle.dumps(labels_inputs.fields(number)))
    for number in range(4):
        if not (folder / f"pixels-{number}.npy").exists():
            np.save(folder / f"pixels-{number}.npy", labels_inputs.pixels(number))


def fields(folder: Path, number: int) -> tuple[list[Any], tuple[float, ...]]:
    """(polygons, affine) of a patch."""
    data = (folder / f"fields-{number % DISTINCT}.pickle").read_bytes()
    shapes, affine = pickle.loads(data)
    return shapes, affine


def values(folder: Path, number: int) -> Any:
    """uint16 `(layer, y, x)` of a patch."""
    return np.load(folder / f"pixels-{number % 4}.npy")


def _peak_mb() -> float:
    """The most memory that this process has had; what it was forked from does not count."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def main(name: str, version: str, works: Mapping[str, Callable[[Path, int], Found]]) -> None:
    """Do one kind of work once and print the contender's line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--task", required=True, choices=sorted(works))
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--n", type=int, required=True)
    options = parser.parse_args()
    begun, busy = time.perf_counter(), time.process_time()
    done, total, note = works[options.task](options.cache, options.n)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - busy
    peak = _peak_mb()
    line = {"name": name, "version": version, "done": done, "sum": total, "seconds": seconds,
            "cpu": cpu, "peak_mb": peak, "note": note}  # fmt: skip
    print(json.dumps(line), flush=True)
