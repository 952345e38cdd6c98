"""Connections that go to a checked address, and whose reads end at a deadline.

The name is looked up once, every address is checked, and the connection is made to the checked
address itself: a name server that answers differently the second time gains nothing.
"""

import http.client
import io
import os
import socket
import threading
import time
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util import make_headers, parse_url
from urllib3.util.connection import create_connection

from catalogs.sources.net import rules

PROXY = "EARTHLOOM_PROXY"
_limits = threading.local()


def set_limit(read_s: float, total_s: float, also: frozenset[str] = frozenset()) -> None:
    """Bound this thread's next exchange.

    Args:
        read_s: seconds for one read.
        total_s: seconds for all of them.
        also: hosts that may be connected to besides public ones, see `rules.check`.
    """
    _limits.read_s, _limits.until = read_s, time.monotonic() + total_s
    _limits.also = also


class _Bounded(io.RawIOBase):
    """What a socket receives, until the thread's limit.

    A socket's own timeout starts anew with every byte, so a server that sends one byte a minute
    would hold a reader for ever.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Bytes received into the buffer, 0 at the end.

        Raises:
            TimeoutError: the limit is reached.
        """
        left = _limits.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self._sock.settimeout(min(_limits.read_s, left))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Let go of the socket."""
        if not self.closed:
            self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """Reads status, headers and body within the limit."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_Bounded(sock), 1 << 16)


def _connect(connection: HTTPConnection) -> socket.socket:
    """A socket to the first checked address of the connection's host that answers.

    Raises:
        Fault: `blocked_href`.
        HTTPError: no address, none that answers, or none in time.
    """
    # urllib3 keeps the name as it was asked, with the dot that says it is complete.
    name = connection._dns_host
    try:
        found = rules.addresses(name.strip("[]").rstrip("."), connection.port, _limits.also)
    except socket.gaierror as error:
        raise NameResolutionError(connection.host, connection, error) from error
    last: OSError | None = None
    for address in found:
        try:
            return create_connection(
                (address, connection.port),
                connection.timeout,
                socket_options=connection.socket_options,
            )
        except OSError as error:
            last = error
    if isinstance(last, TimeoutError):
        raise ConnectTimeoutError(connection, "no connection in time") from last
    raise NewConnectionError(connection, "no address accepted a connection") from last


class _Plain(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return super()._new_conn() if self.proxy else _connect(self)


class _Secure(HTTPSConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return super()._new_conn() if self.proxy else _connect(self)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


def pools(per_host: int) -> PoolManager:
    """Kept-alive connections, `per_host` to each host; through EARTHLOOM_PROXY when it is set.

    HTTP_PROXY and its like are not heeded. Behind a proxy the proxy looks names up, so only what
    a URL itself says is checked here.
    """
    sizes: dict[str, Any] = {"num_pools": 64, "maxsize": per_host, "block": False}
    proxy = os.environ.get(PROXY)
    manager: PoolManager
    if proxy:
        parts = parse_url(proxy)
        headers = make_headers(proxy_basic_auth=parts.auth) if parts.auth else None
        plain = f"{parts.scheme}://{parts.netloc}"
        manager = ProxyManager(plain, proxy_headers=headers, **sizes)
    else:
        manager = PoolManager(**sizes)
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
    return manager
