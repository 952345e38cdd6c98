"""Answers on disk, one file each under the hash of its question: whole or absent, never altered unseen."""

import base64
import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from catalogs.files import write_bytes
from catalogs.sources.exchanges.asked import Asked, canonical
from schemas.errors import Fault, SourceError


@dataclass(frozen=True)
class Kept:
    """An answer, or why none came.

    Attributes:
        key: of its question.
        request: the question's canonical JSON.
        status: of the HTTP answer, 0 where none came.
        retrieved: when it came, ISO text in UTC.
        server: what the server calls itself, "" when it does not say.
        sha256: of the body.
        body: of the answer.
        code, message, retryable: of the fault that ended the attempts; "" for an answer.
    """

    key: str
    request: str
    status: int
    retrieved: str
    server: str
    sha256: str
    body: bytes
    code: str = ""
    message: str = ""
    retryable: bool = False

    def fault(self) -> Fault:
        """The fault that was met."""
        return Fault(self.code, self.message, retryable=self.retryable)


def answered(question: Asked, status: int, retrieved: str, server: str, body: bytes) -> Kept:
    """An answer to be kept."""
    total = hashlib.sha256(body).hexdigest()
    return Kept(question.key, question.text, status, retrieved, server, total, body)


def refused(question: Asked, retrieved: str, fault: Fault) -> Kept:
    """A fault to be kept."""
    return Kept(
        question.key, question.text, 0, retrieved, "", hashlib.sha256(b"").hexdigest(), b"",
        fault.code, fault.message, fault.retryable,
    )  # fmt: skip


ABANDONED_S = 3600.0
"""Age from which an answer that is not yet whole is left over: writing one takes no time."""


class Shelf:
    """A folder of answers. Threads, processes and machines may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def parts(self) -> Path:
        """Where answers lie before they are whole."""
        return self.folder / ".parts"

    def path(self, key: str) -> Path:
        """Where the answer to a question lies: two levels of folders, 65,536 of them at most."""
        return self.folder / key[:2] / key[2:4] / f"{key}.json"

    def get(self, question: Asked) -> Kept | None:
        """The answer, None when there is none.

        Raises:
            SourceError: it is not what was written.
        """
        path = self.path(question.key)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        found = _read(data)
        if found is None or found.key != question.key or found.request != question.text:
            raise SourceError(
                f"{path} is not what was stored (its hash differs); remove it and ask again"
            )
        return found

    def put(self, kept: Kept, replace: bool = False) -> Kept:
        """Keep an answer; returns the one that stands, which is the first unless `replace`."""
        path = self.path(kept.key)
        data = _written(kept)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = self.parts / f"{kept.key}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
        write_bytes(part, data)
        try:
            if not replace:
                with suppress(OSError):  # one stands, or the file system has no links
                    os.link(part, path)  # appears whole, and only where nothing stands
                    return kept
                with suppress(OSError):
                    if (found := _read(path.read_bytes())) is not None and not found.code:
                        return found
            part.replace(path)
            return kept
        finally:
            part.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what dead runs left; what is young may be of a run under way."""
        for part in self.parts.glob("*"):
            with suppress(OSError):
                if time.time() - part.stat().st_mtime > ABANDONED_S:
                    part.unlink()

    def every(self) -> Iterator[Kept]:
        """All answers, by key; damaged ones are left out."""
        for path in sorted(self.folder.glob("*/*/*.json")):
            if (found := _read(path.read_bytes())) is not None:
                yield found


def _written(kept: Kept) -> bytes:
    """The file: JSON with the hash of its own content."""
    values: dict[str, Any] = asdict(kept)
    body = values.pop("body")
    values["request"] = json.loads(kept.request)
    try:
        values["body"] = body.decode("utf-8")
    except UnicodeDecodeError:
        values["body_base64"] = base64.b64encode(body).decode()
    values["self_sha256"] = hashlib.sha256(canonical(values).encode()).hexdigest()
    return (json.dumps(values, sort_keys=True, indent=1) + "\n").encode()


def _read(data: bytes) -> Kept | None:
    """What a file holds; None when any of its hashes differs."""
    try:
        values = json.loads(data)
        total = values.pop("self_sha256")
        if hashlib.sha256(canonical(values).encode()).hexdigest() != total:
            return None
        values["request"] = canonical(values["request"])
        coded = values.pop("body_base64", None)
        values["body"] = (
            values["body"].encode("utf-8") if coded is None else base64.b64decode(coded)
        )
        found = Kept(**values)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    whole = hashlib.sha256(found.body).hexdigest() == found.sha256
    named = hashlib.sha256(found.request.encode()).hexdigest() == found.key
    return found if whole and named else None
