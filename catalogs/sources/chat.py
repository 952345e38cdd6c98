"""Services that write texts, by the chat completions protocol that OpenAI began and most speak.

GET  BASE/models                 which models there are
POST BASE/chat/completions       {"model", "messages", ...} -> {"choices": [{"message": ...}]}
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from catalogs.sources.exchanges import Kept, Recorder
from schemas.errors import Fault, UsageError
from schemas.text import clean


@dataclass(frozen=True)
class Said:
    """One answer of a model.

    Attributes:
        text: as it came.
        finish: `stop` where the model ended by itself; `length`, `content_filter`, ...
        model: that answered, by its own account.
        fingerprint: what the service says of its version, "" when it does not.
        kept: the answer on the shelf.
    """

    text: str
    finish: str
    model: str
    fingerprint: str
    kept: Kept


def base_of(url: str) -> str:
    """The address below which the protocol's paths lie: `/v1` where the URL has no path.

    Raises:
        UsageError: no http or https address.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        plain = url.partition("?")[0].rpartition("@")[2]  # the rest may be a secret
        raise UsageError(
            f"--captioner {plain}: expected an address such as http://localhost:8000/v1"
        )
    if "@" in parts.netloc:
        raise UsageError("--captioner: carries a user name; a key belongs into the environment")
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    return urlunsplit((parts.scheme, parts.netloc, path or "/v1", "", ""))


def place_of(url: str) -> str:
    """`host:port` of an address."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True)
class Chat:
    """One service.

    Attributes:
        base: see `base_of`.
        recorder: asks it, or the shelf.
        key: goes along with each request, and nowhere else.
    """

    base: str
    recorder: Recorder
    key: str = field(default="", repr=False)

    def models(self) -> list[str]:
        """Names of the models that it offers; one that would not do as text in a table is none.

        Raises:
            Fault: it cannot be asked.
        """
        kept = self.recorder.ask(
            "GET", f"{self.base}/models", private=self._private(), judge=listed
        )
        names = [str(entry["id"]) for entry in json.loads(kept.body)["data"]]
        return [name for name in names if clean(name) == name]

    def complete(self, body: Mapping[str, Any]) -> Said:
        """What the model says.

        Args:
            body: `model`, `messages` and whatever shapes the answer.

        Raises:
            Fault: it cannot be asked, it refuses, or its answer is none (`bad_answer`).
        """
        kept = self.recorder.ask(
            "POST", f"{self.base}/chat/completions", {"Content-Type": "application/json"},
            dict(body), self._private(), answering,
        )  # fmt: skip
        value = json.loads(kept.body)
        choice = value["choices"][0]
        return Said(
            _text(choice["message"].get("content")),
            str(choice.get("finish_reason") or ""),
            clean(str(value.get("model") or "")),
            clean(str(value.get("system_fingerprint") or "")),
            kept,
        )

    def _private(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


def _text(content: Any) -> str:
    """The text of a message: a string, or a list of parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def listed(body: bytes) -> Fault | None:
    """What is wrong with a list of models."""
    try:
        entries = json.loads(body)["data"]
        fine = isinstance(entries, list) and all(e["id"] for e in entries)
    except (ValueError, KeyError, TypeError, RecursionError):
        fine = False
    return None if fine else Fault("bad_answer", "the service lists no models", retryable=True)


def answering(body: bytes) -> Fault | None:
    """What makes a body no completion; None where it is one."""
    try:
        value = json.loads(body)
        fine = isinstance(value["choices"][0]["message"], dict)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        fine = False
    return None if fine else Fault("bad_answer", "the service sent no completion", retryable=True)
