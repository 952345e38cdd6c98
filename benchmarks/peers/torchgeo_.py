"""torchgeo: a RasterDataset indexed by explicit boxes, one chip a query, file handles cached.

A torchvision built for CUDA lacks its compiled operators beside a torch built for the CPU, and then
fails to import; the two operators that its import asks for are declared here, and never called.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

try:
    import torchvision  # noqa: F401
except RuntimeError:
    for module in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[module]
    for operator in ("nms", "qnms"):
        torch.library.define(
            f"torchvision::{operator}",
            "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        )

import torchgeo
from torchgeo.datasets import RasterDataset

from benchmarks import contender
from benchmarks.encoding import Tars
from benchmarks.stack import BANDS, METRES, Spot, paths


class Scene(RasterDataset):
    """The stack: one file a band, found by its first band."""

    filename_glob = "B02.*"
    filename_regex = r"(?P<band>B\d\d)\.tif"
    separate_files = True
    all_bands = tuple(BANDS)


def work(spots: list[Spot], item: Path, tars: Tars) -> None:
    """Queries each chip by its box, and turns the float tensor back into uint16."""
    torch.set_num_threads(1)
    scene = Scene(str(Path(paths(item)["B02"]).parent))
    always = slice(pd.Timestamp.min, pd.Timestamp.max)
    for spot in spots:
        west, south, east, north = spot.bounds
        image = scene[west:east:METRES, south:north:METRES, always]["image"]
        tars.add(image.numpy().astype(np.uint16), spot)


if __name__ == "__main__":
    contender.main("torchgeo", torchgeo.__version__, work, "explicit boxes, tile order")
