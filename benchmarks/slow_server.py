"""A web server with latency: nginx on loopback behind a proxy that holds every byte back.

    with served(FOLDER, delay_s=0.02) as (address, log): ...

The delay is added each way, so a request takes twice `delay_s` more than without. Throughput stays:
bytes are delayed, not slowed. The proxy runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import multiprocessing
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

CONFIG = """
worker_processes 1; daemon off; pid {work}/pid; error_log {work}/error.log;
events {{ worker_connections 1024; }}
http {{
  log_format line '$status $bytes_sent $http_range';
  access_log {work}/access.log line;
  client_body_temp_path {work}/body; proxy_temp_path {work}/proxy; fastcgi_temp_path {work}/f;
  uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;
  sendfile on; tcp_nodelay on; keepalive_requests 100000; keepalive_timeout 300;
  types {{ image/tiff tif; application/json json; }}
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float
) -> None:
    """Pass bytes on, each piece `delay_s` after it came, in order."""
    held: collections.deque[tuple[float, bytes]] = collections.deque()
    arrived = asyncio.Event()

    async def take() -> None:
        while data := await reader.read(1 << 18):
            held.append((time.monotonic() + delay_s, data))
            arrived.set()
            while sum(len(piece) for _, piece in held) > 1 << 25:
                await asyncio.sleep(delay_s / 4)
        held.append((time.monotonic() + delay_s, b""))
        arrived.set()

    taking = asyncio.create_task(take())
    with contextlib.suppress(ConnectionError):
        while True:
            while not held:
                arrived.clear()
                await arrived.wait()
            due, data = held.popleft()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not data:
                break
            writer.write(data)
            await writer.drain()
    taking.cancel()
    writer.close()


def _proxy(port: int, behind: int, delay_s: float) -> None:
    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", behind, limit=1 << 22)
        await asyncio.gather(
            _carry(reader, far_writer, delay_s), _carry(far_reader, writer, delay_s)
        )

    async def serve() -> None:
        server = await asyncio.start_server(meet, "127.0.0.1", port, limit=1 << 22, backlog=512)
        await server.serve_forever()

    asyncio.run(serve())


@contextlib.contextmanager
def served(root: Path, delay_s: float = 0.02) -> Iterator[tuple[str, Path]]:
    """(address, access log) of a folder's files; the log has status, bytes and range of each request."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise SystemExit("nginx is not installed")
    work = Path(tempfile.mkdtemp(prefix="nginx-"))
    port, behind = free_port(), free_port()
    text = CONFIG.format(work=work, port=behind, root=root.resolve())
    (work / "nginx.conf").write_text(text)
    web = subprocess.Popen([program, "-c", str(work / "nginx.conf"), "-e", str(work / "error.log")])
    proxy = multiprocessing.get_context("spawn").Process(
        target=_proxy, args=(port, behind, delay_s), daemon=True
    )
    proxy.start()
    try:
        _wait(port)
        _wait(behind)
        yield f"http://127.0.0.1:{port}", work / "access.log"
    finally:
        proxy.terminate()
        web.terminate()
        web.wait()
        shutil.rmtree(work, ignore_errors=True)


def _wait(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing answers at port {port}")
