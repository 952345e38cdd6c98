"""The networks of ukis-csmask, loaded once a process: reflectance to cloud and shadow.

The package's own class loads its weights anew for every image. Here its weights, its statistics and
its tiling are used with one session a process, on one thread, so that the same chip always gives the
same numbers.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import UsageError

Classes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

SIDE, OVERLAP = 256, 0.2
"""Pixels of the tiles that the networks were taught with, and the share of them that two have in common."""

_LOCK = Lock()


@dataclass(frozen=True)
class Network:
    """A network in memory.

    Attributes:
        name: package, version and file, for provenance.
        bands: common names of what it reads, in its order.
        mean, std: of its training data by band, reflectance, shape (band,).
    """

    name: str
    bands: tuple[str, ...]
    mean: Floats
    std: Floats
    session: Any

    def classes(self, reflectance: Floats) -> Classes:
        """0 clear, 1 cloud, 2 shadow, `(y, x)`.

        Args:
            reflectance: `(band, y, x)`, 0 to 1, in the order of `bands`.
        """
        from ukis_csmask.utils import tile_array, untile_array

        pixels = (np.moveaxis(reflectance, 0, -1) - self.mean) / self.std
        tiles = tile_array(pixels.astype(np.float32), xsize=SIDE, ysize=SIDE, overlap=OVERLAP)
        told = [self._logits(tile) for tile in tiles]
        shape = (*pixels.shape[:2], told[0].shape[-1])
        whole = untile_array(np.stack(told), shape, overlap=OVERLAP, smooth_blending=True)
        return np.asarray(np.argmax(whole, axis=2), np.uint8)

    def _logits(self, tile: Floats) -> Floats:
        """Probabilities `(y, x, class)` of one tile `(y, x, band)`."""
        name = self.session.get_inputs()[0].name
        (found,) = self.session.run(None, {name: np.moveaxis(tile, -1, 0)[None]})
        grown = np.exp(found[0] - found[0].max(axis=0))
        return np.asarray(np.moveaxis(grown / grown.sum(axis=0), 0, -1), np.float32)


def network(level: str, bands: int) -> Network:
    """The network of a processing level.

    Args:
        level: `l1c` or `l2a`.
        bands: 4 or 6.

    Raises:
        UsageError: the package is not installed.
    """
    with _LOCK:
        return _loaded(level, bands)


@lru_cache(maxsize=4)
def _loaded(level: str, bands: int) -> Network:
    spec = find_spec("ukis_csmask")
    if spec is None or not spec.submodule_search_locations or find_spec("onnxruntime") is None:
        raise UsageError(
            "segmenting.Clouds needs ukis-csmask and onnxruntime, which are not installed: "
            "pip install 'earthloom[clouds]'"
        )
    import onnxruntime

    path = Path(next(iter(spec.submodule_search_locations))) / f"model_{bands}b_{level}.onnx"
    stated = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["data"]
    mean, std = (np.asarray(row, np.float32) for row in stated["dataset_statistics"]["img"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(path), sess_options=options, providers=["CPUExecutionProvider"]
    )
    name = f"ukis-csmask {version('ukis-csmask')} {path.stem}"
    return Network(name, tuple(stated["dataset_statistics"]["band_names"]), mean, std, session)
