"""What the documents say is there: commands, options, snippets, links."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from pipelines.commands import osm
from pipelines.commands.earthloom import COMMANDS
from pipelines.commands.options import parse, parser
from pipelines.registry import names, recipe
from schemas.recipes import name_of
from schemas.settings import override

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path
    for folder in (ROOT, ROOT / "docs", ROOT / "benchmarks")
    for path in (folder.rglob("*.md") if folder != ROOT else folder.glob("*.md"))
)
TEXT = {path: path.read_text(encoding="utf-8") for path in PAGES}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shown(path: Path) -> str:
    """The path from the repository's root."""
    return path.relative_to(ROOT).as_posix()


def blocks(kind: str) -> list[tuple[str, str]]:
    """(page, code) of every fenced block of a kind."""
    return [
        (shown(p), code) for p, text in TEXT.items() for k, code in FENCE.findall(text) if k == kind
    ]


def commands() -> list[tuple[str, list[str]]]:
    """(page, words) of every command line in a bash block: continued lines joined, `&&` taken apart."""
    import shlex

    found = []
    for page, code in blocks("bash"):
        for line in code.replace("\\\n", " ").splitlines():
            for part in line.split("&&"):
                if words := shlex.split(part, comments=True):
                    found.append((page, words))
    return found


PARSERS = {"pipelines.build": parser, "pipelines.osm": osm.parser}


def options_of(module: str) -> set[str]:
    """Options of a command."""
    return {word for action in PARSERS[module]()._actions for word in action.option_strings}


BUILDS = [
    pytest.param(words[3:], id=" ".join(words)[:60])
    for _, words in commands()
    if words[:3] == ["python", "-m", "pipelines.build"]
]


def test_the_pages_are_there() -> None:
    """A wrong folder would make every other test pass."""
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/architecture.md"} <= set(
        map(shown, PAGES)
    )
    assert len(BUILDS) > 1


@pytest.mark.parametrize("argv", BUILDS)
def test_builds_can_be_asked_for(argv: list[str]) -> None:
    """The parser takes the line, every option is ours, and the recipe takes its settings."""
    args, beam = parse(argv)
    assert beam == []
    if args.dataset in names():
        override(recipe(args.dataset), args.changes)
    else:
        assert args.list or args.dataset == "mine", argv  # the dataset that CONTRIBUTING.md adds


@pytest.mark.parametrize(
    ("page", "words"), commands(), ids=lambda v: v if isinstance(v, str) else " ".join(v)[:50]
)
def test_modules_of_commands_exist(page: str, words: list[str]) -> None:
    """`python -m X` and `earthloom X` name something."""
    if words[:2] == ["python", "-m"] and words[2].split(".")[0] in ("pipelines", "benchmarks"):
        assert (ROOT / (words[2].replace(".", "/") + ".py")).exists(), page
    if words[0] == "earthloom":
        assert words[1] in COMMANDS, page
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), page


def test_options_named_in_the_text_exist() -> None:
    """Every `--option` of the README's table, and every option of the program in that table."""
    known = options_of("pipelines.build")
    others = options_of("pipelines.osm")
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", TEXT[ROOT / "README.md"]))
    assert named - known - others == set()
    assert known - named - {"-h", "--help"} == set(), "options that the README does not name"


def test_the_commands_of_the_readme_are_those_that_ci_runs() -> None:
    """CI installs and tests as a reader would."""
    readme, script = TEXT[ROOT / "README.md"], (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    found = re.search(
        r"^pip install -e '(\.\[test\])' && (python -m pytest -q -n auto)$", readme, re.MULTILINE
    )
    assert found is not None
    assert f"pip install -q -e '{found[1]}'" in script
    assert script.rstrip().endswith(found[2])


@pytest.mark.parametrize(("page", "code"), blocks("python"))
def test_snippets_compile(page: str, code: str) -> None:
    """And what they import from us is there."""
    for node in ast.walk(ast.parse(code, filename=page)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in (
            "schemas",
            "transforms",
            "pipelines",
            "catalogs",
        ):
            module = import_module(str(node.module))
            for alias in node.names:
                if not hasattr(module, alias.name):
                    import_module(f"{node.module}.{alias.name}")


@pytest.mark.slow
def test_the_first_page_works_as_printed(tmp_path: Path) -> None:
    """The main command on the sample world, cut short, and every snippet on what came out."""
    where = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HOME": str(tmp_path / "hf")}
    build = next(
        words
        for page, words in commands()
        if page == "README.md" and words[1:3] == ["-m", "pipelines.build"]
    )
    line = [sys.executable, *build[1:], "--limit", "30"]
    subprocess.run(line, cwd=tmp_path, env=where, check=True, timeout=300)
    release = tmp_path / "out" / "skyscript" / "v1.0.0"
    printed = [code for page, code in blocks("python") if page == "README.md"]
    assert len(printed) == 4
    for code in printed:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=release,
            env=where,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()
    again = subprocess.run(
        line, cwd=tmp_path, env=where, check=True, capture_output=True, text=True, timeout=60
    )
    assert "up to date" in again.stderr


@pytest.mark.parametrize("path", PAGES, ids=shown)
def test_links_lead_somewhere(path: Path) -> None:
    """Files by their path, sections of the same page by their heading."""
    text = TEXT[path]
    headings = {
        re.sub(r"[^\w -]", "", h.strip().lower()).replace(" ", "-")
        for h in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text)):
        if "://" in target:
            continue
        file, _, section = target.partition("#")
        assert not file or (path.parent / file).exists(), f"{shown(path)}: {target}"
        assert file or section in headings, f"{shown(path)}: {target}"


SOURCES = [
    p
    for top in ("schemas", "catalogs", "transforms", "pipelines")
    for p in (ROOT / top).rglob("*.py")
]


@pytest.mark.parametrize("path", [*SOURCES, *PAGES], ids=shown)
def test_files_named_in_the_text_exist(path: Path) -> None:
    """`docs/...` and `tests/...` in pages and docstrings."""
    text = path.read_text(encoding="utf-8")
    for name in re.findall(r"(?<![\w/.])((?:docs|tests)/[\w./-]+\.(?:md|py))", text):
        example = Path(name).stem in ("mine", "test_mine")  # those that CONTRIBUTING.md adds
        assert (ROOT / name).exists() or example, f"{shown(path)}: {name}"


@pytest.mark.parametrize("path", PAGES, ids=shown)
def test_pages_name_no_place_that_readers_do_not_have(path: Path) -> None:
    """No path of somebody's machine."""
    assert not re.findall(r"/(?:home|root|Users|work|tmp)/\w+", TEXT[path])


def test_only_one_extra_brings_torch() -> None:
    """Tests must install in a minute: a network's library weighs gigabytes."""
    every = {"core": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
    heavy = re.compile(r"(torch\w*|transformers|open[-_]clip\w*|torchgeo|rslearn|wids)\b")
    assert [name for name, needs in every.items() if any(heavy.match(n) for n in needs)] == [
        "models"
    ]


def test_the_changelog_knows_this_version() -> None:
    """The newest entry is the version that is built."""
    newest = re.findall(r"^## \[(\d[^\]]*)\]", TEXT[ROOT / "CHANGELOG.md"], re.MULTILINE)[0]
    assert newest == PROJECT["version"]


@pytest.mark.parametrize("name", names())
def test_every_recipe_has_its_page(name: str) -> None:
    """With its configuration values as they are."""
    page = TEXT[ROOT / "docs" / "datasets" / f"{name}.md"]
    for step in (s for _, s in recipe(name).steps()):
        assert name_of(step) in page, f"docs/datasets/{name}.md does not name {name_of(step)}"
    table = dict(re.findall(r"^\| `([a-z_.]+)` \| `?([^|`]*?)`? \|", page, re.MULTILINE))
    assert table, "no table of settings"
    from schemas.settings import resolve, settings

    known = settings(recipe(name))
    for short, said in table.items():
        value = known[resolve(short, known)]
        written = ", ".join(value) if isinstance(value, tuple) else str(value)
        assert said == (written or "(none)"), (
            f"docs/datasets/{name}.md: {short} is {written}, not {said}"
        )
