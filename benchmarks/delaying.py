"""A proxy that holds every byte back, each way: `python -m benchmarks.delaying PORT BEHIND SECONDS`.

Bytes stay in the kernel: a piece is spliced from its socket into a pipe, and from there into the
other socket when it is due. So the proxy takes next to nothing of the cores it shares with readers.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
import threading
import time
from queue import Queue

PIECE = 1 << 20
"""Bytes of a piece at most, and of a pipe where the kernel allows it."""

PIECES = 32
"""Pieces held in one direction of a connection at most; then its sender has to wait."""

Pipe = tuple[int, int]
"""(end to read from, end to write to)."""

Held = Queue[tuple[float, Pipe, int]]
"""(when it is due, where it lies, bytes) of pieces; one without bytes is the end."""

SPARE: list[Pipe] = []
"""Empty pipes."""


def take(near: socket.socket, held: Held, delay_s: float) -> None:
    """Hold what comes until it ends."""
    size = 1
    while size:
        pipe = SPARE.pop() if SPARE else new_pipe()
        try:
            size = os.splice(near.fileno(), pipe[1], PIECE)
        except OSError:
            size = 0
        held.put((time.monotonic() + delay_s, pipe, size))


def give(held: Held, far: socket.socket) -> None:
    """Pass on each piece when it is due; where the receiver is gone, let the pieces go."""
    while True:
        due, pipe, size = held.get()
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            if not size:
                SPARE.append(pipe)
                return far.shutdown(socket.SHUT_WR)
            while size:
                size -= os.splice(pipe[0], far.fileno(), size)
            SPARE.append(pipe)
        except OSError:
            for end in pipe:
                os.close(end)


def new_pipe() -> Pipe:
    """A pipe as large as a piece, where the kernel allows it."""
    made = os.pipe()
    with contextlib.suppress(OSError):
        fcntl.fcntl(made[1], fcntl.F_SETPIPE_SZ, PIECE)
    return made


def serve(port: int, behind: int, delay_s: float) -> None:
    """Carry connections from one port of this machine to another, for ever."""
    with socket.create_server(("127.0.0.1", port), backlog=512) as listener:
        while True:
            near, _ = listener.accept()
            far = socket.create_connection(("127.0.0.1", behind))
            for one, two in ((near, far), (far, near)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                held = Held(PIECES)
                threading.Thread(target=take, args=(one, held, delay_s), daemon=True).start()
                threading.Thread(target=give, args=(held, two), daemon=True).start()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
