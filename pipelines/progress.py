"""Progress: a line an act and a funnel with reasons; rich on a terminal, plain or JSON lines elsewhere."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from schemas.text import shown

PERIOD_S = 10.0


class Progress:
    """What people and machines see of a running build.

    Attributes:
        mode: `rich`, `plain`, `json` (on stdout, for a machine) or `quiet`.
    """

    def __init__(self, mode: str = "", stream: TextIO | None = None) -> None:
        self.stream = stream or (sys.stdout if mode == "json" else sys.stderr)
        self.mode = mode or ("rich" if self.stream.isatty() else "plain")

    def say(self, text: str, **facts: Any) -> None:
        """One line (in JSON mode: one object with `event`)."""
        if self.mode == "json":
            line = json.dumps({"event": "note", "text": text, **facts}, default=str)
            print(line, file=self.stream, flush=True)
        elif self.mode != "quiet":
            print(shown(text), file=self.stream, flush=True)

    def event(self, name: str, text: str, **facts: Any) -> None:
        """A named event; people see `text`."""
        if self.mode == "json":
            line = json.dumps({"event": name, **facts}, default=str)
            print(line, file=self.stream, flush=True)
        elif self.mode != "quiet":
            print(shown(text), file=self.stream, flush=True)

    @contextmanager
    def act(
        self, name: str, total: int = 0, done: Callable[[], int] | None = None,
        further: Callable[[], str] = str,
    ) -> Iterator[None]:  # fmt: skip
        """An act under way. `done` counts finished blocks or shards from their commit records.

        `further` says what else has happened, "" for nothing. The local runner blocks, so a thread
        asks the commit records instead of the pipeline.
        """
        start = time.monotonic()
        stop = threading.Event()
        watcher = None
        if done is not None and total and self.mode != "quiet":
            watcher = threading.Thread(
                target=self._watch, args=(name, total, done, further, stop), daemon=True
            )
            watcher.start()
        try:
            yield
        finally:
            stop.set()
            if watcher is not None:
                watcher.join(timeout=5)
        seconds = time.monotonic() - start
        self.event("act", f"{name:<9} {seconds:6.1f} s", act=name, seconds=round(seconds, 2))

    def _watch(
        self, name: str, total: int, done: Callable[[], int], further: Callable[[], str],
        stop: threading.Event,
    ) -> None:  # fmt: skip
        if self.mode == "rich":
            self._bar(name, total, done, further, stop)
            return
        while not stop.wait(PERIOD_S):
            at, more = done(), further()
            text = f"{name:<9} {at} of {total}" + (f", {more}" if more else "")
            self.event("progress", text, act=name, done=at, total=total)

    def _bar(
        self, name: str, total: int, done: Callable[[], int], further: Callable[[], str],
        stop: threading.Event,
    ) -> None:  # fmt: skip
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(),
                   TimeRemainingColumn())  # fmt: skip
        with Bars(*columns, console=Console(file=self.stream), transient=True) as bars:
            task = bars.add_task(name, total=total)
            while not stop.wait(0.25):
                bars.update(task, completed=done(), description=f"{name} {further()}".strip())

    def table(self, title: str, head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        """A small table: the funnel, counts by tag."""
        if self.mode == "json":
            facts = [dict(zip(head, row, strict=True)) for row in rows]
            print(json.dumps({"event": title, "rows": facts}, default=str), file=self.stream)
        elif self.mode == "rich":
            from rich import box
            from rich.console import Console
            from rich.table import Table
            from rich.text import Text

            grid = Table(*head, title=title, title_justify="left", box=box.SIMPLE_HEAD)
            for row in rows:
                grid.add_row(
                    *(f"{v:,}" if isinstance(v, int) else Text(shown(str(v))) for v in row)
                )
            Console(file=self.stream).print(grid)
        elif self.mode == "plain":
            print("\n".join([title, *_aligned(head, rows)]), file=self.stream, flush=True)


def _aligned(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    """Lines of a table under its head, numbers to the right; none without rows."""
    columns = []
    for name, *cells in zip(head, *rows, strict=True):
        number = all(isinstance(cell, int) for cell in cells)
        texts = [name, *(f"{c:,}" if isinstance(c, int) else shown(str(c)) for c in cells)]
        width = max(map(len, texts))
        columns.append(
            [text.rjust(max(width, 9)) if number else text.ljust(width) for text in texts]
        )
    lines = [("  " + "  ".join(cells)).rstrip() for cells in zip(*columns, strict=True)]
    return lines if rows else []
