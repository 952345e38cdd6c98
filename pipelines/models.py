"""The models and the captioner that a build asks for: found, named by what they are, checked early."""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from catalogs.files import read_json, write_json
from catalogs.sources.chat import base_of
from catalogs.sources.exchanges import SECRET, Shelf
from catalogs.sources.models import Model, find, packaged, parts, require
from schemas.errors import BuildError, LoomError, UsageError
from schemas.recipes import Recipe, name_of
from transforms.texts.captioner import KEY, Captioner

NOTES = "models.json"
"""In the work area: what each model was found to be, for machines that do not have it."""

SAMPLING = "set it on the step with --set, or take it out with null"
OURS = {
    "model": "name it with --captioner-model", "seed": "it follows from --seed",
    "messages": "change the prompt's step", "stream": "answers are taken whole",
    "temperature": SAMPLING, "top_p": SAMPLING, "max_tokens": SAMPLING,
    "response_format": "set form=json on the step",
}  # fmt: skip
"""Fields of a request that the build fills in, and how each is changed."""

HIDDEN_SIZES = {"image": ("projection_dim",), "text": ("projection_dim", "projection_size")}
TOWERS = {"image": "vision_config", "text": "text_config"}


@dataclass(frozen=True)
class Models:
    """What the annotate steps of a build work with.

    Attributes:
        recipe: with each model named by its identity instead of its place.
        captioner: who writes texts, None for templates.
        folders: of models, by identity; those of this machine alone.
        names: identity by what the user wrote.
    """

    recipe: Recipe
    captioner: Captioner | None
    folders: dict[str, str]
    names: dict[str, str]


def service(args: argparse.Namespace) -> bool:
    """Whether texts are written by a service at an address."""
    return str(args.captioner or "").startswith(("http://", "https://"))


def check(args: argparse.Namespace, recipe: Recipe) -> None:
    """Refuse captioner options that would do nothing, or cannot be understood.

    Raises:
        UsageError: naming the option.
    """
    writes = any(hasattr(step, "sampling") for step in recipe.annotate)
    if args.captioner is not None and not args.captioner.strip():
        raise UsageError("--captioner: is empty; name an address or a model, or leave it away")
    if args.captioner and not writes:
        raise UsageError(
            f"--captioner: recipe {recipe.card.name} has no step that asks one for a text"
        )
    if not service(args):
        for option, usual in (("captioner_model", ""), ("captioner_extra", ""),
                              ("requests", "record"), ("requests_at", "")):  # fmt: skip
            if getattr(args, option) != usual:
                raise UsageError(f"--{option.replace('_', '-')}: needs --captioner URL")
    else:
        base_of(args.captioner)
    try:
        extra = json.loads(args.captioner_extra or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise UsageError(f"--captioner-extra {args.captioner_extra}: expected a JSON object")
    _check_extra(extra)


def _check_extra(extra: dict[str, Any]) -> None:
    """Refuse fields that would make the release tell an untruth, or a secret."""
    if name := _secret(extra):
        raise UsageError(
            f"--captioner-extra: {name} looks like a secret, and what is asked is written down; "
            f"put the key into the environment as {KEY}"
        )
    for name, value in extra.items():
        if name in OURS and value is not None:
            raise UsageError(
                f"--captioner-extra: {name} is the build's own, and the release says how a text was "
                f"drawn; {OURS[name]}"
            )


def _secret(value: Any) -> str:
    """Name of a field, at any depth, whose text looks like a secret; "" for none."""
    if isinstance(value, list):
        return next(filter(None, map(_secret, value)), "")
    if not isinstance(value, dict):
        return ""
    for name, item in value.items():
        if isinstance(item, str) and SECRET.search(name):
            return str(name)
    return _secret(list(value.values()))


def texts(args: argparse.Namespace, recipe: Recipe, samples: int) -> str:
    """What a captioner will be asked, at most; "" without one."""
    steps: list[Any] = [step for step in recipe.annotate if hasattr(step, "sampling")]
    if not args.captioner or not steps:
        return ""
    requests = sum(step.tries for step in steps) * samples
    plain = args.captioner.partition("?")[0].rpartition("@")[2]
    return (
        f"{samples * len(steps):,} texts to be written by {plain}, in up to {requests:,} requests"
    )


def wish(args: argparse.Namespace) -> dict[str, Any] | None:
    """What is asked of a captioner, for the settings: not where it is reached."""
    if not args.captioner:
        return None
    if not service(args):
        return {"model": args.captioner}
    return {"service": args.captioner_model or "its first model", "extra": args.captioner_extra}


def resolve(
    args: argparse.Namespace, recipe: Recipe, home: Path, say: Callable[[str], None]
) -> Models:
    """Find every model that is named, and greet the service.

    Raises:
        LoomError: one is missing and has not been found by an earlier run on another machine.
    """
    notes = Notes(home / ".work" / NOTES)
    folders: dict[str, str] = {}
    names: dict[str, str] = {}

    def found(what: str) -> tuple[str, Model | None]:
        try:
            model = find(what)
        except LoomError:
            if (known := notes.get(what, "identity")) is None:
                raise
            names[what] = known
            return known, None
        notes.put(what, identity=model.identity)
        folders[model.identity], names[what] = str(model.folder), model.identity
        return model.identity, model

    steps = []
    for step in recipe.annotate:
        if what := getattr(step, "model", ""):
            identity, model = found(what)
            if packaged(identity) and getattr(step, "side", "") != "image":
                raise UsageError(
                    f"model {what}: makes vectors of pictures alone; {name_of(step)} needs one that "
                    "reads texts too"
                )
            changes: dict[str, Any] = {"model": identity}
            if hasattr(step, "dimensions"):
                changes["dimensions"] = _dimensions(step, what, model, notes)
            step = replace(step, **changes)  # type: ignore[type-var]
        steps.append(step)
    captioner = None
    if args.captioner and not service(args):
        captioner = Captioner(model=found(args.captioner)[0])
        if packaged(captioner.model):
            raise UsageError(f"--captioner {args.captioner}: makes vectors of pictures, no texts")
    elif args.captioner:
        captioner = _greeted(args, home, notes, say)
    if folders and not any((home / ".work" / "annotate").glob("*.json")):
        require(folders)  # said now, not after hours of reading pixels
    return Models(replace(recipe, annotate=tuple(steps)), captioner, folders, names)


def _greeted(
    args: argparse.Namespace, home: Path, notes: "Notes", say: Callable[[str], None]
) -> Captioner:
    name, revision = parts(args.captioner_model)
    base = base_of(args.captioner)
    shelf = Shelf(Path(args.requests_at or home / "requests").resolve())
    shelf.sweep()
    captioner = Captioner(
        url=base,
        model=name,
        revision=revision,
        extra=args.captioner_extra,
        parallel=args.captioner_parallel,
        timeout_s=args.captioner_timeout,
        mode=args.requests,
        shelf=str(shelf.folder),
        insists=args.error_budget < 1,
    )
    noted = f"captioner {args.captioner_model}"
    try:
        model = captioner.found()
    except BuildError as error:
        model = name or notes.get(noted, "model") or ""
        stands = notes.get(noted, "model") is not None or (name and args.error_budget >= 1)
        if not stands or args.requests == "replay":
            raise
        say(f"warning: {error}")
    notes.put(noted, model=model)
    return replace(captioner, model=model)


class Notes:
    """What was found of models, kept for runs on machines that do not have them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, dict[str, Any]] = read_json(path) if path.exists() else {}

    def get(self, what: str, item: str) -> Any:
        """What was found; None where it was not."""
        return self.known.get(what, {}).get(item)

    def put(self, what: str, **values: Any) -> None:
        """Keep it."""
        if self.known.get(what) != {**self.known.get(what, {}), **values}:
            self.known[what] = {**self.known.get(what, {}), **values}
            write_json(self.path, self.known)


def _dimensions(step: Any, what: str, model: Model | None, notes: Notes) -> int:
    """Length of a step's vectors: as its user says, as the model's settings say, or as noted.

    Raises:
        UsageError: nobody says.
    """
    key = f"{step.side} dimensions"
    if step.dimensions:
        return int(step.dimensions)
    stated = None if model is None else dimensions(model.config, step.side)
    if stated:
        notes.put(what, **{key: stated})
    size = stated or notes.get(what, key)
    if not size:
        kind = name_of(step)
        raise UsageError(
            f"model {what}: does not say how long its vectors are; set {kind}.dimensions"
        )
    return int(size)


def dimensions(config: dict[str, Any], side: str) -> int | None:
    """Length of the vectors of a model with these settings; None where they do not say.

    Args:
        config: the model's `config.json`.
        side: `image` or `text`.
    """
    tower = config.get(TOWERS[side])
    siglip = str(config.get("model_type", "")).startswith("siglip")
    if not siglip:
        if found := next((config[k] for k in HIDDEN_SIZES[side] if config.get(k)), None):
            return int(found)
    elif tower and side == "text" and tower.get("projection_size"):
        return int(tower["projection_size"])
    found = (tower or config).get("hidden_size")
    return int(found) if found else None
