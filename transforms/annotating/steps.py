"""What a step of `annotate` is, and how it is run: no sample vanishes, whatever a model does."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from schemas.errors import BuildError, Fault, LoomError, Reject
from schemas.recipes import name_of
from schemas.samples import Drop, Fact, Sample
from transforms.context import Context
from transforms.planning.phases import FOLDERS, attempt

Facts = dict[str, Any]
"""Values by fact: `schemas.samples.Fact`, or an array for a vector."""


@dataclass(frozen=True)
class Instead:
    """Facts that stand in for those that a fault has cost; the sample ships, the fault counts.

    Attributes:
        values: facts by name.
        fault: what was met.
    """

    values: Facts
    fault: Fault


Result = Facts | Instead | Reject | Fault
"""What a step says of one sample: facts, or why there are none."""

Ready = Callable[[], Any]
"""Gives what `prepare` made of a sample, or raises its fault."""


class Annotates(Protocol):
    """A step of `annotate`: a frozen dataclass with `needs` and `gives`, and these.

    It may have `load(ctx)`, called once a process: what it returns is the `model` of the other two
    (None without it). It may have `prepare(sample, model, ctx)`: work of a processor's core (decode,
    resize) that is done in threads, ahead of the batch that needs it. A step with neither and
    a plain `__call__(sample, ctx)` looks at one sample at a time, as in `make`.
    """

    needs: tuple[str, ...]
    gives: dict[str, str]

    def annotate(
        self, samples: Sequence[Sample], ready: Sequence[Ready], model: Any, ctx: Context
    ) -> list[Result]:
        """One result for each sample, in order. Its batches are its own affair.

        What it gives for a sample must depend on that sample alone.
        """
        ...


@dataclass
class Outcome:
    """What became of one sample.

    Attributes:
        drop: why it does not ship; None where it does.
        instead: the fault that something stands in for; None where nothing had to.
        step: that met it.
    """

    drop: Drop | None = None
    instead: Fault | None = None
    step: str = ""


def load(step: Any, ctx: Context) -> Any:
    """A step's model.

    Raises:
        LoomError: the step's own, or one that names the step.
    """
    if not hasattr(step, "load"):
        return None
    try:
        return step.load(ctx)
    except LoomError:
        raise
    except Exception as error:
        raise BuildError(f"{name_of(step)}: {said(error)}") from error


def said(error: BaseException) -> str:
    """An error's own words on one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 500 else f"{text[:497]}..."


def take(
    step: Any, samples: Sequence[Sample], ready: Sequence[Ready], model: Any, ctx: Context
) -> list[Outcome]:
    """Run a step on the samples: its facts enter them, its losses come back.

    Raises:
        LoomError: of a kind that concerns the whole build (no memory, no answer kept).
    """
    if not hasattr(step, "annotate"):
        return [_alone(step, sample, ctx) for sample in samples]
    results = _results(step, samples, ready, model, ctx)
    return [_settled(step, sample, r) for sample, r in zip(samples, results, strict=True)]


def _alone(step: Any, sample: Sample, ctx: Context) -> Outcome:
    passed: list[Sample] = []
    drop = attempt(step, sample, ctx, passed)
    if drop is None and (len(passed) != 1 or passed[0].id != sample.id):
        raise BuildError(f"{name_of(step)}: {sample.id}: a step of annotate returns its sample")
    if drop is None:
        sample.facts.update(passed[0].facts)
    return Outcome(drop, step=name_of(step))


def _results(
    step: Any, samples: Sequence[Sample], ready: Sequence[Ready], model: Any, ctx: Context
) -> list[Result]:
    """One result a sample. A bug in a batch is pinned on the samples that cause it, one by one."""
    if not samples:
        return []
    try:
        found: list[Result] = step.annotate(samples, ready, model, ctx)
        if len(found) != len(samples):
            raise BuildError(f"{name_of(step)}: {len(samples)} samples in, {len(found)} out")
        return found
    except LoomError:
        raise
    except MemoryError as error:
        raise BuildError(f"{name_of(step)}: out of memory; use a smaller batch") from error
    except Exception:
        if len(samples) > 1:
            return [
                _results(step, [sample], [one], model, ctx)[0]
                for sample, one in zip(samples, ready, strict=True)
            ]
        trace = FOLDERS.sub(r'File "\1"', traceback.format_exc(limit=-4))
        return [Fault("unexpected", trace[-2000:])]


def _settled(step: Any, sample: Sample, result: Result) -> Outcome:
    name = name_of(step)
    if isinstance(result, Reject):
        return Outcome(Drop(sample.id, name, result.code, result.message), step=name)
    if isinstance(result, Fault):
        drop = Drop(sample.id, name, result.code, result.message, "failed", result.retryable)
        return Outcome(drop, step=name)
    instead = result.fault if isinstance(result, Instead) else None
    values: dict[str, Fact] = result.values if isinstance(result, Instead) else result
    if unknown := set(values) - set(step.gives):
        raise BuildError(f"{name}: gives {', '.join(sorted(unknown))}, which it does not name")
    sample.facts.update(values)
    return Outcome(None, instead, name)
