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

    def found(self) -> npt.NDArray[np.int64]:
        """Rows that bear the mark of an earlier row, sorted."""
        later = [np.empty(0, np.int64)]
        for path in sorted(self.folder.iterdir()):
            entries = np.sort(np.fromfile(path, ENTRY), order=("mark", "row"))
            later.append(entries["row"][1:][entries["mark"][1:] == entries["mark"][:-1]])
        return np.unique(np.concatenate(later))
