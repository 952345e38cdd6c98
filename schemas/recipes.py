"""`Recipe`, `Card`, `Pack`: a dataset as data; and the check that its steps are in order."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
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
