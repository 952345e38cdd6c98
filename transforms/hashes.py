"""Perceptual hashes, by which near-duplicate chips are found."""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

from schemas.samples import Image, Sample
from transforms.context import Context

SIDE, KEPT = 32, 8


@cache
def _cosines() -> npt.NDArray[np.float64]:
    """The first `KEPT` rows of the orthonormal DCT-II matrix of size `SIDE`."""
    n = np.arange(SIDE)
    k = np.arange(KEPT)[:, None]
    rows = np.cos(np.pi * (2 * n + 1) * k / (2 * SIDE)) * np.sqrt(2 / SIDE)
    rows[0] /= np.sqrt(2)
    return np.asarray(rows)


def shrink(picture: npt.NDArray[np.float32], side: int = SIDE) -> npt.NDArray[np.float64]:
    """Means over a `side` x `side` partition of a (y, x) picture (smaller ones are repeated up)."""
    height, width = picture.shape
    if height < side or width < side:
        picture = np.kron(picture, np.ones((-(-side // height), -(-side // width)), np.float32))
        height, width = picture.shape
    rows = np.add.reduceat(picture, np.arange(side) * height // side, axis=0)
    both = np.add.reduceat(rows, np.arange(side) * width // side, axis=1)
    tall = np.diff(np.append(np.arange(side) * height // side, height))
    wide = np.diff(np.append(np.arange(side) * width // side, width))
    return np.asarray(both / np.outer(tall, wide), float)


def perceptual(image: Image, least: float = 4.0) -> str:
    """64-bit pHash in hex: which of the 8 x 8 lowest DCT terms (but the mean) exceed their median.

    Method: Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions (2010).

    Args:
        image: its first three bands are averaged, of a stack on its clearest date; NaN is black.
        least: spread of the 32 x 32 thumbnail, in 8-bit display steps, below which "" comes back:
            flat chips of different places hash alike.
    """
    image = image.clearest()
    low, high = image.display
    picture = image.array[:3].mean(axis=0, dtype=np.float32)
    if not np.isfinite(picture).all():
        picture = np.where(np.isfinite(picture), picture, np.float32(low))
    small = shrink(picture)
    if small.std() / (high - low) * 255 < least:
        return ""
    terms = _cosines() @ small @ _cosines().T
    flat = terms.ravel()
    bits = flat > np.median(flat[1:])
    bits[0] = False
    return f"{int(''.join('1' if b else '0' for b in bits), 2):016x}"


@dataclass(frozen=True)
class Perceptual:
    """Gives `phash`, 16 hex digits; "" where the chip is too flat to be compared.

    Attributes:
        least: see `perceptual`.
    """

    least: float = 4.0
    needs: tuple[str, ...] = field(default=("image",), init=False)
    gives: dict[str, str] = field(default_factory=lambda: {"phash": "string"}, init=False)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its hash."""
        sample.facts["phash"] = perceptual(sample.images["image"], self.least)
        return sample
