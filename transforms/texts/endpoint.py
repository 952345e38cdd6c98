"""A writer behind an address: many questions at a time, each with the patience of the one client."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PureWindowsPath
from typing import Any

from catalogs.sources.chat import Chat
from catalogs.sources.exchanges import Kept
from schemas.errors import Fault
from transforms.texts.questions import Question, Reply, Sampling


class Endpoint:
    """Writes texts by the chat completions protocol.

    Attributes:
        computed: for the provenance of a block.
    """

    def __init__(
        self, chat: Chat, model: str, revision: str = "", extra: str = "", parallel: int = 8
    ) -> None:
        self._chat, self._model, self._revision = chat, model, revision
        self._called = called(model)
        self._extra: dict[str, Any] = json.loads(extra) if extra else {}
        self._threads = ThreadPoolExecutor(parallel)
        self.computed: dict[str, Any] = {
            "model": self._called, "revision": revision, "by": "a service",
        }  # fmt: skip

    def write(self, questions: Sequence[Question], sampling: Sampling) -> list[Reply]:
        """One reply for each question, in order.

        Raises:
            LoomError: nothing is kept for a question, in a replay.
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
            return Reply(fault=fault)
        ended = None
        if said.finish in ("content_filter", "error"):
            ended = Fault(said.finish, f"the service ended the text ({said.finish})")
        return Reply(
            said.text, said.finish == "length", ended, self._called,
            self._revision or said.fingerprint, noted(said.kept),
        )  # fmt: skip


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
