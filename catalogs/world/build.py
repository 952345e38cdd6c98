"""Draws the world into a folder and writes its list of files last."""

import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from catalogs.world import stacfile, surface, truth
from catalogs.world.layers import LAYERS
from catalogs.world.layout import Place
from catalogs.world.sites import SITES, Site
from catalogs.world.stacfile import Json
from schemas.errors import BuildError


def build(root: Path, seed: int, version: int, sites: Sequence[Site] = SITES) -> None:
    """Draws the world into `root`; `world.json` appears last.

    Args:
        root: An empty or absent folder.
        seed: Seed of every random choice.
        version: Version of the world's content, written down.
        sites: Its places; fewer for a smaller world.
    """
    drawn = drawn_by(sites, root, seed, crew=min(4, os.cpu_count() or 1))
    places = [place for place, _ in drawn]
    collections, facts = [], {}
    for layer in LAYERS:
        items = [entry for _, made in drawn for entry in made[layer.name]]
        body, fact = layer.gather(places, root / layer.name, items)
        facts[layer.name] = fact
        if layer.home == "catalogue":
            collections.append((body, items))
        elif layer.home == "alone":
            stacfile.write_alone(root / layer.name, body, items)
    stacfile.write(root, collections)
    _finish(
        root,
        {
            "version": version,
            "seed": seed,
            "sites": [_describe(p) for p in places],
            "layers": facts,
        },
    )


Drawn = tuple[Place, dict[str, list[Json]]]
"""A place, and its items by layer."""


def drawn_by(sites: Sequence[Site], root: Path, seed: int, crew: int) -> list[Drawn]:
    """All places, in the order of the sites; drawn by as many processes, this one among them.

    Plain processes, so that a caller needs no guard around its script, and may itself be a worker.
    They end with this one.

    Raises:
        BuildError: another process failed.
    """
    root = root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    found: dict[int, Drawn] = {}
    with ExitStack() as stack:
        others = []
        for number in range(1, min(crew, len(sites))):
            result = root / f".drawn-{number}"
            other = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-I", "-c", CHILD, *sys.path], stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                )
            )  # fmt: skip
            stack.callback(other.kill)
            assert other.stdin is not None
            try:
                pickle.dump((list(sites[number::crew]), root, seed, result), other.stdin)
                other.stdin.flush()
            except BrokenPipeError:  # it has ended: told below
                with suppress(BrokenPipeError):
                    other.stdin.close()
            others.append((number, other, result))
        for index in range(0, len(sites), crew):
            found[index] = _draw(sites[index], root, seed)
            for _, other, _ in others:
                _sound(other.poll() or 0)
        for number, other, result in others:
            _sound(other.wait())
            given = pickle.loads(result.read_bytes())
            result.unlink()
            found.update(zip(range(number, len(sites), crew), given, strict=True))
    return [found[index] for index in range(len(sites))]


CHILD = """
import sys
sys.path[:] = sys.argv[1:]
from catalogs.world.build import child
child()
"""


def child() -> None:
    """Draw the places that standard input names; end when it ends, since nobody waits any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever waits is interrupted, and ends this
    sites, root, seed, result = pickle.load(sys.stdin.buffer)

    def watch() -> None:
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    drawn = pickle.dumps([_draw(site, root, seed) for site in sites])
    result.write_bytes(drawn)
    os._exit(0)  # the thread that watches holds standard input


def _sound(code: int) -> None:
    if code:
        raise BuildError(
            f"a process that draws the sample world ended with {code}: see what it said above, "
            "or whether memory ran out"
        )


def _draw(site: Site, root: Path, seed: int) -> Drawn:
    place = surface.place(site, seed)
    truth.write(place, root / "truth")
    return place, {layer.name: layer.make(place, root / layer.name) for layer in LAYERS}


def _describe(place: Place) -> dict[str, Any]:
    site = place.site
    return {
        "id": site.id,
        "name": site.name,
        "lon": site.lon,
        "lat": site.lat,
        "epsg": site.epsg,
        "theme": site.theme,
        "years": list(site.years),
        "mapped": site.mapped,
        "features": len(place.features),
    }


def _finish(root: Path, facts: dict[str, Any]) -> None:
    """Writes `world.json`: the facts, and size and SHA-256 of every file."""
    files = {}
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        data = path.read_bytes()
        files[path.relative_to(root).as_posix()] = {
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    text = json.dumps(
        {**facts, "generated": stacfile.NOTICE, "files": files}, indent=1, ensure_ascii=False
    )
    (root / "world.json").write_text(text + "\n", encoding="utf-8")
