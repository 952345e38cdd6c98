"""A token service and the blobs that its tokens open, on one fault server."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from fault_server import FaultServer, Handler, Hit, answer, file

CANARY = "C4NARY"
"""Part of every token: it may appear in a request, and nowhere else."""


def stamp(seconds: float) -> str:
    """Seconds since 1970 as a token states them."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Blobs:
    """Tokens are numbered from 1; those in `revoked` are refused.

    Attributes:
        server: where both live.
        utc: the service's clock.
        lives_s: lifetimes of the tokens to come, the last one repeated; None states no end.
    """

    server: FaultServer
    utc: Callable[[], float]
    lives_s: list[float | None] = field(default_factory=lambda: [3600.0])
    revoked: Callable[[int], bool] = lambda number: False
    given: int = 0

    def __post_init__(self) -> None:
        self.server.on("/sas/token/acc/data", self._token)

    def use(self, patch: pytest.MonkeyPatch) -> None:
        """Stand in for the real service."""
        patch.setenv("EARTHLOOM_PC_SAS", self.server.url("/sas/token"))

    def blob(self, data: bytes, name: str = "a.tif", pause_s: float = 0.0) -> str:
        """Put a blob there; its unsigned href."""
        serve = file(data, pause_s)

        def guarded(handler: Handler) -> None:
            (serve if self.valid(handler.hit) else answer(403, b"AuthenticationFailed"))(handler)

        return self.server.on(f"/acc/data/{name}", guarded)

    def valid(self, hit: Hit) -> bool:
        fields = dict(part.split("=", 1) for part in hit.query.split("&") if "=" in part)
        number = int(fields.get("sig", "0-").split("-")[0])
        end = fields.get("se", "9999").replace("%3A", ":")
        return number > 0 and not self.revoked(number) and stamp(self.utc()) < end

    def asked(self) -> tuple[int, int]:
        """(requests for tokens, requests for blobs)"""
        paths = self.server.paths()
        tokens = sum(path.startswith("/sas/") for path in paths)
        return tokens, len(paths) - tokens

    def _token(self, handler: Handler) -> None:
        self.given += 1
        life = self.lives_s.pop(0) if len(self.lives_s) > 1 else self.lives_s[0]
        text, more = f"sp=rl&sig={self.given}-{CANARY}", {}
        if life is not None:
            end = stamp(self.utc() + life)
            text, more = f"se={end.replace(':', '%3A')}&{text}", {"msft:expiry": end}
        handler.reply(200, json.dumps({"token": text, **more}).encode())
