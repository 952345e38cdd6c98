"""What all readers of OSM extracts share: arguments, clock, one line of JSON."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

Work = Callable[[Path, Path, list[str]], int]
"""Makes a table of an extract in an empty folder, of objects with some keys (none named: of all that
are tagged); returns how many rows."""


def main(name: str, version: str, work: Work, note: str = "") -> None:
    """Does the work once and prints the contender's line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--extract", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder to write, emptied first")
    parser.add_argument("--keys", default="", help="with commas; everything tagged without")
    options = parser.parse_args()
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    keys = options.keys.split(",") if options.keys else []
    begun = time.perf_counter()
    rows = work(options.extract, options.out, keys)
    seconds = time.perf_counter() - begun
    line = {"name": name, "version": version, "rows": rows, "seconds": seconds, "note": note}
    print(json.dumps(line), flush=True)
