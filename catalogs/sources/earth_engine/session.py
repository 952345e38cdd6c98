"""The connection to Earth Engine, made once in each process."""

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from catalogs.sources.earth_engine.calls import Service, service
from catalogs.sources.earth_engine.transport import Transport
from schemas.errors import Fault, SourceError, UsageError

HIGH_VOLUME = "https://earthengine-highvolume.googleapis.com"
"""The endpoint for many small requests."""

PROJECT, URL = "EARTHLOOM_EE_PROJECT", "EARTHLOOM_EE_URL"
"""Environment variables."""

KEY_FILE, CLOUD_PROJECT = "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"
"""Environment variables of Google's own tools."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where to connect, and as whom.

    Attributes:
        project: Google Cloud project that the requests are counted for.
        url: endpoint without a slash at its end.
        key_file: path of a service account's key, "" for the user's own credentials.
    """

    project: str
    url: str = HIGH_VOLUME
    key_file: str = ""

    @property
    def loopback(self) -> bool:
        """Whether the endpoint is this machine: a test server, asked without credentials."""
        return urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")

    @classmethod
    def of(cls, project: str = "", environ: Mapping[str, str] = os.environ) -> "Settings":
        """The settings of an option and the environment; the option wins.

        Raises:
            UsageError: an endpoint to which credentials would travel in the clear.
        """
        found = cls(
            project or environ.get(PROJECT, "") or environ.get(CLOUD_PROJECT, ""),
            environ.get(URL, "").rstrip("/") or HIGH_VOLUME,
            environ.get(KEY_FILE, ""),
        )
        if urlsplit(found.url).scheme != "https" and not found.loopback:
            raise UsageError(f"{URL}={found.url}: must be an https address, or this machine's own")
        return found


_lock = threading.Lock()
_connected: tuple[int, Settings] | None = None


def connect(
    project: str = "", by: Service | None = None, deadline_s: float | None = None
) -> Settings:
    """Connect this process once; later calls with the same settings do nothing.

    The project is exported, so that worker processes started later find it. A process that was
    forked connects anew, by its own sockets.

    Args:
        project: that of the environment when empty.
        by: does the requests.
        deadline_s: seconds to try; as for every request when None.

    Raises:
        UsageError: no client library, project or credentials.
        SourceError: access is refused, or the service cannot be reached.
    """
    global _connected
    settings = Settings.of(project)
    with _lock:
        if _connected == (os.getpid(), settings):
            return settings
        _initialise(settings, by or service(), deadline_s)
        _connected = (os.getpid(), settings)
    if settings.project:
        os.environ[PROJECT] = settings.project
    return settings


def _initialise(settings: Settings, by: Service, deadline_s: float | None) -> None:
    ee = _library()
    credentials = _credentials(settings, ee)
    where = settings.project or getattr(credentials, "project_id", "") or ""
    if not where:
        raise UsageError(
            f"--imagery earth-engine: name a Google Cloud project registered for Earth Engine in {PROJECT}"
        )
    ee.Reset()
    ee.data.setMaxRetries(0)  # `Service` repeats, with a deadline and a cap that the library lacks
    transport = Transport(by.limits.requests)
    more = {"project": where, "url": settings.url, "http_transport": transport}
    try:
        by.call(lambda: ee.Initialize(credentials, **more), f"project {where}", deadline_s)
    except Fault as fault:
        raise SourceError(f"--imagery {fault.message} ({fault.code})") from fault


def _library() -> Any:
    """The client library.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import ee
    except ImportError as error:
        raise UsageError(
            "--imagery earth-engine: the Earth Engine client is not installed; "
            "pip install 'earthloom[gee]'"
        ) from error
    return ee


def _credentials(settings: Settings, ee: Any) -> Any:
    """A service account's credentials, else those of the user; none for a test server.

    Raises:
        UsageError: there are none, or the key file is not one.
    """
    from google.auth.credentials import AnonymousCredentials
    from google.oauth2.service_account import Credentials

    if settings.loopback:
        return AnonymousCredentials()
    if settings.key_file:
        path = Path(settings.key_file)
        try:
            text = path.read_text(encoding="utf-8")
            if '"service_account"' in text:
                return Credentials.from_service_account_file(path, scopes=ee.oauth.SCOPES)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise UsageError(f"{KEY_FILE}={path}: not a service account's key ({why})") from error
    try:
        return ee.data.get_persistent_credentials()
    except ee.EEException as error:
        raise UsageError(
            "--imagery earth-engine: no credentials; run `earthengine authenticate`, "
            f"or name a service account's key file in {KEY_FILE}"
        ) from error
