"""What the pages of a release say to people, and the provenance beside them."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import release_world
from catalogs.releases.card import opening
from catalogs.releases.cautions import assumed, known, taste
from catalogs.releases.papers import changelog, paper, person
from catalogs.releases.provenance import PACKAGES, environment
from catalogs.releases.survey import Shard, Survey
from pipelines.registry import names, recipe
from schemas import meanings
from schemas.release import Staging
from schemas.tables import DROPS, SPLITS, facts_schema, member_columns, samples_schema, shipped

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def staging(tmp_path_factory: pytest.TempPathFactory) -> Staging:
    """The staging of the tiny dataset."""
    return release_world.build(tmp_path_factory.mktemp("card"), release_world.usual()).staging


def holding(**samples: int) -> Survey:
    """A survey of so many samples in each split."""
    shards = {f"{name}.tar": Shard(f"{name}.tar", name, n) for name, n in samples.items()}
    return Survey(columns=[], shards=shards)


def test_chip_sizes_are_sorted_as_numbers(staging: Staging, tmp_path: Path) -> None:
    found = holding(train=3)
    sizes = [(1024, 64), (96, 128), (96, 64), (224, 224)]
    found.grids = Counter({("EPSG:32632", *size): 1 for size in sizes})
    said = opening(staging, found, tmp_path)
    assert "| 96 x 64, 96 x 128, 224 x 224, 1024 x 64 pixels |" in said
    assert "3 in 1 tar file," in said


@pytest.mark.parametrize("name", names())
def test_every_column_of_every_recipe_has_a_meaning(name: str) -> None:
    found = recipe(name)
    members = {column for ext in found.pack.members for column in member_columns(ext)}
    columns = set(samples_schema(found).names) - members
    assert columns - set(meanings.ENGINE) - set(meanings.FACTS) == set()
    assert {fact for fact in facts_schema(found).names if shipped(fact)} <= columns
    assert list(meanings.DROPS) == DROPS.names
    assert list(meanings.SPLITS) == SPLITS.names


def test_the_card_has_a_row_for_every_column(finished: Path) -> None:
    text = (finished / "README.md").read_text()
    for schema in (samples_schema(release_world.RECIPE), DROPS, SPLITS):
        for name in schema.names:
            assert re.search(rf"^\| `{name}` \| [^|]+ \| [^|]+ \|$", text, re.MULTILINE), name


def test_a_small_release_is_called_a_taste(staging: Staging) -> None:
    said = taste(staging, holding(train=60, val=20, test=19))
    assert "99 samples" in said and "not a training set" in said and "fell to" not in said
    assert taste(staging, holding(train=60, val=20, test=20)) == ""
    assert "1 sample:" in taste(staging, holding(train=1))
    lacking = taste(staging, holding(train=600, test=20))
    assert "No sample fell to `val`" in lacking and "taste" not in lacking


def test_a_split_without_a_share_may_be_empty(staging: Staging) -> None:
    rule = replace(staging.split_rule, shares={"train": 1.0, "val": 0.0, "test": 0.0})
    assert taste(replace(staging, split_rule=rule), holding(train=600)) == ""


def test_assumed_band_names_are_told(staging: Staging) -> None:
    assert assumed(staging) == []
    key, scene = next(iter(staging.scenes.items()))
    guessed = replace(
        scene, collection="local", bands=tuple(replace(b, assumed=True) for b in scene.bands)
    )
    told = replace(staging, scenes={**staging.scenes, key: guessed})
    assert "by position as red, green, blue, nir" in assumed(told)[0]
    assert "1 scene of `local`" in assumed(told)[0]
    assert assumed(told)[0] in known(told, holding(train=1))


def test_one_is_not_many(staging: Staging) -> None:
    found = holding(train=1)
    found.shards["train.tar"].undated = 1
    assert "- 1 sample comes from a scene without a recorded time" in known(staging, found)
    assert "1 sample added (train 1)" in changelog(staging, found)
    found.shards["train.tar"].undated = 1200
    assert "- 1,200 samples come from scenes" in known(staging, found)


def test_citation_is_cff(finished: Path) -> None:
    body = yaml.safe_load((finished / "CITATION.cff").read_text())
    assert body["cff-version"] == "1.2.0" and body["type"] == "dataset"
    assert str(body["date-released"]) == "2023-11-14"
    assert body["url"] == release_world.RECIPE.card.url
    assert body["references"] == [
        {
            "type": "article", "title": "Tiny",
            "authors": [{"family-names": "Small", "given-names": "Ann"}],
            "year": 2020, "url": release_world.RECIPE.card.url,
        }
    ]  # fmt: skip


def test_papers_are_read_from_bibtex() -> None:
    entry = (
        "@inproceedings{a,\n  title={On {OSM}\n tags},\n  author={Wang, Zhe and Rajan Prabha and "
        "OpenStreetMap},\n  booktitle={Proc. X},\n  year={2024}\n}"
    )
    assert paper(entry) == {
        "type": "conference-paper", "title": "On OSM tags", "year": 2024,
        "authors": [person("Wang, Zhe"), person("Prabha, Rajan"), {"family-names": "OpenStreetMap"}],
        "collection-title": "Proc. X",
    }  # fmt: skip
    assert paper("") == paper("@misc{a, title={No author}}") == {}


def imported() -> set[str]:
    """Top-level packages that the project imports, its own and Python's left out."""
    found = set()
    layers = ("schemas", "catalogs", "transforms", "pipelines")
    for path in (path for layer in layers for path in (ROOT / layer).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return found - set(layers) - set(sys.stdlib_module_names)


def closure() -> set[str]:
    """Distributions that an installation with the extras of sources brings."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found: set[str] = set()
    extras = project["optional-dependencies"]
    queue = [*project["dependencies"], *extras["gee"], *extras["cloud"], *extras["models"],
             *extras["encoders"], *extras["clouds"], "onnxruntime"]  # fmt: skip
    while queue:
        need = Requirement(queue.pop())
        name = canonicalize_name(need.name)
        if name not in found and (need.marker is None or need.marker.evaluate({"extra": ""})):
            found.add(name)
            with suppress(importlib.metadata.PackageNotFoundError):  # `models` need not be there
                queue += importlib.metadata.requires(name) or []
    return found


def test_the_environment_names_what_is_imported() -> None:
    """Every import of an installed package is named, and nothing that only tests need."""
    providers = importlib.metadata.packages_distributions()
    here = [{canonicalize_name(d) for d in providers[n]} for n in imported() if n in providers]
    assert all(some & set(PACKAGES) for some in here)
    there = {canonicalize_name(d) for found in providers.values() for d in found}
    assert set(PACKAGES) & there <= set().union(*here)
    assert set(PACKAGES) <= closure()


def test_the_environment_names_versions_that_decide_bytes() -> None:
    import rasterio

    found = dict(line.split("==") for line in environment().splitlines())
    assert found["rasterio:gdal"] == rasterio.__gdal_version__
    assert found["deflate"] == importlib.metadata.version("deflate")
    assert re.fullmatch(r"[0-9.]+", found["pillow:libjpeg-turbo"])
    assert not {"pytest", "hypothesis", "duckdb", "datasets"} & set(found)
    assert environment() == environment()
