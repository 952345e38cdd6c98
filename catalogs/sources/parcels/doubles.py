"""Which rows are on the list twice, found on disk: eight bytes of each mark, in 64 piles."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

PILES = 64

ENTRY = np.dtype([("mark", "<u8"), ("row", "<i8")])


class Doubles:
    """Marks of rows, in a folder that may hold some already."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder

    def add(self, marks: Iterable[bytes], rows: npt.NDArray[np.int64]) -> None:
        """Note the mark of each row."""
        entries = np.empty(len(rows), ENTRY)
        sums = b"".join(hashlib.blake2b(mark, digest_size=8).digest() for mark in marks)
        entries["mark"], entries["row"] = np.frombuffer(sums, "<u8"), rows
        piles = entries["mark"] >> np.uint64(58)
        for pile in np.unique(piles).tolist():
            with (self.folder / f"{pile:02d}").open("ab") as sink:
                entries[piles == pile].tofile(sink)

    def shared(self) -> npt.NDArray[np.void]:
        """`ENTRY` of all rows whose mark another row bears too, sorted by mark and row.

        Memory grows with such rows, not with all.
        """
        found = [np.empty(0, ENTRY)]
        for path in sorted(self.folder.iterdir()):
            entries = np.sort(np.fromfile(path, ENTRY), order=("mark", "row"))
            same = entries["mark"][1:] == entries["mark"][:-1]
            found.append(entries[np.append(same, False) | np.insert(same, 0, False)])
        return np.concatenate(found)


def repeated(entries: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
    """Of rows with shared marks, those that do not come first, sorted."""
    again = entries["mark"][1:] == entries["mark"][:-1]
    return np.unique(entries["row"][1:][again])


def later(entries: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
    """Of rows with shared marks, those that bear one of an earlier row that is not itself among them.

    Args:
        entries: `ENTRY`, sorted by mark and row, one for each mark of a row.
    """
    lost = [np.empty(0, np.int64)]
    while len(entries):
        first = np.insert(entries["mark"][1:] != entries["mark"][:-1], 0, True)
        rows, which = np.unique(entries["row"], return_inverse=True)
        stays = np.bincount(which, weights=~first) == 0  # it comes first wherever it is
        group = np.cumsum(first) - 1
        goes = np.zeros(len(rows), bool)
        goes[which[~first & stays[which[first]][group]]] = True
        lost.append(rows[goes])
        entries = entries[~(stays | goes)[which]]
    return np.sort(np.concatenate(lost))
