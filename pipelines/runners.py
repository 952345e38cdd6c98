"""Where an act's elements run: Beam's FnApiRunner by name, never a default that may change engine."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from schemas.errors import BuildError, UsageError, nearest

RUNNERS = ("local",)
REFUSED = {
    "DirectRunner": "it tries to download a binary and changes its engine with the pipeline; use local",
    "PrismRunner": "it needs a downloaded binary; use local",
    "DaskRunner": "it loses tagged and batched outputs without an error; use local",
    "InteractiveRunner": "it caches elements of other runs; use local",
}
FORBIDDEN_MODES = ("multi_threading", "in_memory_multi_threading")


def check_runner(name: str, beam_args: Sequence[str]) -> None:
    """Refuse runners and modes that lose data or change behaviour, with the reason.

    Raises:
        UsageError: naming the reason.
    """
    for refused, why in REFUSED.items():
        if name.lower() in (refused.lower(), refused.lower().removesuffix("runner")):
            raise UsageError(f"--runner {name} is refused: {why}")
    if name not in RUNNERS:
        raise UsageError(f"--runner {name}: not supported yet; {nearest(name, RUNNERS)}")
    for arg in beam_args:
        if arg.startswith("--direct_running_mode") and any(m in arg for m in FORBIDDEN_MODES):
            raise UsageError(
                f"{arg} is refused: that mode lost elements without an error in 3 of 4 runs; "
                "use --workers N"
            )
        if arg.startswith("--"):
            raise UsageError(f"{arg}: no option of this command, and the local runner takes none")


def run(label: str, elements: Sequence[Any], work: Callable[[Any], Any]) -> None:
    """Apply `work` to every element, each once, as one Beam pipeline over small rows.

    What `work` makes it writes under its own name with a commit record; nothing comes back, so
    nothing is lost in between and any runner gives the same files. The pipeline stays in this
    process: `make` brings its own workers, and Beam's would outlive a killed parent.

    Args:
        label: name of the act and step, for Beam's own messages.
        elements: small and picklable.
        work: picklable; its errors end the run.

    Raises:
        LoomError: what `work` raised.
    """
    if not elements:
        return
    logging.disable(logging.WARNING)  # Beam warns on import of its optional cloud packages
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

    logging.disable(logging.NOTSET)
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)  # errors come back as exceptions
    errors: list[BaseException] = []
    call = _Remember(work, errors)
    options = PipelineOptions(["--no_save_main_session"])
    try:
        with beam.Pipeline(runner=FnApiRunner(), options=options) as pipeline:
            rows = pipeline | f"{label}: elements" >> beam.Create(list(elements), reshuffle=False)
            _ = rows | f"{label}: work" >> beam.Map(_done, call)
    except Exception as error:
        if errors:
            raise errors[0] from None
        raise BuildError(f"{label}: Beam failed: {_last_line(error)}") from error


def _done(element: Any, work: Callable[[Any], Any]) -> int:
    """Run the work; only a number goes on."""
    work(element)
    return 1


class _Remember:
    """Keeps the first error as it was: Beam wraps it in text otherwise. It works in this process only."""

    shelf: list[BaseException]

    def __init__(self, work: Callable[[Any], Any], shelf: list[BaseException]) -> None:
        self.work = work
        _Remember.shelf = shelf

    def __call__(self, element: Any) -> None:
        try:
            self.work(element)
        except Exception as error:
            _Remember.shelf.append(error)
            raise


def _last_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1][:500] if lines else type(error).__name__
