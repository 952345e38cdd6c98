"""A web server with latency: nginx on loopback behind a proxy that holds every byte back.

    with served(FOLDER, delay_s=0.02) as server: ... server.address ...

The delay is added each way, so a request takes twice `delay_s` more than without. Throughput stays:
bytes are delayed, not slowed.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.family import children, cpu_seconds

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


@dataclass(frozen=True)
class Server:
    """What a run can ask of the server.

    Attributes:
        address: where readers find it.
        log: a line of each request: status, bytes, range.
        processes: nginx and the proxy.
    """

    address: str
    log: Path
    processes: tuple[int, ...]

    def seen(self) -> dict[str, float]:
        """Requests, bytes sent, and seconds of processor time of server and proxy, so far."""
        lines = self.log.read_text().splitlines()
        every = {pid for parent in self.processes for pid in (parent, *children(parent))}
        return {
            "requests": len(lines),
            "sent": sum(int(line.split()[1]) for line in lines),
            "server_cpu_seconds": sum(map(cpu_seconds, every)),
        }


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def served(root: Path, delay_s: float = 0.02) -> Iterator[Server]:
    """The files of a folder at an address."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise SystemExit("nginx is not installed")
    work = Path(tempfile.mkdtemp(prefix="nginx-"))
    port, behind = free_port(), free_port()
    text = CONFIG.format(work=work, port=behind, root=root.resolve())
    (work / "nginx.conf").write_text(text)
    proxy = [sys.executable, "-m", "benchmarks.delaying", str(port), str(behind), str(delay_s)]
    started = [
        subprocess.Popen([program, "-c", str(work / "nginx.conf"), "-e", str(work / "error.log")]),
        subprocess.Popen(proxy, cwd=Path(__file__).resolve().parents[1]),
    ]
    try:
        _wait(behind)
        _wait(port)
        pids = tuple(process.pid for process in started)
        yield Server(f"http://127.0.0.1:{port}", work / "access.log", pids)
    finally:
        for process in started:
            process.terminate()
            process.wait()
        shutil.rmtree(work, ignore_errors=True)


def _wait(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing answers at port {port}")
