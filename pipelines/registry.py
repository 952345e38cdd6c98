"""The folder of recipes is the registry: a file's name is the flag's value."""

from importlib import import_module
from pathlib import Path

from schemas.errors import UsageError, nearest
from schemas.recipes import Recipe, check

FOLDER = Path(__file__).parent / "datasets"


def names() -> list[str]:
    """Names of all datasets."""
    return sorted(p.stem for p in FOLDER.glob("*.py") if not p.stem.startswith("_"))


def recipe(name: str) -> Recipe:
    """The recipe of a dataset, its steps checked for order.

    Raises:
        UsageError: unknown name (with the nearest valid one), or steps out of order.
    """
    if name not in names():
        raise UsageError(f"--dataset {name}: unknown; {nearest(name, names())}")
    found: Recipe = import_module(f"pipelines.datasets.{name}").RECIPE
    check(found)
    if "split" not in found.columns():
        raise UsageError(f"recipe {name}: no step gives 'split'; add splits.ByCell")
    return found
