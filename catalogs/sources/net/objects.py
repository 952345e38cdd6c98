"""Object stores: `s3://` and `gs://` hrefs as HTTPS, or with credentials through `obstore`.

A bucket is first read as anybody may. One that refuses is read with the credentials in the
environment, when there are some, by the optional library of the extra `cloud`.
"""

import importlib
import os
import re
import threading
from dataclasses import dataclass
from datetime import UTC, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

from catalogs.sources.net.exchange import user_agent
from catalogs.sources.net.hosts import Policy
from catalogs.sources.net.outcomes import CHANGED, Outcome, Then
from catalogs.sources.net.ranges import Part, Span
from catalogs.sources.net.rules import check
from schemas.errors import Fault, SourceError, UsageError
from schemas.sources import Version

_HREF = re.compile(r"(s3|gs)://([a-z0-9][a-z0-9._-]{1,221}[a-z0-9])/([^?#]+)")
_S3_KEYS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_GS_KEYS = ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT")
_users: set[int] = set()
"""Processes, this one or those it was forked from, that have used the optional library."""


@dataclass(frozen=True, slots=True)
class Place:
    """An object.

    Attributes:
        scheme: `s3` or `gs`.
        bucket: its bucket.
        key: its name in the bucket, not percent-encoded.
    """

    scheme: str
    bucket: str
    key: str

    @property
    def root(self) -> str:
        """The bucket's own href."""
        return f"{self.scheme}://{self.bucket}"

    @property
    def url(self) -> str:
        """The address at which a public object is read."""
        key, own = quote(self.key, safe="/~"), endpoint(self.scheme)
        if own is not None:
            return f"{own}/{self.bucket}/{key}"
        if self.scheme == "gs":
            return f"https://storage.googleapis.com/{self.bucket}/{key}"
        if "." in self.bucket:  # the certificate covers one level of names only
            return f"https://s3.amazonaws.com/{self.bucket}/{key}"
        return f"https://{self.bucket}.s3.amazonaws.com/{key}"


def place_of(href: str) -> Place | None:
    """The object that an href names, None when it is no `s3://` or `gs://` href.

    Raises:
        Fault: `blocked_href` when it is one, but names no object.
    """
    if not href.startswith(("s3://", "gs://")):
        return None
    found = _HREF.fullmatch(href)
    if found is None or {".", ".."} & set(found[3].split("/")):
        raise Fault("blocked_href", f"{href.partition('?')[0]}: names no object in a bucket")
    return Place(found[1], found[2], found[3])


def endpoint(scheme: str) -> str | None:
    """The store that the environment puts in place of the public one."""
    if scheme == "s3":
        own = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    else:
        own = os.environ.get("STORAGE_EMULATOR_HOST")
        own = own if not own or "://" in own else f"http://{own}"
    return own.rstrip("/") if own else None


def has_credentials(scheme: str) -> bool:
    """Whether the environment holds some. Those of a cloud machine itself are not looked for."""
    if scheme == "gs" and endpoint("gs") is not None:
        return False
    return any(os.environ.get(name) for name in (_S3_KEYS if scheme == "s3" else _GS_KEYS))


def library(place: Place) -> Any:
    """The optional library.

    Raises:
        UsageError: the extra is not installed.
        SourceError: it has been used before this process was forked; its threads are gone, and
            a call would never return.
    """
    if _users and os.getpid() not in _users:
        raise SourceError(f"{place.root}: was read before a fork; start workers afresh (spawn)")
    try:
        for part in ("exceptions", "store"):
            importlib.import_module(f"obstore.{part}")
        _users.add(os.getpid())
        return importlib.import_module("obstore")
    except ImportError:
        need = f"{place.root}: to read with credentials, pip install 'earthloom[cloud]'"
    raise UsageError(need)


def _version(meta: Any) -> Version:
    """Which state of an object the store's answer is from, in the terms of HTTP headers."""
    tag, modified = meta.get("e_tag") or "", meta.get("last_modified")
    return Version(
        int(meta["size"]),
        tag if tag.startswith('"') else "",
        format_datetime(modified.astimezone(UTC), usegmt=True) if modified is not None else "",
    )


class Stores:
    """Buckets read with credentials."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._stores: dict[str, Any] = {}
        self._lock = threading.Lock()

    def knows(self, place: Place) -> bool:
        """Whether the place's bucket has been read this way before."""
        return place.root in self._stores

    def read(self, place: Place, span: Span | None, most: int) -> Part | Outcome:
        """A part of the object, or all of it when it has at most `most` bytes.

        Raises:
            UsageError: the extra is not installed.
        """
        obstore = library(place)
        exceptions = obstore.exceptions
        options: Any = {} if span is None else {"range": (span.start, span.stop)}
        if span is not None and span.tag:
            options["if_match"] = span.tag
        refusals = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
        try:
            store = self._stores.get(place.root) or self._opened(place)
            found = obstore.get(store, place.key, options=options)
            version = _version(found.meta)
            if span is None and version.size > most:
                return Outcome("too_large", f"has {version.size:,} bytes, more than {most:,}")
            body = bytes(found.bytes())
        except exceptions.PreconditionError:
            return CHANGED
        except (FileNotFoundError, exceptions.NotFoundError):
            return Outcome("not_found", "the store has no such object")
        except refusals:
            return Outcome("auth", "the store refuses the credentials", Then.LATER)
        except (exceptions.BaseError, OSError):
            return Outcome("unreachable", "the store failed", Then.AGAIN, sick=True)
        with self._lock:
            self._stores[place.root] = store
        return (span.refused(version) if span else None) or (body, version)

    def _opened(self, place: Place) -> Any:
        """A store without retries of its own: ours see every failure.

        Raises:
            Fault: `blocked_href` when its endpoint may not be asked.
        """
        stores = library(place).store
        target = check(place.url)
        shared: Any = {
            "client_options": {
                "allow_http": target.scheme == "http",
                "connect_timeout": timedelta(seconds=self._policy.connect_s),
                "timeout": timedelta(seconds=self._policy.request_s),
                "user_agent": user_agent(),
            },
            "retry_config": {"max_retries": 0, "retry_timeout": timedelta(seconds=1)},
        }
        if place.scheme == "gs":
            return stores.GCSStore(place.bucket, **shared)
        own = endpoint("s3")
        if own is not None:
            shared["endpoint"] = own
        if os.environ.get("AWS_REQUEST_PAYER", "").lower() == "requester":
            shared["request_payer"] = True
        return stores.S3Store(place.bucket, **shared)
