"""Which lidar shots are good enough: named rules, each on columns of many shots at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Mask = npt.NDArray[np.bool_]


class Columns:
    """Columns of a table of shots, where a missing value meets no rule."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def where(self, name: str, rule: Callable[[npt.NDArray[Any]], Any]) -> Mask:
        """Shots that have a value of the column, and one that meets the rule."""
        column = self.table[name].combine_chunks()
        there = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), bool)
        values = column.fill_null(0).to_numpy(zero_copy_only=False)
        return np.asarray(there & np.asarray(rule(values), bool))

    def known(self, name: str) -> Mask:
        """Shots that have a value of the column."""
        column = self.table[name].combine_chunks()
        return np.asarray(column.is_valid().to_numpy(zero_copy_only=False), bool)

    def equal(self, name: str, text: str) -> Mask:
        """Shots whose column of texts says so."""
        return np.asarray(self.table[name].to_numpy(zero_copy_only=False) == text, bool)


@dataclass(frozen=True, slots=True)
class Predicate:
    """A named rule.

    Attributes:
        code: reason code of the shots that do not meet it.
        message: one sentence.
        passes: which of many shots meet it.
    """

    code: str
    message: str
    passes: Callable[[Columns], Mask]


def included(degrade: npt.NDArray[np.int64]) -> Mask:
    """Whether release 003 would include shots of these `degrade_flag`s, by their two digits.

    GEDI L4A V3 user guide: tens 0, 1, 2, 3, 4 or 6 and units 0, 3 or 8.
    """
    flags = np.asarray(degrade)
    sane = (flags >= 0) & (flags < 100)
    return np.asarray(
        sane & np.isin(flags // 10, (0, 1, 2, 3, 4, 6)) & np.isin(flags % 10, (0, 3, 8))
    )


def undegraded(shots: Columns) -> Mask:
    """`degrade_flag` 0; of release 003 `degrade_include_flag` 1, or the rule behind it."""
    third = shots.equal("version", "V3")
    stated = shots.known("degrade_include_flag")
    by_flag = np.where(
        stated,
        shots.where("degrade_include_flag", lambda v: v == 1),
        shots.where("degrade_flag", included),
    )
    return np.asarray(np.where(third, by_flag, shots.where("degrade_flag", lambda v: v == 0)))


def produced(shots: Columns, least: int) -> Mask:
    """Of release 002 those of a production of at least `least`, or of one that no name tells."""
    second = shots.equal("version", "V2")
    number = shots.table["production"].to_numpy()
    return np.asarray(~second | (number == 0) | (number >= least))


def firsts(shots: Columns, predicates: tuple[Predicate, ...]) -> npt.NDArray[np.int64]:
    """The place of the first predicate that each shot does not meet; their number for shots that meet all."""
    found = np.full(len(shots), len(predicates), np.int64)
    for place in reversed(range(len(predicates))):
        found[~predicates[place].passes(shots)] = place
    return found
