"""A service with the chat completions protocol on this machine, which says what a test wants."""

import json
import re
from collections.abc import Callable
from typing import Any

from fault_server import FaultServer, Handler, Hit, Step, answer

CHAT, MODELS = "/v1/chat/completions", "/v1/models"
Say = Callable[[dict[str, Any]], str]


def caption(request: dict[str, Any]) -> str:
    """A text that keeps to the facts of the prompts of `text_recipes`."""
    said = words(request)
    found = re.search(r"FACTS: (.*)", said)
    facts = found[1] if found else said
    return f"The picture shows {facts} on open ground, seen from above on a clear day."


def words(request: dict[str, Any]) -> str:
    """The text of the last message."""
    content = request["messages"][-1]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


def completion(text: Any, finish: str = "stop", model: str = "writer-1") -> bytes:
    """The body of an answer."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"model": model, "choices": [choice], "system_fingerprint": "fp-7"}).encode()


def saying(say: Say | str, finish: str = "stop", **headers: object) -> Step:
    """Answer each request with the text that `say` makes of it."""

    def serve(handler: Handler) -> None:
        text = say if isinstance(say, str) else say(json.loads(handler.hit.body))
        handler.reply(200, completion(text, finish), Server="stub/1", **headers)

    return serve


class ChatServer(FaultServer):
    """Offers `writer-1`, and writes `caption`s until a test scripts something else."""

    def __init__(self) -> None:
        super().__init__()
        listed = json.dumps({"object": "list", "data": [{"id": "writer-1"}, {"id": "writer-2"}]})
        self.on(MODELS, answer(200, listed.encode(), Server="stub/1"))
        self.says(saying(caption))

    def says(self, *steps: Step) -> None:
        """Script the completions."""
        self.on(CHAT, *steps)

    def asked(self) -> list[Hit]:
        """Requests for a completion so far."""
        return [hit for hit in list(self.hits) if hit.path == CHAT]

    def bodies(self) -> list[dict[str, Any]]:
        """What they said."""
        return [json.loads(hit.body) for hit in self.asked()]
