"""What a block will read over the network, fetched before it is read."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from catalogs.readers import Reader, is_far, reader_of
from catalogs.shelf import SHELF
from schemas.errors import Fault, Reject
from schemas.recipes import Recipe
from schemas.samples import Sample
from schemas.scenes import Band, Part, Scene
from transforms.planning.rows import from_table


def fetch_ahead(
    windows: Path, scenes: Mapping[str, Scene], recipe: Recipe
) -> list[Callable[[], None]]:
    """Begin to fetch what a block's steps will read, in the order in which they will.

    Steps that read say from which bands by a method `reads(sample)`, which opens none, and what of
    them by `parts(sample)`, which may: headers are fetched together in between. What cannot be
    foreseen (a header that does not come) is left to the read itself, which tells why.

    Returns:
        calls that let go of what was fetched and not read.
    """
    SHELF.begin()
    steps: list[Any] = [step for step in recipe.make if hasattr(step, "parts")]
    samples = from_table(pq.read_table(windows), scenes)
    bands: dict[Reader, dict[Band, None]] = {}
    for band in (b for s in samples for step in steps for b in step.reads(s) if is_far(b)):
        bands.setdefault(reader_of(band), {})[band] = None
    failed: set[str] = set()
    for reader, own in bands.items():
        failed |= reader.prepare(own)
    parts: dict[Reader, list[Part]] = {reader: [] for reader in bands}
    for part in _parts(samples, steps, failed):
        if is_far(part.bands[0]):
            parts[reader_of(part.bands[0])].append(part)
    return [reader.expect(wanted) for reader, wanted in parts.items()]


def _parts(samples: list[Sample], steps: list[Any], failed: set[str]) -> Iterator[Part]:
    """What each sample is read from, again where several steps read it; nothing of failed files."""
    for sample in samples:
        for step in steps:
            if any(band.href in failed for band in step.reads(sample)):
                continue
            try:
                yield from step.parts(sample)
            except (Fault, Reject):
                continue
