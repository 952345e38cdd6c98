"""Like vectors across splits: which pairs, which sample goes, what a release says and verify finds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import release_world
from catalogs.files import read_json
from catalogs.releases.write import write_release
from pipelines.datasets.skyscript import RECIPE
from schemas.errors import UsageError
from schemas.near import alike_pairs, cosines
from schemas.recipes import Recipe, active, check
from schemas.settings import override
from schemas.windows import arcs, unit_vectors
from spoiling import checks
from transforms.packing import KEPT, Survey, TopShare, Unlike, choose

LENGTH = 8


def unit(rng: Any, count: int) -> Any:
    rows = rng.normal(size=(count, LENGTH))
    return np.round(rows / np.linalg.norm(rows, axis=1, keepdims=True), 6).astype(np.float32)


@given(seed=st.integers(0, 10_000), count=st.integers(0, 60), cut=st.floats(0.2, 0.99))
@settings(max_examples=60, deadline=None)
def test_pairs_equal_brute_force(seed: int, count: int, cut: float) -> None:
    rng = np.random.default_rng(seed)
    vectors = unit(rng, count)
    vectors[rng.random(count) < 0.1] = 0
    splits = rng.integers(-1, 3, count)
    xyz = unit_vectors(rng.uniform(8, 8.8, count), rng.uniform(46, 46.5, count))
    found = alike_pairs(vectors, splits, xyz, cut, 20_000)
    whole = np.rint(vectors.astype(float) * 1e6)
    expected = []
    for a in range(count):
        for b in range(a + 1, count):
            size = np.linalg.norm(whole[a]) * np.linalg.norm(whole[b])
            like = size > 0 and whole[a] @ whole[b] / size >= cut
            near = arcs(np.linalg.norm(xyz[a] - xyz[b])) <= 20_000
            if like and near and splits[a] != splits[b] and min(splits[a], splits[b]) >= 0:
                expected.append([a, b])
    assert found.tolist() == expected


def test_tiles_do_not_change_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    vectors, splits = unit(rng, 90), rng.integers(0, 2, 90)
    xyz = unit_vectors(np.full(90, 8.0), np.full(90, 46.0))
    whole = alike_pairs(vectors, splits, xyz, 0.6)
    monkeypatch.setattr("schemas.near.TILE", 7)
    assert len(whole) and np.array_equal(whole, alike_pairs(vectors, splits, xyz, 0.6))


def test_a_cosine_is_the_same_in_any_company() -> None:
    rng = np.random.default_rng(4)
    a, b = unit(rng, 50), unit(rng, 50)
    alone = [cosines(a[[i]], b[[i]])[0] for i in range(50)]
    assert cosines(a, b).tolist() == alone
    np.testing.assert_allclose(alone, (a.astype(float) * b).sum(axis=1), atol=1e-5)


def test_the_larger_split_loses_and_what_is_cut_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(5)
    rows = unit(rng, 3)
    vectors = rows[[0, 0, 1, 1, 2, 2, 0]]
    splits = [0, 1, 1, 2, 0, 2, 0]
    found = Survey([], np.array([0, 7]), np.arange(7).astype(np.uint64), np.array(splits, np.int8),
                   np.ones(7, np.int32), np.full(7, KEPT, np.uint8))  # fmt: skip
    found.drop(np.array([5]), "below_top_50pct_clip_score", "cut before")
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), LENGTH)
    table = pa.table({"image_embedding": column, "centre_lon": [9.0] * 6 + [12.0],
                      "centre_lat": [47.0] * 7})  # fmt: skip
    monkeypatch.setattr(choose, "_columns", lambda found, names: table.select(names))
    recipe = replace(RECIPE, pack=replace(RECIPE.pack, keep=(Unlike(cosine=0.99),)))
    choose._alike(found, recipe)
    assert np.flatnonzero(found.verdict).tolist() == [0, 2, 5], "4's like is gone, 6 is far away"
    assert found.reasons[-1][0] == "alike" and "cosine 0.99" in found.reasons[-1][1]


def with_vectors(recipe: Recipe) -> Recipe:
    """The recipe with a vector of each picture and the rule on it."""
    from transforms.embeddings import Images

    step = Images(model="m@1", dimensions=LENGTH)
    return replace(recipe, annotate=(step,), pack=replace(recipe.pack, keep=(Unlike(cosine=0.85),)))


def test_a_release_says_what_it_compared_and_verify_finds_what_breaks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(release_world.CENTRES, "val", (7.2, 50.0))
    recipe = with_vectors(release_world.RECIPE)
    entries = release_world.usual()
    rng = np.random.default_rng(6)
    for rows in entries.values():
        for row, vector in zip(rows, np.eye(LENGTH)[rng.integers(0, 4, len(rows))], strict=True):
            row["image_embedding"] = list(vector if row["split"] == "train" else np.roll(vector, 4))
            row["image_embedding_model"] = "m@1"
    world = release_world.build(tmp_path / "good", entries, recipe=recipe)
    write_release(*world.inputs())
    (said,) = read_json(world.stage / "stats" / "quality.json")["near_duplicates"]["vectors"]
    shipped = sum(map(len, entries.values()))
    assert said == {"column": "image_embedding", "cosine": 0.85, "radius_m": 25_000.0,
                    "compared": shipped, "pairs": 0}  # fmt: skip
    card = (world.stage / "README.md").read_text()
    assert "Like vectors across splits: 0 pairs with a cosine of `image_embedding` of 0.85" in card
    assert checks(world.stage) == {}
    train, val = entries["train-000000.tar"][7], entries["val-000000.tar"][6]
    val["image_embedding"] = train["image_embedding"]
    others = [row for name, rows in entries.items() if name.startswith("train") for row in rows
              if row["image_embedding"] == train["image_embedding"]]  # fmt: skip
    world = release_world.build(tmp_path / "bad", entries, recipe=recipe)
    write_release(*world.inputs())
    found = checks(world.stage)
    assert set(found) == {"near_duplicates"} and len(found["near_duplicates"]) == len(others)
    assert any("way-train-0007" in f.message and "way-val-0006" in f.message
               and "cosine of image_embedding 1.000" in f.message
               for f in found["near_duplicates"])  # fmt: skip


def test_the_rule_comes_with_the_vectors_and_goes_with_them() -> None:
    assert [type(cut) for cut in RECIPE.pack.keep] == [TopShare, Unlike]
    assert active(RECIPE).pack.keep == ()
    kept = active(override(RECIPE, {"embeddings.model": "geoembed", "cuts.cosine": 0.9})).pack.keep
    assert kept == (Unlike(cosine=0.9),)
    with pytest.raises(UsageError, match=r"cosine=1\.2: must lie from 0 to 1"):
        override(RECIPE, {"cuts.cosine": 1.2})
    wrong = replace(RECIPE, pack=replace(RECIPE.pack, keep=(Unlike("clip_score"),)))
    with pytest.raises(UsageError, match="cuts by 'clip_score', which is no vector"):
        check(wrong)
