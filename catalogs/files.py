"""Files that are whole or absent: write to a temporary name, sync, move into place."""

import errno
import fcntl
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from schemas.errors import UsageError

CHUNK = 1 << 20


def sha256(path: Path) -> str:
    """SHA-256 of a file in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def cache_folder() -> Path:
    """Where what is made once is kept: $EARTHLOOM_CACHE, else $XDG_CACHE_HOME/earthloom, else
    ~/.cache/earthloom.
    """
    if own := os.environ.get("EARTHLOOM_CACHE"):
        return Path(own)
    xdg = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(xdg) if xdg else Path.home() / ".cache") / "earthloom"
    except RuntimeError as error:
        raise FileNotFoundError(errno.ENOENT, "there is no home folder", "~") from error


@contextmanager
def cache_faults(what: str) -> Iterator[None]:
    """Tell of a cache that cannot be written in one sentence; `what` is its subject and verb.

    Raises:
        UsageError: it cannot.
    """
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise UsageError(
            f"{what} the cache ({where}{error.strerror or error}); name another folder in "
            "EARTHLOOM_CACHE"
        ) from error


def cache_place(name: str, what: str) -> Path:
    """The cache's folder of that name, made where there is none.

    Raises:
        UsageError: it cannot be written; `what` is the subject of the sentence.
    """
    with cache_faults(f"{what} cannot be kept in"):
        place = cache_folder() / name
        place.mkdir(parents=True, exist_ok=True)
    return place


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let one process at a time make what is to lie at `path`; the others wait, and find it made.

    On a file system without locks they all make it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    while True:
        stream = lock.open("wb")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if _same(stream, lock):  # else the one before has removed what was waited for
                break
            stream.close()
        except OSError:
            break
    with stream:
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _same(stream: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """A binary stream whose content appears under `path` only when the block ends without error.

    The temporary name begins with a dot, ends in `.part` and lies beside `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part")
    try:
        with part.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` atomically."""
    with atomic(path) as stream:
        stream.write(data)


def json_bytes(value: Any) -> bytes:
    """Canonical, readable JSON: sorted keys, two blanks, one newline at the end, UTF-8."""
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, default=str)
    return (text + "\n").encode()


def write_json(path: Path, value: Any) -> None:
    """Write `json_bytes(value)` atomically."""
    write_bytes(path, json_bytes(value))


def read_json(path: Path) -> Any:
    """The JSON value stored in `path`."""
    return json.loads(path.read_text(encoding="utf-8"))


def clean_parts(folder: Path) -> int:
    """Remove `.part` files that dead runs left below `folder`; returns how many."""
    parts = list(folder.rglob(".*.part"))
    for part in parts:
        part.unlink(missing_ok=True)
    return len(parts)
