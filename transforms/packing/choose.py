"""Which samples ship: what was made, what the rank cuts keep, and no near-duplicates across splits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.chance import rank
from schemas.errors import BuildError
from schemas.near import alike_pairs, cross_split_pairs, parse
from schemas.recipes import Recipe
from schemas.tables import array, member_columns
from schemas.windows import unit_vectors
from transforms.blocks import pixel_members
from transforms.packing.cuts import TopShare, Unlike, top_share
from transforms.packing.joined import Rows

SPLIT_NAMES = ("train", "val", "test")
KEPT, UNMADE = 0, 255


@dataclass
class Survey:
    """What `pack` must know of every made sample, as small columns in block order.

    Attributes:
        blocks: their rows, in order.
        starts: first row of each block in the columns, and the end.
        verdict: `KEPT`, `UNMADE`, or 1 + index into `reasons`.
    """

    blocks: list[Rows]
    starts: npt.NDArray[np.int64]
    order: npt.NDArray[np.uint64]
    split: npt.NDArray[np.int8]
    size: npt.NDArray[np.int32]
    verdict: npt.NDArray[np.uint8]
    reasons: list[tuple[str, str]] = field(default_factory=list)

    def drop(self, rows: npt.NDArray[Any], code: str, message: str) -> None:
        """Take rows out with a reason."""
        if (code, message) not in self.reasons:
            self.reasons.append((code, message))
        self.verdict[rows] = 1 + self.reasons.index((code, message))


def survey(blocks: list[Rows], recipe: Recipe, seed: int) -> Survey:
    """Read the few columns that global choices need, block by block, and make those choices."""
    sizes = [member_columns(ext)[1] for ext in pixel_members(recipe)]
    counts = [block.count() for block in blocks]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    total = int(starts[-1])
    found = Survey(
        blocks, starts, np.zeros(total, np.uint64), np.full(total, -1, np.int8),
        np.zeros(total, np.int32), np.full(total, UNMADE, np.uint8),
    )  # fmt: skip
    for number, block in enumerate(blocks):
        rows = slice(int(starts[number]), int(starts[number + 1]))
        table = block.read(["key", "split", "outcome", *sizes])
        made = table["outcome"].to_numpy(zero_copy_only=False) == "made"
        found.verdict[rows] = np.where(made, KEPT, UNMADE)
        found.order[rows] = [rank(seed, "order", k) for k in table["key"].to_pylist()]
        found.split[rows] = [SPLIT_NAMES.index(s) for s in table["split"].to_pylist()]
        for name in sizes:
            found.size[rows] += table[name].fill_null(0).to_numpy().astype(np.int32)
    if len(np.unique(found.order)) != total:
        raise BuildError("two planned samples have the same key; please report this as a bug")
    _rank_cuts(found, recipe)
    _near_duplicates(found, recipe)
    _alike(found, recipe)
    return found


def _columns(found: Survey, names: list[str]) -> pa.Table:
    return pa.concat_tables([block.read(names) for block in found.blocks])


def _rank_cuts(found: Survey, recipe: Recipe) -> None:
    for cut in (cut for cut in recipe.pack.keep if isinstance(cut, TopShare)):
        table = _columns(found, ["key", cut.column])
        scores = table[cut.column].to_numpy(zero_copy_only=False).astype(float)
        scores[found.verdict != KEPT] = np.nan
        keep = top_share(scores, table["key"].to_pylist(), cut.share)
        message = f"not among the best {cut.share:.0%} by {cut.column}"
        found.drop((found.verdict == KEPT) & ~keep, cut.code, message)


def _near_duplicates(found: Survey, recipe: Recipe) -> None:
    """Of two samples of different splits with like hashes the train one goes, else the val one."""
    if "phash" not in recipe.columns() or len(np.unique(found.split[found.verdict == KEPT])) < 2:
        return
    table = _columns(found, ["phash", "centre_lon", "centre_lat"])
    hashes, usable = parse(table["phash"].to_pylist())
    usable &= found.verdict == KEPT
    xyz = unit_vectors(table["centre_lon"].to_numpy(), table["centre_lat"].to_numpy())
    pairs = cross_split_pairs(hashes, usable, found.split.astype(np.int64), xyz)
    _drop_lower(found, pairs, "near_duplicate", "looks like a sample of another split")


def _alike(found: Survey, recipe: Recipe) -> None:
    """The same by vectors, among what is left."""
    for rule in (rule for rule in recipe.pack.keep if isinstance(rule, Unlike)):
        table = _columns(found, [rule.column, "centre_lon", "centre_lat"])
        xyz = unit_vectors(table["centre_lon"].to_numpy(), table["centre_lat"].to_numpy())
        splits = np.where(found.verdict == KEPT, found.split, -1).astype(np.int64)
        pairs = alike_pairs(array(table[rule.column]), splits, xyz, rule.cosine, rule.radius_m)
        said = (
            f"its {rule.column} is like that of a sample of another split (cosine {rule.cosine:g})"
        )
        _drop_lower(found, pairs, "alike", said)


def _drop_lower(found: Survey, pairs: npt.NDArray[np.int64], code: str, message: str) -> None:
    """Take the first of each pair by the order of the splits: train before val before test."""
    if len(pairs):
        first, second = pairs.T
        lower = np.where(found.split[first] < found.split[second], first, second)
        found.drop(np.unique(lower), code, message)


def class_weights(counts: Mapping[str, int]) -> dict[str, float]:
    """Inverse class frequency, mean 1 over all samples."""
    everyone = sum(counts.values())
    return {name: everyone / (len(counts) * n) for name, n in sorted(counts.items())}
