"""What the tests of questions look at."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Asked:
    """A release with questions, and its rows."""

    release: Path
    rows: list[dict[str, Any]]
