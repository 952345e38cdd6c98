"""Prompts that describe a place in words: coordinates, address, nearby places, and a task to rate.

After GeoLLM (Manvi et al., arXiv 2310.06213): four blocks with a blank line between them. An address
needs an answer of a geocoder (Nominatim's reverse search, zoom 18, with address details); places come
from an Overpass answer or from the map at hand. Answers are given, never fetched here.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.places import Place, from_tags, nearest, plain_name
from schemas.samples import Sample
from schemas.text import clean
from transforms.context import Context

PREFACE = (
    "You will be given what a map says about one place. "
    "Rate the place from 0.0 to 9.9 among all places where people live, the highest being 9.9. "
    'Answer with nothing but "My answer is X.X." where X.X is the rating.'
)
"""Three sentences before a prompt that asks a model without training; ours, the original has its own."""

UNSAID = ("-", "number", "code")
"""Parts of an address whose key holds one of these are left out."""


def address(answer: Mapping[str, Any]) -> str:
    """The address in a geocoder's answer: its parts in order, joined by ", ".

    Raises:
        ValueError: the answer holds no address.
    """
    parts = answer.get("address")
    if not isinstance(parts, Mapping):
        raise ValueError(f"no address: {clean(str(answer.get('error', 'unknown reason')), 80)}")
    said = [
        plain_name(str(value))
        for key, value in parts.items()
        if not any(sign in key for sign in UNSAID)
    ]
    return ", ".join(part for part in said if part)


def places(answer: Mapping[str, Any]) -> list[Place]:
    """Named places in an Overpass answer: nodes with `name` and `place`.

    Raises:
        ValueError: the answer holds no elements, or says that it is cut short.
    """
    elements = answer.get("elements")
    if not isinstance(elements, list) or "remark" in answer:
        raise ValueError(f"no places: {clean(str(answer.get('remark', 'no elements')), 80)}")
    found = []
    for element in elements:
        if element.get("type") == "node":
            lon, lat = float(element["lon"]), float(element["lat"])
            place = from_tags(f"n{element['id']}", element.get("tags") or {}, lon, lat)
            found += [place] if place else []
    return found


def prompt(
    lon: float, lat: float, near: Iterable[Mapping[str, Any]], task: str, where: str | None = None
) -> str:
    """The four blocks.

    Args:
        lon, lat: degrees; written as (lat, lon) with five decimals.
        near: places as `schemas.places.nearest` gives them; none is an empty list between quotes.
        task: what is rated, e.g. "Population Density".
        where: the address; None where nobody has been asked, which leaves its block out.
    """
    lines = [
        f"{place['km']:.1f} km {place['direction']}: {plain_name(str(place['name']))}"
        for place in near
    ]
    blocks = [f"Coordinates: ({lat:.5f}, {lon:.5f})"]
    if where is not None:
        blocks.append(f'Address: "{where}"')
    blocks.append("\n".join(["Nearby Places:", '"', *lines, '"']))
    blocks.append(f"{task} (On a Scale from 0.0 to 9.9):")
    return "\n\n".join(blocks)


@dataclass(frozen=True)
class Point:
    """A place to describe, in degrees; `key` names it in every file."""

    key: str
    lon: float
    lat: float


def rows(
    points: Iterable[Point],
    answers: Mapping[str, Mapping[str, Any]],
    task: str,
    most: int = 10,
    km: float = 100.0,
) -> Iterator[dict[str, Any]]:
    """One row for every point, in order: `key`, `text` and `reason`; one of the last two is null.

    Args:
        answers: by key an object with `nominatim` and `overpass`: the stored answers, or None with
            `error` where the request failed.
    """
    for point in points:
        answer = answers.get(point.key)
        if not isinstance(answer, Mapping):
            yield _row(point, None, "no_answer: nothing is stored for this point")
            continue
        if answer.get("nominatim") is None or answer.get("overpass") is None:
            said = clean(str(answer.get("error", "a request failed")), 120)
            yield _row(point, None, f"http_error: {said}")
            continue
        try:
            near = nearest(point.lon, point.lat, places(answer["overpass"]), most, km)
            where = address(answer["nominatim"])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            yield _row(point, None, f"not_an_answer: {clean(str(error), 120)}")
            continue
        yield _row(point, prompt(point.lon, point.lat, near, task, where), None)


def _row(point: Point, text: str | None, reason: str | None) -> dict[str, Any]:
    return {"key": point.key, "text": text, "reason": reason}


def messages(
    asked: Iterable[Mapping[str, Any]], labels: Mapping[str, float | None]
) -> Iterator[dict[str, Any]]:
    """Rows of `rows` as turns for fine-tuning, joined with labels by key, none left out."""
    for row in asked:
        label = labels.get(row["key"])
        reason = row["reason"] or (None if label is not None else "no_label: nothing to learn from")
        turns = None
        if reason is None:
            turns = [
                {"role": "user", "content": row["text"]},
                {"role": "assistant", "content": f"{label:.1f}"},
            ]
        yield {"key": row["key"], "messages": turns, "reason": reason}


def lines(entries: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as JSON lines in UTF-8."""
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in entries)


@dataclass(frozen=True)
class Prompt:
    """The prompt of a sample, from its window's middle and the named places of the map at hand.

    Nobody is asked for an address, so that block is left out. Gives `place_prompt`.

    Attributes:
        task: what is to be rated.
        preface: whether the fixed three sentences stand before it.
    """

    task: str = "Population Density"
    preface: bool = False
    needs: tuple[str, ...] = field(default=("window", "near_places"), init=False)
    gives: dict[str, str] = field(default_factory=lambda: {"place_prompt": "string"}, init=False)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its prompt."""
        assert sample.window is not None
        near = json.loads(str(sample.facts["near_places"]))
        text = prompt(*sample.window.centre(), near, self.task)
        sample.facts["place_prompt"] = f"{PREFACE}\n\n{text}" if self.preface else text
        return sample
