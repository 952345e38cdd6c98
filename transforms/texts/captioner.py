"""Who writes texts: a service at an address, or a model in this process."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalogs.sources.chat import Chat, place_of
from catalogs.sources.exchanges import Recorder, Shelf
from catalogs.sources.net.client import Client
from catalogs.sources.net.hosts import Policy
from schemas.errors import BuildError, Fault, UsageError
from transforms.context import Context
from transforms.texts.endpoint import Endpoint
from transforms.texts.questions import Writer

KEY = "EARTHLOOM_CAPTIONER_KEY"
"""Environment variable with the key that a service asks for."""

GREETING_S = 10.0
"""Seconds in which a service says which models it has; three times as long with all retries."""


def key_of(text: str) -> str:
    """A key as it is sent, without the blanks and line ends around it that files bring along.

    Raises:
        UsageError: it holds what no header can.
    """
    key = text.strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UsageError(f"{KEY}: holds blanks or other characters that no key has; set it anew")
    return key


@dataclass(frozen=True)
class Captioner:
    """What a worker must know to have texts written; no secret is in it.

    Attributes:
        url: base address of a service, "" for a model in this process.
        model: name that the service knows, or of `Context.models`.
        revision: of the model, as the user states it; "" takes what the service says.
        extra: further fields of each request, JSON; a null takes a field out.
        parallel: requests under way at once.
        timeout_s: seconds that one answer may take; three times as long with all its retries.
        mode: of the request cache, see `Recorder`.
        shelf: folder of the request cache.
        insists: whether a service that has answered nothing at all ends the act.
    """

    url: str = ""
    model: str = ""
    revision: str = ""
    extra: str = ""
    parallel: int = 8
    timeout_s: float = 120.0
    mode: str = "record"
    shelf: str = ""
    insists: bool = True

    @property
    def identity(self) -> dict[str, str]:
        """What of it shapes a text: not where it is asked, nor how patiently."""
        return {"model": self.model, "revision": self.revision, "extra": self.extra}

    def open(self, ctx: Context, batch: int) -> Writer:
        """The writer.

        Args:
            ctx: folders of models, device.
            batch: texts that a model in this process writes together.

        Raises:
            LoomError: the model is missing or does not fit.
        """
        if self.url:
            return Endpoint(
                self.chat(self.mode, self.timeout_s),
                self.model,
                self.revision,
                self.extra,
                self.parallel,
                self.insists,
            )
        from transforms.models.writer import LocalWriter

        return LocalWriter(ctx.models[self.model], self.model, ctx.device, ctx.threads, batch)

    def chat(self, mode: str, timeout_s: float) -> Chat:
        """The service, through the request cache."""
        key = key_of(os.environ.get(KEY, ""))
        client: Any = None
        if mode != "replay":  # which opens no socket
            client = Client(
                Policy(
                    deadline_s=3 * timeout_s,
                    request_s=timeout_s,
                    read_s=timeout_s,
                    per_host=self.parallel,
                    named=frozenset({place_of(self.url)}),
                )
            )
        recorder = Recorder(mode, Shelf(Path(self.shelf)), client, (key,) if key else ())
        return Chat(self.url, recorder, key)

    def found(self) -> str:
        """The model to ask for: the one that was named, else the service's first.

        Raises:
            BuildError: the service does not answer, or does not have it.
        """
        # What is there now counts, not what was there when the answers were recorded.
        mode = "replay" if self.mode == "replay" else "refresh"
        try:
            offered = self.chat(mode, min(self.timeout_s, GREETING_S)).models()
        except Fault as fault:
            if fault.code in ("not_found", "http_405", "bad_answer") and self.model:
                return self.model  # not every service lists its models
            raise BuildError(
                f"--captioner {self.url}: {fault.message or fault.code}; start it, name the model "
                "with --captioner-model, or leave --captioner away for template texts"
            ) from None
        if self.model and self.model not in offered:
            raise BuildError(
                f"--captioner-model {self.model}: {self.url} offers {', '.join(offered[:5])}"
            )
        if not (self.model or offered):
            raise BuildError(f"--captioner {self.url}: offers no model")
        return self.model or offered[0]
