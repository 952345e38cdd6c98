"""What ships by a column: the best share by a score (`TopShare`), what no other split shows (`Unlike`)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.recipes import at_least, within


@dataclass(frozen=True)
class TopShare:
    """Keep the best share of samples by a score column of the sidecars; ties go to the lower key.

    Attributes:
        column: a float fact; samples without a score (null, NaN) are cut.
        share: in (0, 1].
    """

    column: str
    share: float

    def __post_init__(self) -> None:
        """Refuse a share that keeps nothing, or more than there is."""
        if not 0 < self.share <= 1:
            raise ValueError(f"cuts.TopShare.share={self.share:g}: must be above 0 and at most 1")

    @property
    def takes(self) -> str:
        """How the type of its column begins."""
        return "float64"

    @property
    def code(self) -> str:
        """Reason code of what is cut."""
        return f"below_top_{round(self.share * 100):g}pct_{self.column}"


@dataclass(frozen=True)
class Unlike:
    """Of two samples of different splits whose vectors are alike, the train one goes, else the val one.

    Beside the perceptual hash, which finds the same pixels: vectors also find a picture that was
    shifted, taken again or brightened. Vectors of all samples are held at once (4 bytes a number).

    Attributes:
        column: a vector, e.g. of `embeddings.Images`.
        cosine: at least this is alike. It depends on the model: measure it on known copies. For
            `geoembed` 0.85 keeps copies that were recompressed or shifted by 8 px apart from other chips.
        radius_m: greatest distance of the centres, metres.
    """

    column: str = "image_embedding"
    cosine: float = 0.85
    radius_m: float = 25_000.0

    def __post_init__(self) -> None:
        """Refuse a cosine that is none, or that calls everything alike."""
        within("cuts.Unlike.cosine", self.cosine, 0, 1)
        at_least("cuts.Unlike.radius_m", self.radius_m, 0)

    @property
    def takes(self) -> str:
        """How the type of its column begins."""
        return "vector:"


def top_share(
    scores: npt.NDArray[np.float64], keys: Sequence[str], share: float
) -> npt.NDArray[np.bool_]:
    """Which rows are among the best `share` (rounded up), ties broken by key.

    A smaller share is always a subset of a larger one.
    """
    scored = np.flatnonzero(~np.isnan(scores))
    most = int(np.ceil(share * len(scored) - 1e-9))
    order = sorted(scored.tolist(), key=lambda i: (-scores[i], keys[i]))
    keep = np.zeros(len(scores), bool)
    keep[order[:most]] = True
    return keep
