"""The engine's side of `annotate`: the act on blocks, as a lane works on them."""

from __future__ import annotations

import argparse
import shutil
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.annotate_inputs import FACTS
from schemas.recipes import Card, Pack, Recipe
from transforms.annotating import Annotator
from transforms.context import Context


@dataclass(frozen=True)
class Given:
    """What the blocks hold, as if steps had made it."""

    needs: tuple[str, ...] = ()
    gives: dict[str, str] = field(default_factory=lambda: {"image": "noun", **FACTS})


@dataclass(frozen=True)
class Picture:
    """The picture, encoded as if `make` had done so."""

    needs: tuple[str, ...] = ("image",)
    gives: dict[str, str] = field(default_factory=dict)


class Act:
    """The act on blocks as a lane works on them: told of one ahead, closed by a thread of its own."""

    def __init__(
        self, home: Path, name: str, step: Any, options: argparse.Namespace, **more: Any
    ) -> None:
        card = Card("bench", "1.0.0", "Bench", "", ())
        pack = Pack(members={"rgb.jpg": Picture()})
        recipe = Recipe(card, Given(), (), (), pack, annotate=(step,))
        device = "cuda:0" if options.device == "cuda" else options.device
        ctx = Context(device=device, threads=options.threads, **more)
        self.made, self.out = home / name, home / f"{name}-annotated"
        self.annotator = Annotator(recipe, ctx, self.made, self.out)
        self.names = sorted(path.stem for path in self.made.glob("*.parquet"))

    def __call__(self) -> None:
        """Annotate every block anew."""
        shutil.rmtree(self.out, ignore_errors=True)
        told: deque[str] = deque()
        coming = iter(self.names)
        with ThreadPoolExecutor(1) as closing:
            done = []
            while True:
                while len(told) < 2 and (name := next(coming, None)) is not None:
                    told.append(name)
                    self.annotator.expect(name)
                if not told:
                    break
                self.annotator.annotate(
                    told.popleft(), "bench", lambda work: done.append(closing.submit(work))
                )
            rows = sum(future.result().rows for future in done)
        if rows != sum(pq.read_metadata(p).num_rows for p in self.made.glob("*.parquet")):
            raise AssertionError("samples are missing")
