"""Ask a live service, or the shelf of what it said before."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from catalogs.sources.exchanges.asked import GONE, Asked, asked, hidden, spellings
from catalogs.sources.exchanges.kept import Kept, Shelf, answered, refused
from catalogs.sources.net.exchange import Answer
from schemas.errors import BuildError, Fault, SourceError, UsageError

MODES = ("record", "replay", "refresh")
SHOWN = 600  # characters of a question that a message shows

GIVEN: Counter[str] = Counter()
"""What recorders of this process have given: answers that were `kept`, `new` ones, and by code what came
instead of one; for the progress of a build."""

Judge = Callable[[bytes], Fault | None]


class Asks(Protocol):
    """What a recorder asks: the one client of `catalogs.sources.net`, or a double of it."""

    def exchange(
        self, url: str, method: str = "GET", headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:  # fmt: skip
        """The answer."""
        ...


@dataclass(frozen=True)
class Recorder:
    """Gives the answer to a question: a kept one, or a new one that is kept.

    | mode | kept | not kept |
    |---|---|---|
    | record | given; a damaged one or a fault is asked anew | asked |
    | replay | given, faults too; a damaged one ends the build | ends the build: no socket is opened |
    | refresh | asked anew, once a run | asked |

    Attributes:
        mode: one of `MODES`.
        shelf: where answers are kept.
        client: asks; None is enough for a replay.
        secrets: texts that are kept nowhere, neither in questions nor in answers.
    """

    mode: str
    shelf: Shelf
    client: Asks | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    _asked: set[str] = field(default_factory=set, repr=False)
    _lock: Any = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        """Refuse a mode that is none."""
        if self.mode not in MODES:
            raise UsageError(f"--requests {self.mode}: expected one of {', '.join(MODES)}")

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        private: Mapping[str, str] | None = None,
        judge: Judge | None = None,
    ) -> Kept:
        """The answer of a service.

        Args:
            method: of the request.
            url: absolute.
            headers: that shape the answer; part of the question.
            body: a JSON value, None for no body.
            private: headers that are only sent: they are part of nothing that is kept.
            judge: given a body, what makes it no answer at all; None where it is one.

        Raises:
            Fault: the service could not be asked, or it refused.
            BuildError: nothing is kept, in a replay.
            SourceError: what is kept is damaged, in a replay.
        """
        question = asked(method, url, headers, body, self.secrets)
        fresh = self.mode == "refresh" and question.key not in self._asked
        kept = None if fresh else self._kept(question)
        if kept is None and self.mode == "replay":
            said = question.text if len(question.text) <= SHOWN else question.text[:SHOWN] + "..."
            raise BuildError(
                f"--requests replay: no answer is kept in {self.shelf.folder} for question "
                f"{question.key[:16]}; record it first (--requests record). It reads: {said}"
            )
        if kept is None:
            data = None if body is None else json.dumps(body, allow_nan=False).encode()
            sent = {**(headers or {}), **(private or {})}
            kept = self._new(question, self._sent(question, url, sent, data, judge), fresh)
            self._count(kept.code or "new")
        else:
            self._count(kept.code or "kept")
        if kept.code:
            raise kept.fault()
        return kept

    def _count(self, what: str) -> None:
        with self._lock:
            GIVEN[what] += 1

    def _kept(self, question: Asked) -> Kept | None:
        try:
            found = self.shelf.get(question)
        except SourceError:
            if self.mode == "replay":
                raise
            return None
        # A fault is no answer: who can ask, asks again.
        return None if found is not None and found.code and self.mode != "replay" else found

    def _sent(
        self, question: Asked, url: str, headers: dict[str, str], body: bytes | None,
        judge: Judge | None,
    ) -> Kept:  # fmt: skip
        """What the service says now."""
        assert self.client is not None
        try:
            answer = self.client.exchange(url, question.method, headers, body)
            if judge is not None and (fault := judge(answer.body)) is not None:
                raise fault
        except Fault as fault:
            said = hidden(fault.message, self.secrets)
            return refused(question, _now(), Fault(fault.code, said, retryable=fault.retryable))
        text = answer.body
        for spelling in spellings(self.secrets):
            text = text.replace(spelling.encode(), GONE.encode())
        server = hidden(answer.headers.get("Server", ""), self.secrets)
        return answered(question, answer.status, _now(), server, text)

    def _new(self, question: Asked, kept: Kept, fresh: bool) -> Kept:
        """Keep it; what stands already is replaced only by a fresh answer, never by a fault."""
        if kept.code and fresh:
            return kept
        with self._lock:
            self._asked.add(question.key)
        return self.shelf.put(kept, replace=fresh)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
