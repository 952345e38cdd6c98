"""A recipe's settings: every argument of every step under a dotted name, and `--set`."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

from schemas.errors import UsageError, nearest
from schemas.recipes import Recipe, active, check, name_of


def settings(recipe: Recipe) -> dict[str, Any]:
    """Every argument of every step by its dotted name (`windows.thin.px` style: module.Class.field).

    The short form `module.field` is valid too while it is unambiguous; see `override`. Where a recipe
    has several steps of one class, the first argument tells them apart and is no setting itself:
    `layers.Find.dem.year`.
    """
    found: dict[str, Any] = {}
    twins = _twins(recipe)
    for step in _all(recipe):
        if is_dataclass(step):
            for item in [f for f in fields(step) if f.init][name_of(step) in twins :]:
                value = getattr(step, item.name)
                if item.type in (float, "float"):
                    value = float(value)  # a recipe may write 5 for 5.0
                found.setdefault(f"{_owner(step, twins)}.{item.name}", value)
    for name in ("samples", "megabytes"):
        found[f"pack.{name}"] = getattr(recipe.pack, name)
    return found


def _all(recipe: Recipe) -> tuple[Any, ...]:
    return *(step for _, step in recipe.steps()), *recipe.pack.keep, *recipe.tables


def _twins(recipe: Recipe) -> set[str]:
    """Names of the classes that several steps have in common, with different first arguments."""
    firsts: dict[str, list[Any]] = {}
    for step in _all(recipe):
        named = [f.name for f in fields(step) if f.init] if is_dataclass(step) else []
        firsts.setdefault(name_of(step), []).append(getattr(step, named[0]) if named else None)
    return {
        name
        for name, values in firsts.items()
        if len(values) > 1 and all(isinstance(v, str) for v in values) and len(set(values)) > 1
    }


def _owner(step: Any, twins: set[str]) -> str:
    """What the settings of a step begin with."""
    name = name_of(step)
    if name not in twins:
        return name
    first = next(f.name for f in fields(step) if f.init)
    return f"{name}.{getattr(step, first)}"


def override(recipe: Recipe, changes: dict[str, Any]) -> Recipe:
    """The recipe with `--set` changes applied, e.g. `{"windows.px": 96}`.

    Raises:
        UsageError: for an unknown or ambiguous name, a value of the wrong type, or one with which
            the steps no longer fit together (`check`).
    """
    known = settings(recipe)
    together: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        for full in _together(name, known) or [resolve(name, known)]:
            owner, item = full.rsplit(".", 1)
            together.setdefault(owner, {})[item] = _typed(full, value, known[full])
    for owner, values in together.items():
        try:
            recipe = _replace(recipe, owner, values)
        except ValueError as error:
            raise UsageError(f"--set {error}") from error
    if together:
        check(active(recipe))
    return recipe


def _together(name: str, known: dict[str, Any]) -> list[str]:
    """Settings that one short name sets alike: a file that several steps of a module read.

    `osm.visible`, the table of visible tags, is read by steps of several modules.
    """
    if name == "osm.visible":
        return [k for k in known if k.endswith(".visible")]
    hits = [k for k in known if name == f"{k.split('.')[0]}.{k.rsplit('.', 1)[-1]}"]
    return hits if len(hits) > 1 and all(known[k] == "" for k in hits) else []


def resolve(name: str, known: dict[str, Any]) -> str:
    """The dotted name that a short one stands for.

    Raises:
        UsageError: it stands for none, or for several.
    """
    if name in known:
        return name
    module, _, item = name.partition(".")
    hits = [k for k in known if k.split(".")[0] == module and k.rsplit(".", 1)[-1] == item]
    if len(hits) == 1:
        return hits[0]
    if hits:
        raise UsageError(f"--set {name}: ambiguous, say one of {', '.join(sorted(hits))}")
    short = {f"{k.split('.')[0]}.{k.rsplit('.', 1)[-1]}" for k in known}
    near = set(known) if name.count(".") > 1 else short
    raise UsageError(f"--set {name}: no such setting; {nearest(name, near)}")


def _typed(name: str, value: Any, old: Any) -> Any:
    if isinstance(old, tuple) and isinstance(value, str):
        value = tuple(part for part in value.split(",") if part)
    if isinstance(old, tuple) and isinstance(value, list):
        value = tuple(value)
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if old is not None and type(old) is not type(value):
        kind = type(old).__name__
        raise UsageError(f"--set {name}: expected {kind}, got {type(value).__name__} {value!r}")
    return value


def _replace(recipe: Recipe, owner: str, values: dict[str, Any]) -> Recipe:
    if owner == "pack":
        return replace(recipe, pack=replace(recipe.pack, **values))
    twins = _twins(recipe)

    def swap(step: Any) -> Any:
        return replace(step, **values) if _owner(step, twins) == owner else step

    return replace(
        recipe,
        start=swap(recipe.start),
        plan=tuple(swap(s) for s in recipe.plan),
        make=tuple(swap(s) for s in recipe.make),
        annotate=tuple(swap(s) for s in recipe.annotate),
        tables=tuple(swap(t) for t in recipe.tables),
        pack=replace(
            recipe.pack,
            members={k: swap(s) for k, s in recipe.pack.members.items()},
            keep=tuple(swap(s) for s in recipe.pack.keep),
        ),
    )
