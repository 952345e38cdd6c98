"""Farmers' declarations of crops by parcel: registers of many countries as one table, made once.

A sidecar beside a file says what its columns mean: `FILE.parcels.json` for `FILE.zip` and the like.
Without one, known registers are recognised by their columns (`profiles.PROFILES`), and `parcels.json`
of the folder tells it of all others. The keys of both are those of `profiles.SIDECAR`:

    {"id": "PARZ_ID", "name": "KULTUR", "area": "FLAECHE_HA", "unit": "ha", "year": "JAHR",
     "country": "XE", "code_list": "XE", "licence": "CC0-1.0", "attribution": "..."}

The table lies in the user's cache under a name that follows from the files' content, the terms and
the code alone, and it appears there when it is whole.
"""

import json
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile

import pyarrow.parquet as pq

from catalogs.files import alone, atomic, cache_faults, cache_place, sha256, write_json
from catalogs.sources.osm_features import scratch
from catalogs.sources.parcels.columns import COLUMNS, DROPS
from catalogs.sources.parcels.encoding import EncodingError
from catalogs.sources.parcels.files import files_of, parts_of, sidecars
from catalogs.sources.parcels.making import collected, ordered, write
from catalogs.sources.parcels.overlaps import overlapping
from catalogs.sources.parcels.reader import META, Parcels, drops_beside
from catalogs.sources.parcels.telling import facts, geo, lost_of
from catalogs.sources.terms import Override
from schemas.chance import digest
from schemas.errors import SourceError

__all__ = ["COLUMNS", "DROPS", "EncodingError", "Parcels", "open_parcels"]


SHAPING = (
    "catalogs/geoparquet.py", "catalogs/runs.py", "catalogs/sources/feature_files.py",
    "catalogs/sources/feature_matching.py", "catalogs/sources/terms.py",
    "catalogs/sources/vector_kinds.py", "schemas/curves.py", "schemas/licences.py",
    "schemas/tables.py", "schemas/windows.py",
)  # fmt: skip
"""Modules outside of this package that may change a table."""

STAGE_MB = 24
"""Megabytes of neighbours that are held while overlaps are looked for."""


def open_parcels(location: Path, terms: Override | None = None) -> Parcels:
    """The parcels of a file, or of all files of a folder, as a table that is made unless it is there.

    Args:
        terms: licence and credit line for files that declare none.

    Raises:
        SourceError: see `files.tables`, `settings.settled` and `rows.Rows`; no row is a parcel.
        UsageError: a sidecar is wrong, the licence differs from what a file declares, or the cache
            cannot be written.
    """
    terms = terms or Override()
    location = Path(location)
    files = files_of(location)
    place = cache_place("parcels", "the table of parcels")
    sums = {str(path): _sum_of(path, place) for path in files}
    root = location if location.is_dir() else location.parent
    address = digest(
        [(path.relative_to(root).as_posix(), sums[str(path)][0]) for path in files],
        [(path.relative_to(root).as_posix(), sha256(path)) for path in sidecars(files)],
        [terms.licence, terms.attribution],
        code_version(),
    )[:32]
    stem = location.name.split(".")[0] or "parcels"
    path = place / f"{stem}-{address[:12]}.parquet"
    if not _made(path):
        with cache_faults("the table of parcels cannot be kept in"):
            TemporaryFile(dir=place).close()
        with alone(path):
            if not _made(path):
                _make(files, terms, path, address, sums)
    return Parcels(path)


def _make(
    files: list[Path],
    terms: Override,
    path: Path,
    address: str,
    sums: dict[str, tuple[str, int]],
) -> None:
    with scratch(path) as folder, atomic(drops_beside(path)) as lost:
        with pq.ParquetWriter(lost, DROPS, compression="zstd") as drops:
            made = collected(files, terms, folder, drops)
            stage = folder / "stage.parquet"
            kept = write(ordered(folder, files, drops, made.counts), stage)
        made.counts["kept"] = kept
        lost_before = made.counts["geometry"] + made.counts["bounds"]
        made.counts["duplicate"] = made.counts["read"] - lost_before - kept
        if not kept:
            raise SourceError(
                f"{files[0]} has no row that is a parcel ({made.counts['read']:,} read, "
                f"{made.counts['geometry']:,} without a sound outline, {made.counts['bounds']:,} "
                "out of bounds): give another file"
            )
        if kept < made.counts["read"]:
            made.notes.append(lost_of(made.counts))
        staged = Parcels(stage, STAGE_MB)
        outlines = geo(staged)
        with atomic(path) as sink:
            write(
                overlapping(staged, made.counts),
                sink,
                lambda: {b"geo": outlines, META: facts(made, address, sums)},
            )


def _made(path: Path) -> bool:
    return path.exists() and drops_beside(path).exists()


def _sum_of(path: Path, place: Path) -> tuple[str, int]:
    """SHA-256 and size of a register; of several files over their names and sums."""
    parts = parts_of(path)
    size = sum(part.stat().st_size for part in parts)
    if len(parts) == 1:
        return _sum(path, place), size
    return digest([(part.name, _sum(part, place)) for part in parts]), size


def _sum(path: Path, place: Path) -> str:
    """SHA-256 of a file, kept by its name, size and times, so that a large one is read once."""
    status = path.stat()
    name = digest(
        str(path.resolve()), status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
    )[:32]
    kept = place / "sums" / f"{name}.json"
    try:
        return str(json.loads(kept.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        found = sha256(path)
        with suppress(OSError):  # the next one reads the file again
            write_json(kept, found)
        return found


@cache
def code_version() -> str:
    """A hash of all that may change a table: the code of this package, and the libraries' versions."""
    root = Path(__file__).resolve().parents[3]
    files = [*sorted(Path(__file__).parent.glob("*.py")), *(root / name for name in SHAPING)]
    texts = [(path.name, path.read_text(encoding="utf-8")) for path in files]
    names = ("numpy", "pyarrow", "pyogrio", "pyproj", "shapely")
    libraries = [(name, version(name)) for name in names]
    return digest(texts, libraries)[:16]
