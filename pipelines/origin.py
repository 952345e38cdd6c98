"""Where a release comes from: the settings that shaped it, the code that ran, and its circumstances."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from schemas.recipes import Recipe
from schemas.roles import ROLES
from schemas.settings import settings as steps

LOCAL = ("captioner", "files", "region", *ROLES)
"""Settings that name places of one machine; the release names its sources by content instead."""


def resolved(settings: dict[str, Any], recipe: Recipe, models: Mapping[str, str]) -> dict[str, Any]:
    """The settings as released: options without this machine's paths, and every step's arguments.

    Args:
        settings: everything that was asked for.
        recipe: with every change applied.
        models: identity of each model by what the user wrote, which may be a folder.
    """
    plain = {k: v for k, v in settings.items() if k not in LOCAL}
    plain["set"] = {k: models.get(str(v), v) for k, v in settings["set"].items()}
    return {**plain, "steps": steps(recipe)}


def run_facts(argv: list[str], started: datetime, runner: str) -> dict[str, Any]:
    """Name and version of the code; under `volatile` what may differ between equal releases."""
    try:
        own = version("earthloom")
    except PackageNotFoundError:
        own = "0"
    return {
        "pipeline": "earthloom",
        "version": own,
        "git_sha": git_sha(Path(__file__).resolve().parents[1] / ".git"),
        "volatile": {
            "arguments": argv,
            "runner": runner,
            "python": platform.python_version(),
            "started": started.isoformat(timespec="seconds"),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    }


def git_sha(folder: Path) -> str:
    """The commit that a `.git` folder has checked out, "" where there is none."""
    try:
        head = (folder / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if (folder / name).exists():
            return (folder / name).read_text().strip()
        packed = (line.split() for line in (folder / "packed-refs").read_text().splitlines())
        return next((line[0] for line in packed if line[1:] == [name]), "")
    except OSError:
        return ""
