"""An OSM extract as a feature table: a GeoParquet file sorted in space, made once.

The table's bytes follow from the extract, the keys and the code alone. It appears under its name
when it is whole; what a killed run leaves behind is removed by the next one.
"""

import fcntl
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from catalogs.files import atomic, sha256
from catalogs.processes import Crew
from catalogs.runs import Runs
from catalogs.sources.feature_table import FeatureTable, about_of, drops_beside
from catalogs.sources.feature_writer import write, write_drops
from catalogs.sources.osm_files import Expect, Extract, as_pbf, inspect
from catalogs.sources.osm_means import PRELOADED, budget, warmed
from catalogs.sources.osm_reader import asked, blocks
from catalogs.sources.osm_rows import NODE, RELATION, WAY, Maker
from catalogs.sources.osm_sorting import Stats
from catalogs.sources.osm_work import Done, Job, Work, is_sorted, phases, spans
from catalogs.sources.pbf_file import Pbf
from schemas.chance import digest
from schemas.errors import SourceError, UsageError

ROW_BYTES = 300
"""What a row takes while it is sorted, about."""

LICENCE = "ODbL-1.0"
CREDIT = "© OpenStreetMap contributors"


def feature_table(
    extract: Path,
    target: Path,
    *,
    keys: Collection[str] | None = None,
    memory_mb: int = 700,
    workers: int = 1,
    licence: str = LICENCE,
    attribution: str = CREDIT,
    expect: Expect | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> FeatureTable:
    """The feature table of an extract, made unless it is there.

    Beside `TABLE.parquet` lies `TABLE.drops.parquet` (`osm_sorting.DROPS`): the objects asked for
    that cannot be rows, with reasons.

    Args:
        target: a `.parquet` file, or a folder: the table's name in it then ends in the start of its
            address, the hash of extract, keys and code.
        keys: only objects with one of these; None for all with a tag that may leave the reader.
        memory_mb: what all processes together may take; see `osm_means.budget`.
        workers: processes; `osm_means.processes` says how many are worth it.
        on_progress: called with bytes of the extract that have been read, and their number.

    Raises:
        SourceError: the extract is missing, damaged, or neither sorted nor small.
        UsageError: no keys, too little memory, or another file has the table's name.
        BuildError: a worker process died.
        OSError: the disk is full, or cannot be written.
    """
    wanted = asked(keys)
    memory = budget(memory_mb, workers)
    warmed(workers)
    source = inspect(extract, expect)
    about = _about(source, wanted, licence, attribution)
    path = placed_at(target, extract, about["address"])
    if _is_there(path, about["address"]):
        return FeatureTable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with scratch(path) as folder, as_pbf(extract, folder) as pbf:
        job = Job(pbf.path, folder, wanted, memory, workers)
        stats = _read(job, pbf, on_progress or (lambda done, total: None))
        part_rows = max(memory // (16 * ROW_BYTES), 4096)
        with atomic(drops_beside(path)) as sink:
            write_drops(sink, Runs(folder / "drops"), part_rows)
        about |= {
            "rows": stats.rows,
            "drops": dict(sorted(stats.drops.items())),
            "drops_sha256": sha256(drops_beside(path)),
        }
        with atomic(path) as sink:
            write(sink, Runs(folder / "rows"), stats, about, part_rows)
    return FeatureTable(path)


def placed_at(target: Path, extract: Path, address: str) -> Path:
    """The table's file."""
    if target.suffix == ".parquet" and not target.is_dir():
        return target
    stem = extract.name
    for ending in (".bz2", ".gz", ".pbf", ".osm"):
        stem = stem.removesuffix(ending)
    return target / f"{stem}-{address[:12]}.parquet"


def _about(
    source: Extract, keys: frozenset[str] | None, licence: str, attribution: str
) -> dict[str, Any]:
    made_of = {
        "name": source.path.name,
        "sha256": source.sha256,
        "size": source.size,
        "timestamp": source.timestamp,
        "bbox": source.bbox,
        "verified": not source.note,
    }
    listed = None if keys is None else sorted(keys)
    named = {"extract": made_of, "keys": listed, "licence": licence, "attribution": attribution}
    return {**named, "address": digest(named, code_version())[:32]}


@cache
def code_version() -> str:
    """A hash of all that may change a table: the code of this package, and the libraries' versions."""
    root = Path(__file__).resolve().parents[2]
    files = [
        root / "schemas" / "text.py",
        root / "schemas" / "curves.py",
        root / "schemas" / "geo.py",
        root / "schemas" / "tables.py",
        root / "catalogs/geoparquet.py",
        root / "catalogs/runs.py",
    ]
    for pattern in (
        "osm_*.py",
        "pbf_*.py",
        "feature_writer.py",
        "protobuf.py",
        "ragged.py",
        "arrow.py",
    ):
        files.extend(Path(__file__).parent.glob(pattern))
    texts = [(path.name, path.read_text(encoding="utf-8")) for path in sorted(files)]
    libraries = [(name, version(name)) for name in ("numpy", "pyarrow", "shapely")]
    return digest(texts, libraries)[:16]


def _is_there(path: Path, address: str) -> bool:
    """Whether the table stands.

    Raises:
        UsageError: something else has its name.
    """
    if not path.exists():
        return False
    try:
        found = about_of(path)
    except SourceError:
        found = None
    if found is None:
        raise UsageError(f"{path} exists and is no feature table: name another file, or remove it")
    return bool(found["address"] == address) and drops_beside(path).exists()


def _read(job: Job, pbf: Pbf, on_progress: Callable[[int, int], None]) -> Stats:
    """Rows and drops of an extract as sorted runs."""
    for name in ("rows", "drops", "shelf"):
        (job.folder / name).mkdir()
    stats = _by_many(job, pbf, on_progress)
    if stats is None:  # in no order: one process reads it from the start, holding all nodes
        if pbf.path.stat().st_size * 3 > job.memory:
            raise SourceError(
                f"{pbf.path} is not sorted by type and id, and too big to be read so: sort it with "
                "`osmium sort`, or give more --memory"
            )
        for name in ("rows", "drops"):
            shutil.rmtree(job.folder / name)
            (job.folder / name).mkdir()
        sorter = Work(job, "one").sorter
        for rows in blocks(pbf, Maker(job.keys, sorter.drop)):
            sorter.add(rows)
        stats = sorter.finish()
    return stats


def _by_many(job: Job, pbf: Pbf, on_progress: Callable[[int, int], None]) -> Stats | None:
    """As `_read` for a sorted extract; None for any other."""
    ranges = phases(pbf)
    points, ways, relations, needed = (
        [(method, *span) for span in spans(ranges[kind], job.workers)]
        for method, kind in (("points", NODE), ("ways", WAY), ("relations", RELATION),
                             ("needed", RELATION))
    )  # fmt: skip
    read, total = 0, sum(size for _, size in pbf.places)
    done: list[list[Done]] = []
    with Crew(job.workers, Work, job, preload=PRELOADED) as crew:
        for tasks in (needed + points, ways, relations):
            done.append([])
            found = [np.empty(0, np.int64)]
            for piece in crew.map(tasks):
                if isinstance(piece, Done):
                    done[-1].append(piece)
                    read += piece.bytes
                    on_progress(min(read, total), total)
                else:
                    found.append(piece)
            if len(done) == 1:
                np.unique(np.concatenate(found)).tofile(job.folder / "shelf" / "wanted")
            if not is_sorted(done, ranges):
                return None
        stats = Stats()
        for part in crew.each("finish"):
            stats.add(part)
        return stats


@contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """A folder beside `path` that is removed at the end; those of dead processes are removed too."""
    for old in path.parent.glob(f".{path.name}.*.work"):
        with _held(old) as mine:
            if mine:
                shutil.rmtree(old, ignore_errors=True)
    folder = Path(mkdtemp(prefix=f".{path.name}.", suffix=".work", dir=path.parent))
    with _held(folder):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Hold a folder as long as this process lives; False where another one does."""
    with (folder / "held").open("wb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
