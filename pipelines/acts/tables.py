"""tables: OSM extracts become feature tables, one extract at a time."""

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from catalogs.files import read_json, write_json
from catalogs.sources.osm_features import feature_table
from catalogs.sources.osm_files import Expect
from pipelines.runners import run
from schemas.errors import BuildError, LoomError, UsageError


@dataclass(frozen=True)
class Tables:
    """What is made of each extract.

    Attributes:
        target: a `.parquet` file for one extract, or a folder.
        records: folder with a record for each extract: bytes read so far, then the table's path or
            what went wrong.
        md5: expected checksum of the one extract, "" when unknown.
        keys: None for everything tagged.
    """

    target: Path
    records: Path
    md5: str
    keys: tuple[str, ...] | None
    memory_mb: int
    workers: int
    licence: str
    attribution: str

    def __call__(self, element: tuple[int, Path]) -> None:
        """Make the table of one extract, and its record.

        Raises:
            UsageError: the command line is wrong for every extract, or `target` cannot be written.
        """
        number, extract = element

        def record(read: int, **facts: str) -> None:
            write_json(self.records / f"{number}.json", {"read": read, **facts})

        try:
            table = feature_table(
                extract, self.target, keys=self.keys, memory_mb=self.memory_mb,
                workers=self.workers, licence=self.licence, attribution=self.attribution,
                expect=Expect(md5=self.md5) if self.md5 else None,
                on_progress=lambda done, _: record(done),
            )  # fmt: skip
        except UsageError:
            raise
        except OSError as error:
            one = self.target.suffix == ".parquet" and not self.target.is_dir()
            folder = self.target.parent if one else self.target
            barred = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
            at = Path(error.filename or extract)
            way = {folder, *folder.parents}
            if barred and at != extract and (at in way or folder in at.parents):
                raise UsageError(
                    f"--out {self.target}: {folder} cannot be written ({error.strerror}); name another"
                ) from error
            raise
        except LoomError as error:
            record(0, error=str(error))
        else:
            record(extract.stat().st_size, table=str(table.path))


def tables(extracts: Sequence[Path], work: Tables) -> list[Path]:
    """The tables of all extracts, in their order.

    Raises:
        BuildError: some could not be made; the others are.
    """
    run("osm", list(enumerate(extracts)), work)
    found = [read_json(work.records / f"{number}.json") for number in range(len(extracts))]
    wrong = [record["error"] for record in found if "error" in record]
    if wrong:
        of = "" if len(extracts) == 1 else f"{len(wrong)} of {len(extracts)} tables were not made: "
        raise BuildError(of + "; ".join(wrong))
    return [Path(record["table"]) for record in found]


def megabytes(records: Path) -> int:
    """How much of all extracts has been read, from their records."""
    found = (read_json(path)["read"] for path in records.glob("[0-9]*.json"))
    return sum(map(int, found)) // 1_000_000
