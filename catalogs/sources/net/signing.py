"""Hrefs signed at the last moment. What is stored, planned or shown is never signed.

Planetary Computer keeps its data in Azure containers that are read with a token of about an hour
(for some 45 minutes), given out for a container at a time. Tokens were seen to end in the middle
of a run and to be issued already expired, so a token is renewed when it has less than five
minutes left and when a server refuses it: once for each token, whichever thread is first.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from catalogs.sources.net.clock import Clock
from catalogs.sources.net.tokens import Token, Tokens, expiry_of
from schemas.errors import Fault

SAS = "EARTHLOOM_PC_SAS"
ENDPOINT = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
BLOBS = ".blob.core.windows.net"


@dataclass(frozen=True, slots=True)
class Signed:
    """An href that can be asked now.

    Attributes:
        url: with its signature. Not to be stored or shown.
        token: what it was signed with, None when it needed nothing.
    """

    url: str
    token: Token | None = None

    def __repr__(self) -> str:
        return f"Signed({self.url.partition('?')[0]})"


class Signer(Protocol):
    """Makes hrefs of one provider readable."""

    def sign(self, href: str) -> Signed:
        """The href with a signature that is valid now."""
        ...

    def renew(self, signed: Signed) -> bool:
        """Forget the token that a server refused; False when another try has no point."""
        ...

    def failed(self, signed: Signed) -> None:
        """Take note that a renewed token was refused too."""
        ...


class Unsigned:
    """Passes hrefs on unchanged."""

    def sign(self, href: str) -> Signed:
        """The href itself."""
        return Signed(href)

    def renew(self, signed: Signed) -> bool:
        """False."""
        return False

    def failed(self, signed: Signed) -> None:
        """Nothing."""


class PlanetaryComputer:
    """Signs blob hrefs with tokens of their container.

    Args:
        get_json: asks the token endpoint.
        clock: time.
    """

    def __init__(self, get_json: Callable[[str], Any], clock: Clock) -> None:
        self._get_json = get_json
        self._tokens = Tokens(self._fetch, clock)

    def sign(self, href: str) -> Signed:
        """The href with its container's token; unchanged when the container needs none.

        Raises:
            Fault: the token endpoint fails, or hands out expired tokens only (`auth`).
        """
        container = container_of(href)
        if container is None or "sig" in parse_qs(urlsplit(href).query):
            return Signed(href)
        token = self._tokens.get(container)
        if not token.text:
            return Signed(href)
        return Signed(f"{href}{'&' if '?' in href else '?'}{token.text}", token)

    def renew(self, signed: Signed) -> bool:
        """Forget a refused token, unless its successor was refused a moment ago."""
        return signed.token is not None and self._tokens.refused(signed.token)

    def failed(self, signed: Signed) -> None:
        """Stop renewing this container's tokens on refusals for a while."""
        if signed.token is not None:
            self._tokens.barren(signed.token)

    def _fetch(self, container: str) -> tuple[str, float | None]:
        """Token text and expiry (seconds since 1970); no text for an account that it does not know."""
        try:
            answer = self._get_json(f"{endpoint()[0]}/{container}")
        except Fault as fault:
            if fault.code != "not_found":
                raise
            return "", float("inf")
        text = answer.get("token") if isinstance(answer, dict) else None
        if not isinstance(text, str) or not text:
            raise Fault("auth", f"{endpoint()[0]}/{container}: gave no token", retryable=True)
        return text.lstrip("?"), expiry_of(text, answer.get("msft:expiry"))


def endpoint() -> tuple[str, str | None]:
    """The token endpoint, and the host:port that stands in for blob storage (None: Azure's own).

    EARTHLOOM_PC_SAS replaces both: an endpoint, and after a comma the host:port of the blobs when
    it is another. Such a stand-in is asked for /ACCOUNT/CONTAINER/BLOB, as storage emulators are.
    """
    own = os.environ.get(SAS)
    if not own:
        return ENDPOINT, None
    url, _, blobs = (part.strip() for part in own.partition(","))
    return url.rstrip("/"), blobs or urlsplit(url).netloc


def container_of(href: str) -> str | None:
    """`account/container` of a blob, None for any other href."""
    parts = urlsplit(href)
    folders = [part for part in parts.path.split("/") if part]
    token_url, stand_in = endpoint()
    if stand_in is not None and parts.netloc == stand_in:
        below = href.startswith(f"{token_url}/")
        return "/".join(folders[:2]) if len(folders) > 2 and not below else None
    host = (parts.hostname or "").lower()
    if not host.endswith(BLOBS) or len(folders) < 2:
        return None
    return f"{host.removesuffix(BLOBS)}/{folders[0]}"


class Signers:
    """The signers of one client."""

    def __init__(self, get_json: Callable[[str], Any], clock: Clock) -> None:
        self._planetary, self._unsigned = PlanetaryComputer(get_json, clock), Unsigned()

    def signer_for(self, href: str) -> Signer:
        """The signer of the href's host."""
        return self._unsigned if container_of(href) is None else self._planetary
