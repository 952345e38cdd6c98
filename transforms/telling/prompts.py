"""Prompts for language models: what is known of an element as data, within the rules of a task.

The rules follow the structure that specs/rsteller.md describes; wording and examples are this
project's own (`schemas/data/prompts`). Facts are JSON on one line: no tag can end the block that it
stands in, and nothing that is filled in is looked at again for placeholders.
"""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from schemas.chance import rank
from schemas.tag_meanings import Pages, sentence
from transforms.telling.known import Known

FOLDER = Path(__file__).resolve().parents[2] / "schemas" / "data" / "prompts"

TASKS = {1: "area", 2: "line", 3: "rewrite"}
"""Prompts by the numbers that the original's release gives them."""

SHOWN = 5
"""Examples in a prompt."""

_HOLE = re.compile(r"\{(\w+)\}")


def facts_json(known: Known, pages: Pages) -> str:
    """What a model is told of an element: JSON on one line, without angle brackets."""

    def told(tags: Mapping[str, str]) -> list[str]:
        return [sentence(pages, key, value) for key, value in tags.items()]

    visible = {key: known.tags.get(key, value) for key, value in known.visible.items()}
    body: dict[str, Any] = {
        "visible": told(visible),
        "not visible": told(known.contextual),
        "around": [told(tags) for tags in known.background],
        "position": known.position,
        "reaches edges": list(known.edges),
    }
    if known.area:
        body.update({"share of picture": known.share, "shape": known.outline})
    else:
        body.update(
            {
                "from": known.ends[0] if known.ends else "",
                "to": known.ends[1] if known.ends else "",
                "course": known.course,
                "sinuosity": known.sinuosity,
                "direction": known.orientation,
                "length in picture sides": known.length_sides,
                "length in meters": known.length_m,
            }
        )
    return inert(body)


def inert(value: Any) -> str:
    """A value as JSON on one line in which nothing opens or closes a tag of markup."""
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e")


@cache
def template(task: int) -> str:
    """The text of a prompt with its placeholders."""
    return (FOLDER / f"{TASKS[task]}.txt").read_text(encoding="utf-8").rstrip("\n")


@cache
def bank(name: str) -> tuple[tuple[str, str], ...]:
    """(given, text) of the examples called `area`, `line`, `rewrite area` or `rewrite line`."""
    with (FOLDER / "examples.csv").open(encoding="utf-8", newline="") as stream:
        return tuple((r["given"], r["text"]) for r in csv.DictReader(stream) if r["name"] == name)


def drawn(name: str, seed: int, sample: str) -> Sequence[tuple[str, str]]:
    """`SHOWN` examples of a bank, by a hash of the seed and the sample."""
    order = sorted(bank(name), key=lambda pair: rank(seed, "example", sample, pair[0]))
    return order[:SHOWN]


def filled(text: str, values: Mapping[str, str]) -> str:
    """A template with its placeholders filled in, in one pass.

    Raises:
        KeyError: a placeholder has no value.
    """
    return _HOLE.sub(lambda hole: values[hole[1]], text)


def prompt(known: Known, pages: Pages, mirrored: bool = False) -> str:
    """The prompt for a caption of an area (task 1) or a line (task 2).

    Args:
        mirrored: repeats the original's mistake of calling the left east, to reproduce its texts.
    """
    task = 1 if known.area else 2
    examples = [f"FACTS\n{given}\nCAPTION\n{text}" for given, text in bank(TASKS[task])]
    return filled(
        template(task),
        {**sides(mirrored), "examples": "\n\n".join(examples), "facts": facts_json(known, pages)},
    )


def rewrite_prompt(caption: str, area: bool, seed: int, sample: str, mirrored: bool = False) -> str:
    """The prompt for another caption that says what `caption` says (task 3)."""
    pairs = drawn(f"rewrite {TASKS[1 if area else 2]}", seed, sample)
    examples = [f"CAPTION\n{inert(given)}\nANOTHER CAPTION\n{text}" for given, text in pairs]
    return filled(
        template(3),
        {**sides(mirrored), "examples": "\n\n".join(examples), "caption": inert(caption)},
    )


def sides(mirrored: bool) -> dict[str, str]:
    """What a prompt calls the left and the right side of a picture."""
    west, east = ("east", "west") if mirrored else ("west", "east")
    return {"left": west, "right": east}
