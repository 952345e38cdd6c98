"""A real server on this machine that fails as told, and remembers what it was asked."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit
from zlib import crc32


@dataclass(frozen=True)
class Hit:
    """A request that arrived."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    connection: int
    """The client's port: the same for requests over one connection."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Listener"
    hit: Hit
    inside = False

    def log_message(self, *_: object) -> None:
        pass

    def handle_one(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.title(): value for name, value in self.headers.items()}
        self.hit = Hit(self.command, parts.path, parts.query, headers, body, self.client_address[1])
        step = self.server.owner.arrived(self.hit)
        self.inside = True
        try:
            step(self)
        except OSError:
            self.close_connection = True
        finally:
            self.left()

    do_GET = do_HEAD = do_POST = handle_one

    def left(self) -> None:
        """Counted as gone before the answer is: its reader may ask again at once."""
        if self.inside:
            self.inside = False
            self.server.owner.left()

    def reply(self, status: int, body: bytes = b"", **headers: object) -> None:
        self.left()
        self.send_response(status)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


Step = Callable[[Handler], None]


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    owner: "FaultServer"

    def handle_error(self, *_: object) -> None:
        pass


@dataclass
class FaultServer:
    """Each path has steps; the last one is repeated. A path without steps answers 404."""

    hits: list[Hit] = field(default_factory=list)
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self._steps: dict[str, list[Step]] = {}
        self._inside = 0
        self._lock = threading.Lock()
        self._listener = Listener(("127.0.0.1", 0), Handler)
        self._listener.owner = self
        self._thread = threading.Thread(
            target=self._listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()

    @property
    def place(self) -> str:
        """host:port"""
        return f"127.0.0.1:{self._listener.server_port}"

    def url(self, path: str) -> str:
        return f"http://{self.place}{path}"

    def on(self, path: str, *steps: Step) -> str:
        """Script a path; its URL."""
        self._steps[path] = list(steps)
        return self.url(path)

    def arrived(self, hit: Hit) -> Step:
        with self._lock:
            self.hits.append(hit)
            self._inside += 1
            self.most_at_once = max(self.most_at_once, self._inside)
            steps = self._steps.get(hit.path, [answer(404)])
            return steps.pop(0) if len(steps) > 1 else steps[0]

    def left(self) -> None:
        with self._lock:
            self._inside -= 1

    def paths(self) -> list[str]:
        with self._lock:
            return [hit.path for hit in self.hits]


def answer(status: int, body: bytes = b"", **headers: object) -> Step:
    return lambda handler: handler.reply(status, body, **headers)


def redirect(to: str, status: int = 302) -> Step:
    return answer(status, b"moved", Location=to)


def page(status: int = 200, kind: str = "text/html; charset=utf-8") -> Step:
    return answer(status, b"<!DOCTYPE html><html>Down for maintenance</html>", Content_Type=kind)


def tag_of(data: bytes) -> str:
    """The strong entity tag under which `file` serves this content."""
    return f'"{crc32(data):08x}"'


def file(data: bytes, pause_s: float = 0.0, **headers: object) -> Step:
    """A file that can be read in parts, with a strong ETag unless `ETag` says otherwise ("": none)."""
    more = {name: value for name, value in {"ETag": tag_of(data), **headers}.items() if value}
    return parts(len(data), lambda start, stop: data[start:stop], pause_s, **more)


def stored(path: Path) -> Step:
    """The same of a file on disk, read as it is asked for."""
    status = path.stat()

    def read(start: int, stop: int) -> bytes:
        with path.open("rb") as stream:
            stream.seek(start)
            return stream.read(stop - start)

    return parts(status.st_size, read, ETag=f'"{status.st_mtime_ns:x}-{status.st_size:x}"')


def parts(
    size: int, read: Callable[[int, int], bytes], pause_s: float = 0.0, **headers: object
) -> Step:
    """Something of `size` bytes that can be read in parts; it heeds If-Match where it has a tag."""

    def serve(handler: Handler) -> None:
        time.sleep(pause_s)
        asked = handler.hit.headers
        if headers.get("ETag") and asked.get("If-Match", headers["ETag"]) != headers["ETag"]:
            return handler.reply(412, **headers)
        if "Range" not in asked:
            return handler.reply(200, read(0, size), **headers)
        first, _, last = asked["Range"].removeprefix("bytes=").partition("-")
        start, stop = int(first), min(int(last) + 1, size)
        if start >= size:
            return handler.reply(416, Content_Range=f"bytes */{size}", **headers)
        span = f"bytes {start}-{stop - 1}/{size}"
        return handler.reply(206, read(start, stop), Content_Range=span, **headers)

    return serve


def cut(data: bytes, missing: int, **headers: object) -> Step:
    """Promises all of `data` and hangs up before the end."""

    def serve(handler: Handler) -> None:
        stated = {"Content_Length": len(data), **headers}
        handler.reply(206 if headers else 200, data[:-missing], **stated)
        handler.close_connection = True

    return serve


def drip(every_s: float, count: int, head: bool = False) -> Step:
    """One byte at a time, of the header or of the body."""

    def serve(handler: Handler) -> None:
        if not head:
            handler.reply(200, b"", Content_Length=count)
        else:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(count):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(every_s)
        handler.close_connection = True

    return serve


def reset(handler: Handler) -> None:
    """Hangs up without an answer."""
    handler.close_connection = True
    handler.connection.close()


def when(condition: Callable[[Hit], bool], then: Step, otherwise: Step) -> Step:
    return lambda handler: (then if condition(handler.hit) else otherwise)(handler)
