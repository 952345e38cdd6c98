"""SkyScript with texts by a captioner, and builds of it on the small world."""

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import building
import pipelines.commands.build as command
from pipelines.datasets.skyscript import RECIPE
from schemas.recipes import Recipe, active
from schemas.samples import Sample
from transforms import encode, texts
from transforms.context import Context

HERE, ROOT = Path(__file__).parent, Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Prompt:
    """A prompt and a template from the object's tags."""

    needs: tuple[str, ...] = field(default=("center_tags", "title"), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"prompt": "string", "caption_template": "string"}, init=False
    )

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        tags = json.loads(str(sample.facts["center_tags"]))
        said = ", ".join(f"{key} {value}" for key, value in tags.items())
        sample.facts["prompt"] = f"Describe the place.\nFACTS: {said}"
        sample.facts["caption_template"] = sample.facts["title"]
        return sample


def text_recipe(**settings: Any) -> Recipe:
    """SkyScript whose `txt` member is a text by the captioner."""
    base = active(RECIPE)
    given = {"prompt": "prompt", "template": "caption_template", "gives": "caption"}
    step = texts.ByModel(**{**given, "tries": 2, **settings})
    members = {**base.pack.members, "txt": encode.Text("caption")}
    return replace(
        base,
        make=(*base.make, Prompt()),
        annotate=(step,),
        pack=replace(base.pack, members=members),
    )


def build(recipe: Recipe, argv: Iterable[str], sizes: dict[str, int] = building.SMALL) -> int:
    """A build of a recipe in this process; returns its exit code."""
    original = command.recipe
    command.recipe = lambda name: recipe  # type: ignore[assignment]
    try:
        return building.main(list(argv), sizes)
    finally:
        command.recipe = original


CHILD = """
import sys
sys.path[:0] = [{here!r}, {engine!r}, {net!r}]
import text_recipes
sys.exit(text_recipes.build(text_recipes.{recipe}, sys.argv[1:]))
"""


def started(recipe: str, argv: Iterable[str], env: dict[str, str] | None = None) -> Any:
    """The same in a process of its own, not waited for; the recipe as an expression of this module."""
    import os

    code = CHILD.format(
        here=str(HERE), engine=str(HERE.parent / "engine"), net=str(HERE.parent / "net"),
        recipe=recipe,
    )  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", code, *argv], cwd=ROOT, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def rows(out: Path, name: str = "samples") -> list[dict[str, Any]]:
    """A table of the release."""
    path = building.release(out) / "metadata" / f"{name}.parquet"
    return list(pq.read_table(path).to_pylist())
