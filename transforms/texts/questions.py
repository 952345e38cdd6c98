"""What a writer of texts is asked, and what it replies; the form that any writer takes."""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from schemas.errors import Fault

MARKERS = re.compile(
    r"<[|｜][^|｜<>\n]{0,40}[|｜]>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<(?:bos|eos)>|"
    r"<(?:/?image|image_pad|vision_start|vision_end)>",
    re.IGNORECASE,
)
"""What models take for the end of a turn, the beginning of another or a picture: no part of a text."""


@dataclass(frozen=True)
class Sampling:
    """How a text is drawn.

    Attributes:
        temperature: 0 takes the likeliest word each time.
        top_p: share of the probability that words are drawn from.
        tokens: most that are written.
        schema: JSON schema that the answer must keep to, "" for free text.
    """

    temperature: float
    top_p: float
    tokens: int
    schema: str = ""

    def described(self) -> str:
        """Canonical JSON."""
        values: dict[str, Any] = {
            "max_tokens": self.tokens, "temperature": self.temperature, "top_p": self.top_p,
        }  # fmt: skip
        if self.schema:
            values["json_schema"] = json.loads(self.schema)
        return json.dumps(values, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Question:
    """What is asked about one sample.

    Attributes:
        sample: its id.
        system: what holds for all samples, "" for nothing.
        prompt: what is asked of this one.
        seed: in [0, 2**31), from which the answer is drawn.
        picture: encoded image to look at, b"" for none.
        media_type: of the picture.
    """

    sample: str
    system: str
    prompt: str
    seed: int
    picture: bytes = b""
    media_type: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of system, prompt and picture: the same prompt has the same, whatever the seed."""
        parts = [self.system, self.prompt, hashlib.sha256(self.picture).hexdigest()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def messages(self) -> list[dict[str, Any]]:
        """The messages of the chat completions protocol; a picture stands before the prompt."""
        content: Any = self.prompt
        if self.picture:
            data = base64.b64encode(self.picture).decode()
            url = f"data:{self.media_type};base64,{data}"
            content = [
                {"type": "image_url", "image_url": {"url": url}},
                {"type": "text", "text": self.prompt},
            ]
        lead = [{"role": "system", "content": self.system}] if self.system else []
        return [*lead, {"role": "user", "content": content}]


@dataclass(frozen=True)
class Reply:
    """What came of a question.

    Attributes:
        text: of the model, as it came.
        cut: whether it was stopped before its end.
        fault: why there is none, None where there is.
        model, revision: who wrote it.
        exchange: what the provenance keeps of the request to a service, {} for a model in this process.
    """

    text: str = ""
    cut: bool = False
    fault: Fault | None = None
    model: str = ""
    revision: str = ""
    exchange: dict[str, Any] = field(default_factory=dict)


class Writer(Protocol):
    """Writes texts: a service, or a model in this process."""

    computed: dict[str, Any]

    def write(self, questions: Sequence[Question], sampling: Sampling) -> list[Reply]:
        """One reply for each question, in order; each depends on its own question alone."""
        ...


def harmless(text: str) -> str:
    """A prompt without the markers of turns that a tag or a name may smuggle in."""
    return MARKERS.sub(" ", text)
