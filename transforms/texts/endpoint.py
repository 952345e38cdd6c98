"""A writer behind an address: many questions at a time, each with the patience of the one client."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PureWindowsPath
from threading import Lock
from typing import Any

from catalogs.sources.chat import Chat
from catalogs.sources.exchanges import Kept
from schemas.errors import Fault, SourceError
from transforms.texts.questions import Question, Reply, Sampling

SILENT = 4
"""Questions without an answer after which a service is taken for dead, if it has never answered."""


class Endpoint:
    """Writes texts by the chat completions protocol.

    Attributes:
        computed: for the provenance of a block.
        insists: whether a service that has answered none of the first `SILENT` questions ends the act.
    """

    def __init__(
        self, chat: Chat, model: str, revision: str = "", extra: str = "", parallel: int = 8,
        insists: bool = False,
    ) -> None:  # fmt: skip
        self._chat, self._model, self._revision = chat, model, revision
        self._called = called(model)
        self._extra: dict[str, Any] = json.loads(extra) if extra else {}
        self.insists = insists
        self._answered, self._silent, self._lock = False, 0, Lock()
        self._threads = ThreadPoolExecutor(parallel)
        self.computed: dict[str, Any] = {
            "model": self._called, "revision": revision, "by": "a service",
        }  # fmt: skip

    def write(self, questions: Sequence[Question], sampling: Sampling) -> list[Reply]:
        """One reply for each question, in order.

        Raises:
            LoomError: nothing is kept for a question, in a replay.
            SourceError: the service answers nothing.
        """
        return list(self._threads.map(lambda q: self._reply(q, sampling), questions))

    def request(self, question: Question, sampling: Sampling) -> dict[str, Any]:
        """The body of a request."""
        body: dict[str, Any] = {
            "model": self._model,
            "messages": question.messages(),
            "max_tokens": sampling.tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": question.seed,
            "stream": False,
        }
        if sampling.schema:
            form = {"name": "text", "strict": True, "schema": json.loads(sampling.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        body.update(self._extra)
        return {name: value for name, value in body.items() if value is not None}

    def _reply(self, question: Question, sampling: Sampling) -> Reply:
        try:
            said = self._chat.complete(self.request(question, sampling))
        except Fault as fault:
            self._note(fault)
            if fault.code == "auth":
                cure = f"{fault.message}; its key belongs into EARTHLOOM_CAPTIONER_KEY"
                fault = Fault(fault.code, cure, retryable=fault.retryable)
            return Reply(fault=fault)
        self._answered = True
        ended = None
        if said.finish in ("content_filter", "error"):
            ended = Fault(said.finish, f"the service ended the text ({said.finish})")
        return Reply(
            said.text, said.finish == "length", ended, self._called,
            self._revision or said.fingerprint, noted(said.kept),
        )  # fmt: skip

    def _note(self, fault: Fault) -> None:
        """End the act where the service has been silent to the first questions, each with its retries."""
        with self._lock:
            self._silent += fault.retryable and not self._answered
            silent = self.insists and not self._answered and self._silent >= SILENT
        if silent:
            raise SourceError(
                f"{self._chat.base}: {self._silent} requests and no answer, the last one: "
                f"{fault.message or fault.code}; what is done is kept: see to the service and run "
                "again, or take the recipe's own texts with --error-budget 1"
            ) from fault


def called(model: str) -> str:
    """A model's name without the folders of the machine that serves it, where it is a path there."""
    path = PureWindowsPath(model)  # knows both kinds of slashes
    return path.name if path.root or path.drive else model


def noted(kept: Kept) -> dict[str, Any]:
    """What the provenance of a release says of an exchange."""
    return {
        "request": kept.key, "status": kept.status, "retrieved": kept.retrieved,
        "server": kept.server, "sha256": kept.sha256, "bytes": len(kept.body),
    }  # fmt: skip
