"""A rank cut through the pack act: exactly the best share ships, the rest are drops that say why.

Acceptance check 6 of SkyScript.
"""

import hashlib
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import pipelines.commands.build as command
from building import arguments, main, release
from catalogs.files import read_json
from catalogs.releases.verify import verify
from pipelines.datasets.skyscript import RECIPE
from schemas.samples import Sample
from small_world import World
from transforms.context import Context
from transforms.packing import TopShare

SHARE = 0.3


def score(key: str) -> float | None:
    """Seven levels, so that ties are many; one key in eight has no score."""
    number = hashlib.sha256(key.encode()).digest()[0]
    return None if number % 8 == 0 else number % 7 / 10


@dataclass(frozen=True)
class Score:
    """A step that scores a sample by its key."""

    needs: tuple[str, ...] = field(default=("image",), init=False)
    gives: dict[str, str] = field(default_factory=lambda: {"score": "float64"}, init=False)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        sample.facts["score"] = score(sample.id)
        return sample


def cut(world: World, out: Path, monkeypatch: pytest.MonkeyPatch, *keep: TopShare) -> Path:
    """The release of the small world with scores, cut so."""
    recipe = replace(RECIPE, make=(*RECIPE.make, Score()), pack=replace(RECIPE.pack, keep=keep))
    monkeypatch.setattr(command, "recipe", lambda name: recipe)
    assert main(arguments(world, out)) == 0
    return release(out)


def table(found: Path, name: str) -> list[dict[str, Any]]:
    return list(pq.read_table(found / "metadata" / f"{name}.parquet").to_pylist())


def best(keys: set[str], share: float) -> set[str]:
    """The best share of those that have a score, rounded up; ties go to the lower key."""
    scored = {key: value for key in keys if (value := score(key)) is not None}
    order = sorted(scored, key=lambda key: (-scored[key], key))
    return set(order[: math.ceil(share * len(order))])


def test_acceptance_6_exactly_the_best_share_ships(
    world: World, built: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = {row["key"] for row in table(release(built.out), "samples")}
    wanted = best(every, SHARE)
    assert 0 < len(wanted) < len(every) / 2
    lowest = min(score(key) for key in wanted)  # type: ignore[type-var]
    tied = {key for key in every if score(key) == lowest}
    assert tied & wanted and tied - wanted, "the cut must fall within a tie"

    found = cut(world, tmp_path, monkeypatch, TopShare("score", SHARE))
    shipped = {row["key"]: row["score"] for row in table(found, "samples")}
    assert set(shipped) == wanted
    assert all(value == score(key) for key, value in shipped.items()), "the cut can be repeated"

    drops = {row["key"]: row for row in table(found, "drops") if row["act"] == "pack"}
    assert set(drops) == every - wanted
    for row in drops.values():
        assert (row["step"], row["code"]) == ("pack", "below_top_30pct_score")
        assert row["message"] == "not among the best 30% by score"
        assert row["outcome"] == "rejected" and not row["retryable"]

    before = read_json(release(built.out) / "manifest.json")["counts"]
    assert read_json(found / "manifest.json")["counts"] == {
        **before, "shipped": len(wanted), "rejected": before["rejected"] + len(every - wanted),
    }  # fmt: skip
    assert verify(found) == []


def test_acceptance_6_a_second_cut_works_on_what_the_first_leaves(
    world: World, built: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = {row["key"] for row in table(release(built.out), "samples")}
    cuts = TopShare("score", 0.8), TopShare("score", 0.5)
    found = cut(world, tmp_path, monkeypatch, *cuts)
    first = best(every, 0.8)
    assert {row["key"] for row in table(found, "samples")} == best(first, 0.5)
    codes = {row["key"]: row["code"] for row in table(found, "drops") if row["act"] == "pack"}
    assert {k for k, code in codes.items() if code == "below_top_80pct_score"} == every - first
    assert set(codes.values()) == {"below_top_80pct_score", "below_top_50pct_score"}


def test_acceptance_6_a_smaller_share_is_part_of_a_larger_one(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [
        {
            row["key"]
            for row in table(
                cut(world, tmp_path / name, monkeypatch, TopShare("score", share)), "samples"
            )
        }
        for name, share in (("a", 0.3), ("b", 0.5))
    ]
    assert kept[0] < kept[1]
