"""A big extract for benchmarks, made of real ones: copies side by side, with ids of their own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import osmium

GAP = 40  # ids lie at most this far apart: an extract's own gaps are as wide as the world is big
CELL = 0.5  # degrees from one copy to the next
ACROSS = 24  # copies in a row


@dataclass(slots=True)
class Seed:
    """The objects of a real extract, each kind sorted by id."""

    kinds: tuple[list[Any], list[Any], list[Any]]
    corner: tuple[float, float]

    @classmethod
    def read(cls, path: Path) -> Seed:
        """All objects, without what names their editors."""
        kinds: tuple[list[Any], ...] = ([], [], [])
        for thing in osmium.FileProcessor(str(path)):
            common = {
                "id": thing.id, "version": thing.version, "timestamp": thing.timestamp,
                "tags": dict(thing.tags), "user": f"mapper {thing.uid % 1000}",
                "uid": 1 + thing.uid % 1000, "changeset": 1 + thing.changeset,
            }  # fmt: skip
            if thing.is_node():
                common["location"] = (thing.location.lon, thing.location.lat)
                kinds[0].append(common)
            elif thing.is_way():
                common["nodes"] = [node.ref for node in thing.nodes]
                kinds[1].append(common)
            else:
                common["members"] = [(m.type, m.ref, m.role) for m in thing.members]
                kinds[2].append(common)
        for things in kinds:
            things.sort(key=lambda thing: thing["id"])
        corner = tuple(min(node["location"][axis] for node in kinds[0]) for axis in (0, 1))
        return cls(kinds, corner)


def write(seeds: Iterable[Path], target: Path, megabytes: int) -> Path:
    """Copies of the `seeds` in turn, `megabytes` together or a little more; sorted by type and id.

    Tags, metadata and shapes are the seeds'; names get the number of their copy. Nothing is
    written where `target` exists.
    """
    if target.exists():
        return target
    paths = list(seeds)
    read = [Seed.read(path) for path in paths]
    rounds = -(-megabytes * 1_100_000 // sum(path.stat().st_size for path in paths))
    target.parent.mkdir(parents=True, exist_ok=True)
    order = [seed for _ in range(rounds) for seed in read]
    part = target.with_name(f".{target.name}.part.osm.pbf")
    header = osmium.io.Header()
    header.set("sorting", "Type_then_ID")
    header.set("generator", "benchmarks")
    with osmium.SimpleWriter(str(part), header=header, overwrite=True) as writer:
        maps: list[tuple[dict[int, int], ...]] = [({}, {}, {}) for _ in order]
        add = (writer.add_node, writer.add_way, writer.add_relation)
        for kind, letter in enumerate("nwr"):
            last = 0
            for copy, seed in enumerate(order):
                last = number(seed.kinds[kind], maps[copy][kind], last)
            for copy, seed in enumerate(order):
                for thing in seed.kinds[kind]:
                    add[kind](placed(thing, copy, seed, maps[copy], letter))
    part.rename(target)
    return target


def number(things: list[dict[str, Any]], names: dict[int, int], last: int) -> int:
    """Give things new ids after `last`, as far apart as they were but for wide gaps."""
    old = [thing["id"] for thing in things]
    for before, ident in pairwise([old[0] - 1, *old] if old else []):
        last += min(ident - before, GAP)
        names[ident] = last
    return last


def placed(
    thing: dict[str, Any], copy: int, seed: Seed, names: tuple[dict[int, int], ...], letter: str
) -> Any:
    """A thing of one copy, for the writer."""
    from osmium.osm.mutable import Node, Relation, Way

    more = dict(thing)
    more["id"] = names["nwr".index(letter)][thing["id"]]
    if "name" in thing["tags"]:
        more["tags"] = thing["tags"] | {"name": f"{thing['tags']['name']} {copy}"}
    if letter == "n":
        lon, lat = thing["location"]
        west, south = -60 + copy % ACROSS * CELL, 20 + copy // ACROSS * CELL
        more["location"] = (lon - seed.corner[0] + west, lat - seed.corner[1] + south)
        return Node(**more)
    if letter == "w":
        more["nodes"] = [names[0].get(ref, 0) or absent(ref) for ref in thing["nodes"]]
        return Way(**more)
    more["members"] = [
        (kind, names["nwr".index(kind)].get(ref, 0) or absent(ref), role)
        for kind, ref, role in thing["members"]
    ]
    return Relation(**more)


def absent(ref: int) -> int:
    """An id for what the seed refers to and does not hold: beyond all that are given."""
    return 9_000_000_000 + ref % 900_000_000
