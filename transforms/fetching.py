"""What a block will read over the network, fetched before it is read."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from catalogs.readers import Reader, is_far, reader_of
from schemas.errors import Fault, Reject
from schemas.recipes import Recipe
from schemas.samples import Sample
from schemas.scenes import Band, Part, Scene
from transforms.planning.rows import from_table


def fetch_ahead(
    windows: Path, scenes: Mapping[str, Scene], recipe: Recipe
) -> list[Callable[[], None]]:
    """Begin to fetch what a block's steps will read, in the order in which they will.

    Steps say what they read by a method `parts(sample)`. What cannot be foreseen (a header that
    does not come) is left to the read itself, which tells why.

    Returns:
        calls that let go of what was fetched and not read.
    """
    steps = [step for step in recipe.make if hasattr(step, "parts")]
    samples = from_table(pq.read_table(windows), scenes)
    bands: dict[Reader, list[Band]] = {}
    for band in (b for s in samples for scene in s.scenes for b in scene.bands if is_far(b)):
        bands.setdefault(reader_of(band), []).append(band)
    for reader, own in bands.items():
        reader.prepare(own)
    parts: dict[Reader, list[Part]] = {reader: [] for reader in bands}
    for part in _parts(samples, steps):
        if is_far(part.bands[0]):
            parts[reader_of(part.bands[0])].append(part)
    return [reader.expect(wanted) for reader, wanted in parts.items()]


def _parts(samples: list[Sample], steps: list[Any]) -> Iterator[Part]:
    """What each sample is read from, again where several steps read it."""
    for sample in samples:
        for step in steps:
            try:
                yield from step.parts(sample)
            except (Fault, Reject):
                continue
