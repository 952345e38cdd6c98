"""What a block will read over the network, fetched before it is read."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from catalogs.rasters import SHELF, is_remote
from catalogs.sources.chunks import Chunk
from catalogs.sources.remote import ahead
from schemas.errors import Fault, Reject
from schemas.recipes import Recipe
from schemas.samples import Sample
from schemas.scenes import Scene
from transforms.planning.rows import from_table

Box = tuple[int, int, int, int]
Part = tuple[str, int, Box]
"""(href, 1-based band, (column, row, width, height)) of something that will be read."""


def fetch_ahead(windows: Path, scenes: Mapping[str, Scene], recipe: Recipe) -> list[Chunk]:
    """Begin to fetch the tiles that a block's steps will read, in the order in which they will.

    Steps say what they read by a method `parts(sample)`. What cannot be foreseen (a header that
    does not come) is left to the read itself, which tells why.

    Returns:
        what is under way, for `Ahead.forget`.
    """
    steps = [step for step in recipe.make if hasattr(step, "parts")]
    samples = from_table(pq.read_table(windows), scenes)
    headers = dict.fromkeys(
        band.href for s in samples for scene in s.scenes for band in scene.bands
        if is_remote(band.href)
    )  # fmt: skip
    if len(headers) <= MOST_HEADERS:
        ahead().prepare(headers)
    return ahead().want(dict.fromkeys(_ranges(samples, steps)))


MOST_HEADERS = 400
"""Files whose headers are fetched together; a scene has a dozen, a block a handful of scenes."""


def _ranges(samples: list[Sample], steps: list[Any]) -> Iterator[tuple[str, int, int]]:
    """(url, start, stop) of every tile, again and again where tiles are shared."""
    for sample in samples:
        for step in steps:
            try:
                for href, index, box in step.parts(sample):
                    if is_remote(href):
                        for start, stop in SHELF.tiles(href, index, box):
                            yield href, start, stop
            except (Fault, Reject):
                continue
