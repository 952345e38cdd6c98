"""Rank cuts: the best share of samples by a score."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


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
    def code(self) -> str:
        """Reason code of what is cut."""
        return f"below_top_{round(self.share * 100):g}pct_{self.column}"


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
