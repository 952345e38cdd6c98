"""The work area: who works in it, with which settings, and whether it can be written at all."""

import json
import os
import shutil
import socket
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from catalogs.files import read_json
from schemas.errors import BuildError, UsageError

SEARCHES = "plan/search"
"""Where in the work area the answers of catalogues lie."""

RETRYING = "retrying"
"""Marks, in the work area, a release whose failures are being retried: it is not up to date."""


def preflight(out: Path) -> None:
    """Prove that `out` can be written, before anything is read.

    Raises:
        UsageError: it cannot, with the system's reason.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".probe-{uuid.uuid4().hex}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written ({error.strerror})") from error


class Lock:
    """One process works in a folder at a time; a dead process's lock is taken over.

    Attributes:
        peers: ending of names of locks that others may hold at the same time. A build shares its
            folder with nobody, a slice with the other slices of as many.
    """

    def __init__(self, path: Path, peers: str = "") -> None:
        self.path, self.peers = path, peers
        self.note = ""

    def __enter__(self) -> "Lock":
        """Take the lock.

        Raises:
            BuildError: a living process holds it; names its pid, host and since when.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        mine = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now(), "born": _born()}
        own = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}.claim")
        own.write_text(json.dumps(mine))
        try:
            while True:
                try:
                    os.link(own, self.path)  # appears with its content: nobody sees half a lock
                except FileExistsError:
                    self._judge()
                    continue
                break
        finally:
            own.unlink(missing_ok=True)
        try:  # both of two rivals hold their own lock by now: at least one sees the other
            for other in sorted(self.path.parent.glob("lock*")):
                if other != self.path and not (self.peers and other.name.endswith(self.peers)):
                    self._refuse_living(other)
        except BuildError:
            self.path.unlink(missing_ok=True)
            raise
        return self

    def _refuse_living(self, path: Path) -> tuple[str, Any]:
        """The content of a lock whose holder is gone.

        Raises:
            BuildError: its holder lives, or cannot be asked.
        """
        try:
            text = path.read_text()
        except OSError:
            return "", None
        other: dict[str, Any] = {"pid": 0, "host": socket.gethostname(), "since": "?", "born": ""}
        with suppress(ValueError, TypeError):
            other |= json.loads(text)
        here = other["host"] == socket.gethostname()
        if not here or _alive(other["pid"], other["born"]):
            raise BuildError(
                f"{path.parent} is locked by process {other['pid']} on {other['host']} "
                f"since {other['since']}; wait for it, or use another --out"
            )
        return text, other

    def _judge(self) -> None:
        text, other = self._refuse_living(self.path)
        if other is None:
            return
        gone = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex}.gone")
        with suppress(FileNotFoundError):
            self.path.rename(gone)
            if gone.read_text() != text:  # another process was quicker: its lock, not the dead one
                with suppress(FileExistsError):
                    os.link(gone, self.path)
            gone.unlink()
        self.note = f"took over the lock of process {other['pid']}, which is gone"

    def __exit__(self, *_: object) -> None:
        """Give the lock back."""
        self.path.unlink(missing_ok=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _born(pid: int | str = "self") -> str:
    """When a process began, in the kernel's ticks: tells a reused pid from the old one."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    return ""


def _alive(pid: int, born: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's: perhaps the same process, perhaps its number again
        pass
    except (OverflowError, ValueError):
        return False
    return pid > 0 and (not born or _born(pid) == born)


def check_settings(path: Path, settings: dict[str, Any], ignore: tuple[str, ...] = ()) -> None:
    """Refuse other settings than those that the output was begun with, but for keys in `ignore`.

    Raises:
        UsageError: naming every key that changed, with old and new value, and the sources whose
            files changed.
    """
    if not path.exists():
        return
    old, settings = read_json(path), json.loads(json.dumps(settings, default=str))
    changed = [
        k for k in sorted({*old, *settings}) if k not in ignore and old.get(k) != settings.get(k)
    ]
    if changed == ["limit"] and old["limit"]:
        raise UsageError(
            f"{path.parent.parent} holds a taste (--limit {old['limit']}); "
            "use another --out, or --overwrite to replace it"
        )
    if changed == ["files"]:
        before, now = old.get("files") or {}, settings["files"]
        roles = [k for k in sorted({*before, *now}) if before.get(k) != now.get(k)]
        raise UsageError(
            f"{path.parent.parent} was built from other files: size or time of {' and '.join(roles)} "
            "changed since; use another --out, or --overwrite to build anew from what is there now"
        )
    if changed:
        shown = "; ".join(
            f"{k}: {_short(old.get(k))} -> {_short(settings.get(k))}"
            for k in changed if k != "files"
        )  # fmt: skip
        raise UsageError(
            f"{path.parent.parent} was built with other settings ({shown}); "
            "use another --out, or --overwrite to build anew"
        )


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."


def finished(target: Path, work: Path) -> bool:
    """Whether the release stands whole; a pointer that a crash left unwritten is written now.

    Raises:
        BuildError: a released file is missing or of another size.
    """
    from catalogs.releases.manifest import point

    if not (target / "manifest.json").exists() or (work / RETRYING).exists():
        return False
    for entry in read_json(target / "manifest.json")["files"]:
        path = target / entry["path"]
        if not path.is_file() or path.stat().st_size != entry["bytes"]:
            raise BuildError(
                f"{path} is missing or cut, so {target} is damaged; "
                "--overwrite builds it anew, pipelines.verify names every fault"
            )
    pointer = target.parent / "latest.json"
    if not pointer.exists() or read_json(pointer).get("version") != target.name.removeprefix("v"):
        point(target.parent, target.name.removeprefix("v"))
    return True


def forget_searches(work: Path) -> None:
    """Throw away the answers of catalogues: they are asked anew."""
    shutil.rmtree(work / SEARCHES, ignore_errors=True)


def clear(work: Path, target: Path) -> None:
    """Throw away a release and the work that led to it, but for the locks and searches."""
    shutil.rmtree(target, ignore_errors=True)
    (target.parent / "latest.json").unlink(missing_ok=True)
    for entry in [*work.iterdir(), *(work / SEARCHES).parent.glob("*")]:
        kept = entry.name.startswith("lock") or (work / SEARCHES).is_relative_to(entry)
        if not kept:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
