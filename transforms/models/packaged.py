"""Pictures as vectors by an encoder whose weights come in a package, without torch."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from catalogs.sources.models import require
from transforms.models.encoder import Pixels, Vectors

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 128
"""Pixels of the square that the encoder looks at."""


class GeoEmbed:
    """The encoder of `geoembed` (version v3, whose weights are in the package), on the CPU.

    It was trained on aerial pictures of 0.1 to 0.2 m a pixel; what it says of much coarser ones is
    less sure. A picture is squeezed to a square of 128 px. Each is computed by itself, so a vector
    depends on its picture alone.

    Attributes:
        computed: where and with what, for provenance.
    """

    def __init__(self, identity: str) -> None:
        """Load the weights out of the package; nothing is fetched.

        Raises:
            UsageError: the package is not installed.
        """
        require([identity])
        from geoembed import Model

        self.model: Any = Model.v3(device="cpu", num_workers=0)
        versions = {name: version(name) for name in ("geoembed", "netcl", "numpy")}
        self.computed = {"model": identity, "device": "cpu", "dtype": "float32", "batch": 1,
                         "weights": self.model.version, **versions}  # fmt: skip

    def prepared(self, picture: "Image") -> Pixels:
        """The picture as the model wants to see it, `(y, x, 3)`; any thread may ask."""
        from PIL.Image import Resampling

        return np.asarray(picture.resize((SIDE, SIDE), Resampling.BILINEAR), np.uint8)

    def pictures(self, ready: Sequence[Any]) -> Vectors:
        """Unit vectors `(n, 256)` of prepared pictures.

        Args:
            ready: functions that give them.
        """
        rows = [self.model.encode(get()) for get in ready]
        return np.stack(rows).astype(np.float32) if rows else np.zeros((0, 0), np.float32)
