"""Which module may import which, read from the syntax trees: nothing is executed."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("schemas", "catalogs", "transforms", "pipelines")
"""Each may import itself and what stands before it."""
OPTIONAL = ("torch", "transformers", "huggingface_hub", "ee")
"""Extras: imported where they are used, never with a module."""
MODULES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
OPENERS = ("catalogs/rasters.py", "catalogs/world/")
"""Where a raster may be opened. `transforms/geotiff.py` writes one in memory only."""


def shown(path: Path) -> str:
    """The path from the repository's root."""
    return path.relative_to(ROOT).as_posix()


def layer(path: Path) -> str:
    """The package a module belongs to."""
    return shown(path).split("/")[0]


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """(top-level package, line) of every absolute import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0], node.lineno


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def test_there_is_something_to_walk() -> None:
    """A wrong folder would make every other test pass."""
    assert {layer(path) for path in MODULES} == set(LAYERS)
    assert len(MODULES) > 50


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_direction(path: Path) -> None:
    """schemas <- catalogs <- transforms <- pipelines, and no test or benchmark from any of them."""
    above = {*LAYERS[LAYERS.index(layer(path)) + 1 :], "tests", "benchmarks"}
    wrong = [
        f"{shown(path)}:{line} imports {name}"
        for name, line in imports(parsed(path))
        if name in above
    ]
    assert not wrong


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_no_relative_imports(path: Path) -> None:
    """Every import says where it comes from."""
    wrong = [n.lineno for n in ast.walk(parsed(path)) if isinstance(n, ast.ImportFrom) and n.level]
    assert not wrong, f"{shown(path)}: relative imports in lines {wrong}"


def test_only_pipelines_know_beam() -> None:
    """Everything below runs in a notebook without it."""
    users = {layer(p) for p in MODULES if "apache_beam" in dict(imports(parsed(p)))}
    assert users == {"pipelines"}


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_extras_are_imported_where_used(path: Path) -> None:
    """A module with an optional library at its top cannot be imported without the extra."""
    top = ast.Module(
        body=[n for n in parsed(path).body if not isinstance(n, ast.If)], type_ignores=[]
    )
    statements = [n for n in top.body if isinstance(n, ast.Import | ast.ImportFrom)]
    found = {name for node in statements for name, _ in imports(node)}
    assert not found.intersection(OPTIONAL)


def opens(tree: ast.AST) -> list[int]:
    """Lines that call `rasterio.open` or import it by name, under whatever name."""
    names = {"rasterio"}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {a.asname for a in node.names if a.name == "rasterio" and a.asname}
        if isinstance(node, ast.ImportFrom) and node.module == "rasterio":
            found += [node.lineno for a in node.names if a.name == "open"]
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and node.attr == "open"
            and isinstance(node.value, ast.Name)
        ):
            found += [node.lineno] if node.value.id in names else []
    return sorted(found)


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_rasters_are_opened_in_one_place(path: Path) -> None:
    """`catalogs.rasters.open_raster` decides driver and size; nothing goes past it."""
    if not shown(path).startswith(OPENERS):
        assert not opens(parsed(path)), f"{shown(path)}: use catalogs.rasters.open_raster"


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("import rasterio\nrasterio.open('x')", [2]),
        ("import rasterio as rio\n\nrio.open('x')", [3]),
        ("from rasterio import open", [1]),
        ("from rasterio.io import MemoryFile\nMemoryFile().open()", []),
        ("open('x')", []),
    ],
)
def test_the_search_itself(code: str, lines: list[int]) -> None:
    """What counts as opening a raster."""
    assert opens(ast.parse(code)) == lines
