"""How requests travel: the client library's interface (that of httplib2) on top of `requests`.

The library's own transport waits for an answer without end and keeps ten connections.
"""

from typing import Any

ATTEMPT = 330.0
"""Seconds without a byte after which an attempt is given up; Earth Engine itself stops at 300."""


class Transport:
    """Connections that threads share: one for each place among the requests under way."""

    def __init__(self, connections: int, timeout: float = ATTEMPT) -> None:
        import requests
        from requests.adapters import HTTPAdapter

        self.timeout = timeout
        self.session = requests.Session()
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, HTTPAdapter(pool_maxsize=connections))

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: Any = None,
        headers: dict[str, str] | None = None,
        redirections: int | None = None,
        connection_type: Any = None,
    ) -> tuple[Any, bytes]:
        """(answer with status and headers, its body).

        Raises:
            OSError: no answer, or a cut one.
        """
        import httplib2

        answer = self.session.request(method, uri, data=body, headers=headers, timeout=self.timeout)
        return httplib2.Response({**answer.headers, "status": answer.status_code}), answer.content

    def close(self) -> None:
        """Close all connections."""
        self.session.close()
