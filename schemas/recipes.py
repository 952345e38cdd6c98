"""`Recipe`, `Card`, `Pack`: a dataset as data; and the check that its steps are in order."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from schemas.errors import UsageError, nearest


def within(name: str, value: float, low: float, high: float) -> None:
    """Refuse a setting outside [low, high] (or NaN).

    Raises:
        ValueError: naming setting, value and bounds.
    """
    if not low <= value <= high:
        raise ValueError(f"{name}={value:g}: must lie from {low:g} to {high:g}")


def at_least(name: str, value: float, low: float) -> None:
    """Refuse a setting below `low` (or NaN).

    Raises:
        ValueError: naming setting, value and bound.
    """
    if not value >= low:
        raise ValueError(f"{name}={value:g}: must be at least {low:g}")


@runtime_checkable
class Step(Protocol):
    """A frozen dataclass that says what it needs and what it gives.

    `needs` names facts or nouns (`window`, `scenes`, `image`); `gives` maps a fact's name to its
    column type (`string`, `int64`, `float64`, `bool`, `timestamp`) or a noun to `noun`. A step of make
    that reads files of other roles than imagery and layers names them in `roles`.
    """

    @property
    def needs(self) -> tuple[str, ...]:
        """Facts and nouns that must be there."""
        ...

    @property
    def gives(self) -> dict[str, str]:
        """Types of the facts that it adds, by name."""
        ...


@dataclass(frozen=True)
class Card:
    """What people must know of a dataset before they use it.

    Attributes:
        name: flag value and folder name.
        version: semantic version of the data.
        title: one line.
        summary: a paragraph in plain words.
        tasks: Hub task ids, e.g. `image-to-text`.
        cite: BibTeX of the method's paper, "" when there is none.
        url: page of the method.
        deviations: where we knowingly differ from the published dataset, one sentence each.
    """

    name: str
    version: str
    title: str
    summary: str
    tasks: tuple[str, ...]
    cite: str = ""
    url: str = ""
    deviations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pack:
    """What a shard holds and which samples get into it.

    Attributes:
        members: encoder by member extension, in the order they have in a sample.
        keep: rank cuts and the like, applied to the columns of the sidecars; each says by `column`
            and `takes` (how the column's type begins) what it reads.
        samples, megabytes: upper bounds of one shard.
    """

    members: dict[str, Step]
    keep: tuple[Any, ...] = ()
    samples: int = 10_000
    megabytes: int = 512

    def __post_init__(self) -> None:
        """Refuse shards that hold nothing."""
        at_least("pack.samples", self.samples, 1)
        at_least("pack.megabytes", self.megabytes, 1)


class Table(Protocol):
    """A table of a release beside that of the samples: a frozen dataclass, written at release.

    `write` gets every shipped sample once, by key, with all facts (those that begin with "_" only
    where `needs` names them), and writes the same bytes for the same rows.
    """

    @property
    def name(self) -> str:
        """Name of the file below `metadata/`."""
        ...

    @property
    def about(self) -> str:
        """What it holds, one line."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Facts that it is made from."""
        ...

    def write(self, rows: Iterator[Any], target: Path, ctx: Any) -> None:
        """Write `target` from batches of shipped samples (`pa.Table`)."""
        ...


@dataclass(frozen=True)
class Recipe:
    """A dataset's method: where samples start, what each act does to them, what is shipped.

    Attributes:
        tables: what is written beside the table of samples; see `Table`.
        roles: what sources it is made from; without any on the command line the embedded sample
            world fills them all.
        optional: those of them that may be left out.
        label: the fact that serves as class for counts and balance.
        block: most samples of a block where the engine's 256 would be too much work at once; 0: those.
    """

    card: Card
    start: Step
    plan: tuple[Step, ...]
    make: tuple[Step, ...]
    pack: Pack
    annotate: tuple[Step, ...] = ()
    tables: tuple["Table", ...] = ()
    roles: tuple[str, ...] = ("imagery", "osm")
    optional: tuple[str, ...] = ()
    label: str = ""
    block: int = 0

    def steps(self) -> Iterator[tuple[str, Step]]:
        """(act, step) in order, encoders last."""
        yield "plan", self.start
        for act in ("plan", "make", "annotate"):
            for step in getattr(self, act):
                yield act, step
        for step in self.pack.members.values():
            yield "pack", step

    def columns(self, acts: tuple[str, ...] = ()) -> dict[str, str]:
        """Fact columns in the order in which the steps (of some acts) give them: name -> column type."""
        found: dict[str, str] = {}
        for act, step in self.steps():
            if not acts or act in acts:
                found.update({k: v for k, v in step.gives.items() if v != "noun"})
        return found


def name_of(step: Any) -> str:
    """`module.Class` without the package: how people and drops name a step.

    A step in a file of a package of `transforms` is named by the package: `samplers.Grid`.
    """
    kind = type(step)
    parts = kind.__module__.split(".")
    packaged = parts[0] == "transforms" and len(parts) > 2 and hasattr(step, "needs")
    return f"{parts[1] if packaged else parts[-1]}.{kind.__name__}"


def active(recipe: Recipe) -> Recipe:
    """The recipe without the model steps that no model has been named for, and what they would feed.

    A step may say `idle`; a rank cut by a column that nothing gives any more goes with it.
    """
    steps = tuple(step for step in recipe.annotate if not getattr(step, "idle", False))
    found = replace(recipe, annotate=steps)
    lost = set(recipe.columns()) - set(found.columns())
    keep = tuple(cut for cut in recipe.pack.keep if cut.column not in lost)
    return replace(found, pack=replace(recipe.pack, keep=keep))


def check(recipe: Recipe) -> None:
    """Fail before any machine starts when a step needs what nothing before it gives.

    Raises:
        UsageError: naming the step, what it lacks, and who gives it (later) if anyone does; or that
            two annotate steps give one fact; that masks are kept for nothing.
    """
    givers = {noun: name_of(step) for _, step in recipe.steps() for noun in step.gives}
    have: set[str] = set()
    for act, step in recipe.steps():
        for need in step.needs:
            if need not in have:
                later = f"; {givers[need]} gives it, but later" if need in givers else ""
                raise UsageError(
                    f"recipe {recipe.card.name}: {name_of(step)} in {act} needs {need!r}, "
                    f"which no earlier step gives{later}"
                )
        twice = have.intersection(step.gives) if act == "annotate" else ()
        if twice:
            raise UsageError(
                f"recipe {recipe.card.name}: {name_of(step)} in {act} gives {min(twice)!r}, which an "
                "earlier step gives too; name one of them otherwise"
            )
        have.update(step.gives)
    for table in recipe.tables:
        for need in table.needs:
            if need not in have:
                raise UsageError(
                    f"recipe {recipe.card.name}: {name_of(table)} needs {need!r}, which no step gives"
                )
    _check_names(recipe)
    _check_pictures(recipe)
    _check_cuts(recipe)
    _check_masks(recipe)
    _check_reach(recipe)


def _check_names(recipe: Recipe) -> None:
    from schemas.tables import PLACE

    for _, step in recipe.steps():
        for name, kind in step.gives.items():
            if kind != "noun" and name in PLACE.names:
                raise UsageError(
                    f"recipe {recipe.card.name}: {name_of(step)} gives {name!r}, which is a column of "
                    "the engine's own; name it otherwise"
                )


def _check_masks(recipe: Recipe) -> None:
    steps = [step for _, step in recipe.steps()]
    for step in steps:
        if "mask" in step.gives and not any("mask" in other.needs for other in steps):
            raise UsageError(
                f"recipe {recipe.card.name}: {name_of(step)}.mask keeps the mask of each chip, which "
                "no step needs and no member ships; leave it off, or pack it "
                "(encode.GeoTiff(image='mask'))"
            )


def _check_reach(recipe: Recipe) -> None:
    """What is kept out of two splits by its length must be looked for from the buffer's width on."""
    buffer_m = sum(getattr(step, "buffer_km", 0.0) for step in recipe.plan) * 1000
    for step in recipe.plan:
        reach_m = getattr(step, "reach_m", 0.0) if "split" in step.needs else 0.0
        if reach_m > buffer_m:
            raise UsageError(
                f"recipe {recipe.card.name}: {name_of(step)}.reach_m={reach_m:g} is more than the buffer "
                f"between splits ({buffer_m:g} m), so what is shorter could be in two; set it to "
                f"{buffer_m:g} at most, or widen splits.buffer_km"
            )


def _check_pictures(recipe: Recipe) -> None:
    for step in recipe.annotate:
        picture = getattr(step, "picture", "")
        if picture and picture not in recipe.pack.members:
            raise UsageError(
                f"recipe {recipe.card.name}: {name_of(step)} looks at {picture!r}, "
                f"which is no member; {nearest(picture, recipe.pack.members)}"
            )


def _check_cuts(recipe: Recipe) -> None:
    for cut in recipe.pack.keep:
        if not recipe.columns().get(cut.column, "").startswith(cut.takes):
            kind = "number" if cut.takes == "float64" else "vector"
            raise UsageError(
                f"recipe {recipe.card.name}: {name_of(cut)} cuts by {cut.column!r}, "
                f"which is no {kind} that a step gives"
            )


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
        for full in _together(name, known) or [_resolve(name, known)]:
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


def _resolve(name: str, known: dict[str, Any]) -> str:
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
