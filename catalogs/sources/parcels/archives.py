"""Zip files of parcels, unpacked into a scratch folder: only plain members, and no more than fits."""

import shutil
import stat
import zipfile
import zlib
from collections import Counter
from pathlib import Path, PurePosixPath

from schemas.errors import SourceError

ENDINGS = frozenset((
    ".gpkg", ".shp", ".shx", ".dbf", ".prj", ".cpg", ".parquet", ".geoparquet", ".geojson", ".json", ".fgb",
))  # fmt: skip
"""What is taken out; all else stays inside."""

EXPANSION = 500
"""Most that a member, or all of them, may grow by, once `SUSPECT`: tables padded with blanks reach 60."""

SUSPECT = 1 << 28
"""Bytes from which `EXPANSION` is held against a member, or all of them."""


def unpacked(path: Path, folder: Path) -> list[Path]:
    """The members of a zip that may hold parcels, in `folder`.

    Raises:
        SourceError: `archive_unsafe` (a member that leaves the folder, a link, or one that grows beyond
            belief), a name twice, damaged, encrypted, or more than the disk holds.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            for member in members:
                _check(path, member)
            wanted = [m for m in members if Path(m.filename).suffix.lower() in ENDINGS]
            names = Counter(member.filename for member in wanted)
            if twice := next((name for name, count in names.items() if count > 1), ""):
                raise SourceError(f"{path}: holds {twice!r} twice: nobody knows which is meant")
            need, free = sum(m.file_size for m in wanted), shutil.disk_usage(folder).free
            held = path.stat().st_size
            if need > SUSPECT and need > EXPANSION * held:
                raise SourceError(
                    f"{path}: archive_unsafe, its members grow from {held:,} to {need:,} bytes: it is "
                    "not opened"
                )
            if need > free // 2:
                raise SourceError(
                    f"{path}: archive_unsafe, unpacks to {need / 1e9:,.1f} GB and {free / 1e9:,.1f} GB "
                    "are free: make room, or unpack it yourself and name the folder"
                )
            return [_out(archive, member, folder) for member in wanted]
    except (
        zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError,
    ) as error:  # fmt: skip
        raise SourceError(f"{path} cannot be unpacked ({error}): fetch it anew") from error


def _check(path: Path, member: zipfile.ZipInfo) -> None:
    name = member.filename
    parts = PurePosixPath(name.replace("\\", "/"))
    kind = stat.S_IFMT(member.external_attr >> 16)
    why = ""
    if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[:1]:
        why = "leaves its folder"
    elif len(name) > 1 and name[1] == ":":
        why = "names a drive"
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        why = "is a link or a device"
    elif member.flag_bits & 1:
        why = "is encrypted"
    elif member.file_size > SUSPECT and member.file_size > EXPANSION * member.compress_size:
        why = f"grows from {member.compress_size:,} to {member.file_size:,} bytes"
    if why:
        raise SourceError(f"{path}: archive_unsafe, member {name!r} {why}: it is not opened")


def _out(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> Path:
    """One member on disk, in a folder like its own; never more bytes than it declares."""
    target = folder.joinpath(*PurePosixPath(member.filename.replace("\\", "/")).parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    left = member.file_size
    with archive.open(member) as source, target.open("wb") as sink:
        while chunk := source.read(1 << 20):
            left -= len(chunk)
            if left < 0:
                raise SourceError(
                    f"{archive.filename}: archive_unsafe, member {member.filename!r} is longer than it "
                    "declares: it is not opened"
                )
            sink.write(chunk)
    return target
