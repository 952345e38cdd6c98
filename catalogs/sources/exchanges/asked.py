"""A question in one canonical form, so that equal questions have one hash, and without secrets."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit, urlunsplit

SECRET = re.compile(
    r"authorization|cookie|signature|\bsig\b|secret|password|credential|"
    r"(?:^|[-_])(?:token|api[-_]?key|key[-_]?id|subscription-key)$|^x-(?:amz|goog|ms)-",
    re.IGNORECASE,
)
"""Names of headers, parameters and fields whose values are nobody's business."""

GONE = "[secret]"
"""Stands where a secret stood."""

_PICTURE = re.compile(r"data:([\w.+/-]*);base64,([A-Za-z0-9+/=\s]*)\Z")
_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True)
class Asked:
    """A question as it is kept.

    Attributes:
        method: in upper case.
        url: host in lower case, parameters sorted; without user-info, secrets and fragment.
        headers: (name in lower case, value), sorted; those with secrets are left out.
        body: a JSON value, or None; an embedded file is named by its SHA-256.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: Any

    @cached_property
    def text(self) -> str:
        """Canonical JSON: sorted keys, no blanks, ASCII."""
        return canonical(
            {"method": self.method, "url": self.url, "headers": dict(self.headers),
             "body": self.body}
        )  # fmt: skip

    @cached_property
    def key(self) -> str:
        """SHA-256 of `text` in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def asked(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    secrets: tuple[str, ...] = (),
) -> Asked:
    """The question in its canonical form.

    Args:
        method: of the request.
        url: absolute.
        headers: that shape the answer.
        body: a JSON value, None for no body.
        secrets: texts that must not be kept, wherever they stand.
    """
    kept = {
        name.strip().lower(): hidden(value.strip(), secrets)
        for name, value in (headers or {}).items()
        if not SECRET.search(name)
    }
    return Asked(
        method.upper(), _plain(url, secrets), tuple(sorted(kept.items())), _reduced(body, secrets)
    )


def canonical(value: Any) -> str:
    """One text for equal JSON values, however their keys are ordered.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def hidden(text: str, secrets: tuple[str, ...]) -> str:
    """The text without the secrets, in whatever spelling."""
    for spelling in spellings(secrets):
        text = text.replace(spelling, GONE)
    return text


def spellings(secrets: tuple[str, ...]) -> list[str]:
    """Secrets as they may stand in texts, addresses and JSON, the longest first."""
    found = set()
    for secret in filter(None, secrets):
        for plain in (
            secret,
            json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
        ):
            found |= {plain, plain.replace("/", "\\/")}
        found |= {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    return sorted(found, key=lambda spelling: (-len(spelling), spelling))


def _plain(url: str, secrets: tuple[str, ...]) -> str:
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    place = parts.netloc.rpartition("@")[2].lower().removesuffix(_PORTS.get(scheme, " "))
    pairs = sorted(
        pair
        for pair in parse_qsl(parts.query, keep_blank_values=True)
        if not SECRET.search(pair[0])
    )
    return hidden(urlunsplit((scheme, place, parts.path or "/", urlencode(pairs), "")), secrets)


def _reduced(value: Any, secrets: tuple[str, ...]) -> Any:
    """The value with embedded files named by their sums, and without secrets."""
    if isinstance(value, dict):
        return {
            hidden(str(name), secrets): GONE
            if isinstance(item, str) and SECRET.search(str(name))
            else _reduced(item, secrets)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_reduced(item, secrets) for item in value]
    if not isinstance(value, str):
        return value
    found = _PICTURE.match(value)
    if found is None:
        return hidden(value, secrets)
    try:
        data = base64.b64decode(found[2])
    except binascii.Error:
        data = found[2].encode()
    return f"data:{found[1]};sha256,{hashlib.sha256(data).hexdigest()}"
