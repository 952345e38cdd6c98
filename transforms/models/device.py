"""Where a network runs, with which numbers, and whether it fits."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalogs.sources.models import require, weigh
from schemas.errors import BuildError

WIDTHS = {"float32": 4, "bfloat16": 2}
ROOM = 1.15
"""A model takes a little more than its weights before it has computed anything."""


@dataclass(frozen=True)
class Place:
    """A device and the numbers that are used on it.

    Attributes:
        device: `cpu`, `cuda:0`.
        dtype: `bfloat16` on a GPU that knows it, else `float32`.
    """

    device: str
    dtype: str

    @property
    def torch_dtype(self) -> Any:
        """The type as torch has it."""
        import torch

        return getattr(torch, self.dtype)


def place(device: str, threads: int) -> Place:
    """Where to run: the device asked for, else the first GPU, else the CPU with so many threads.

    Raises:
        UsageError: torch or transformers is not installed.
        BuildError: no such device.
    """
    require()
    quiet()
    import torch

    wanted = device or ("cuda:0" if torch.cuda.is_available() else "cpu")
    if wanted.startswith("cuda"):
        if not torch.cuda.is_available():
            raise BuildError(f"device {wanted}: this machine has no GPU that torch can use")
        torch.cuda.set_device(wanted)
        return Place(wanted, "bfloat16" if torch.cuda.is_bf16_supported() else "float32")
    torch.set_num_threads(max(1, threads))
    return Place("cpu", "float32")


def quiet() -> None:
    """Keep the libraries from drawing bars and from asking the network about what lies on disk."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def gpus() -> int:
    """GPUs that processes of ours may use, without waking any; 0 where there is none."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return len([one for one in named.split(",") if one.strip() not in ("", "-1")])
    return len([p for p in Path("/dev").glob("nvidia[0-9]*") if p.name[6:].isdigit()])


def fits(folder: Path, at: Place) -> None:
    """Refuse a model whose weights alone are more than the memory that is free.

    Raises:
        BuildError: with both numbers.
    """
    need = int(sum(weigh(folder).values()) * WIDTHS[at.dtype] * ROOM)
    free = _free(at)
    if free is not None and need > free:
        raise BuildError(
            f"model {folder.name} needs {need / 1e9:.1f} GB as {at.dtype}, {at.device} has "
            f"{free / 1e9:.1f} GB free; take a smaller model or a larger machine"
        )


def _free(at: Place) -> int | None:
    if at.device != "cpu":
        import torch

        return int(torch.cuda.mem_get_info(at.device)[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:  # macOS
        return None
    found = {line.partition(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return found.get("MemAvailable")


@contextmanager
def roomy(what: str) -> Iterator[None]:
    """Let torch's lack of memory end the build with a sentence instead of costing samples.

    Raises:
        BuildError: there was not enough.
    """
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        told = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not told and "alloc" not in str(error):  # the CPU's allocator has no class of its own
            raise
        raise BuildError(
            f"{what}: out of memory; use a smaller batch or a smaller model"
        ) from error


def versions() -> dict[str, str]:
    """Versions of the libraries that compute."""
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "transformers")}
