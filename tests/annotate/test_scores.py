"""Scores, vectors and texts by models in this process, on whole builds."""

import io
import json
import math
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import building
from building import arguments, release, tree, work
from catalogs.files import read_json
from catalogs.releases.verify import verify
from pipelines.datasets.skyscript import RECIPE
from schemas.recipes import active
from small_world import World
from transforms import embeddings
from transforms.packing import TopShare

torch = pytest.importorskip("torch", reason="needs the extra `models`")
transformers = pytest.importorskip("transformers", reason="needs the extra `models`")

from PIL import Image  # noqa: E402

import tiny_models  # noqa: E402
from text_recipes import build, rows, started, text_recipe  # noqa: E402

EVERY = 82
"""Samples of the small world that ship without a cut."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture(scope="module")
def scored(world: World, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SkyScript with scores and all of its samples; not to be changed."""
    out = tmp_path_factory.mktemp("scored")
    assert building.main(with_scores(world, out, clip, "cuts.share=1.0")) == 0
    return out


def with_scores(world: World, out: Path, model: Path, *more: str) -> list[str]:
    changes = [word for change in more for word in ("--set", change)]
    return arguments(world, out, "--set", f"scores.model={model}", *changes)


def pictures(out: Path) -> dict[str, Image.Image]:
    """Each sample's picture, out of its shard."""
    found = {}
    for row in rows(out):
        data = (release(out) / "data" / row["shard"]).read_bytes()
        start = row["rgb_jpg_offset"]
        found[row["key"]] = Image.open(io.BytesIO(data[start : start + row["rgb_jpg_size"]]))
    return found


def cosines(out: Path, model: Path) -> dict[str, float]:
    """The score of each released picture and title, by the library's own plain use of the model."""
    net = transformers.CLIPModel.from_pretrained(model).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(model)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    shown, said = pictures(out), {row["key"]: row["title"] for row in rows(out)}
    found = {}
    with torch.inference_mode():
        for key, picture in shown.items():
            given = processor(picture.convert("RGB"), return_tensors="pt")
            words = tokenizer(said[key], truncation=True, return_tensors="pt")
            result = net(**given, **words)
            found[key] = float((result.image_embeds @ result.text_embeds.T)[0, 0])
    return found


def test_scores_are_those_of_the_model(scored: Path, clip: Path) -> None:
    expected = cosines(scored, clip)
    found = {row["key"]: row["clip_score"] for row in rows(scored)}
    assert len(found) == EVERY and found.keys() == expected.keys()
    for key, value in found.items():
        assert value == pytest.approx(expected[key], abs=1e-4)
        assert value == round(value, 4)
    assert len(set(found.values())) > EVERY / 2
    assert verify(release(scored)) == []


def test_the_model_is_named_by_its_content(scored: Path, clip: Path) -> None:
    """In the column, the card and the provenance; its folder is nobody's business."""
    (name,) = {row["clip_model"] for row in rows(scored)}
    assert name.startswith("clip@sha256:")
    (entry,) = read_json(release(scored) / "provenance" / "models.json")
    assert entry["model"] == name and entry["column"] == "clip_score"
    assert (entry["device"], entry["dtype"]) == ("cpu", "float32") or entry["device"] == "cuda"
    assert entry["torch"] == torch.__version__
    assert f"scores.ImageText`: (model = {name}" in (
        release(scored) / "README.md"
    ).read_text().replace("scores.ImageText` (", "scores.ImageText`: (")
    for path in release(scored).rglob("*"):
        if path.is_file() and path.name != "run.json":
            assert str(clip).encode() not in path.read_bytes(), path.name


@pytest.mark.parametrize("share", [0.5, 0.3])
def test_spec_6_the_best_share_ships(
    share: float, world: World, clip: Path, scored: Path, tmp_path: Path
) -> None:
    """Exactly, ties broken by key; the smaller share is a subset of the larger (here: of all)."""
    assert building.main(with_scores(world, tmp_path, clip, f"cuts.share={share}")) == 0
    score = {row["key"]: row["clip_score"] for row in rows(scored)}
    order = sorted(score, key=lambda key: (-score[key], key))
    best = set(order[: math.ceil(share * len(order))])
    shipped = {row["key"]: row["clip_score"] for row in rows(tmp_path)}
    assert set(shipped) == best and shipped == {key: score[key] for key in best}
    lost = [row for row in rows(tmp_path, "drops") if row["act"] == "pack"]
    assert {row["code"] for row in lost} == {f"below_top_{share * 100:g}pct_clip_score"}
    assert len(lost) == EVERY - len(best)
    assert verify(release(tmp_path)) == []


def test_half_is_cut_where_nothing_else_is_said(world: World, clip: Path) -> None:
    assert [cut.share for cut in RECIPE.pack.keep if isinstance(cut, TopShare)] == [0.5]


def test_without_a_model_nothing_is_scored_or_cut(world: World, tmp_path: Path) -> None:
    assert building.main(arguments(world, tmp_path)) == 0
    found = rows(tmp_path)
    assert len(found) == EVERY and "clip_score" not in found[0]
    assert not (work(tmp_path) / "annotate").exists()


def test_the_same_bytes_from_other_blocks(
    world: World, clip: Path, scored: Path, tmp_path: Path
) -> None:
    """Scores do not depend on what else is in a block, nor on the number of cores."""
    argv = [*with_scores(world, tmp_path, clip, "cuts.share=1.0"), "--workers", "1"]
    assert building.main(argv, {"block": 40, "partition": 100}) == 0
    assert tree(release(tmp_path), ("data",)) == tree(release(scored), ("data",))
    key = lambda row: row["key"]  # noqa: E731
    assert [(r["key"], r["clip_score"]) for r in sorted(rows(tmp_path), key=key)] == [
        (r["key"], r["clip_score"]) for r in sorted(rows(scored), key=key)
    ]


def test_a_killed_run_goes_on(world: World, clip: Path, scored: Path, tmp_path: Path) -> None:
    argv = with_scores(world, tmp_path, clip, "cuts.share=1.0")
    child = started("RECIPE", argv)
    limit = time.monotonic() + 120
    folder = work(tmp_path) / "annotate"
    while len(list(folder.glob("*.json"))) < 2:
        assert child.poll() is None, child.stderr.read()
        assert time.monotonic() < limit
        time.sleep(0.001)
    child.kill()
    assert child.wait(timeout=20) == -signal.SIGKILL
    done = building.times(folder)
    assert building.main(argv) == 0
    records = {name: at for name, at in done.items() if name.endswith(".json")}
    assert records.items() <= building.times(folder).items()
    assert tree(release(tmp_path), building.PARTS) == tree(release(scored), building.PARTS)


def test_scores_that_are_not_numbers_fail_with_a_reason(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tiny_models.clip(tmp_path / "spoilt", spoilt=True)
    argv = with_scores(world, tmp_path / "out", model)
    assert building.main(argv) == 3
    assert "not_finite" in capsys.readouterr().err
    argv += ["--error-budget", "1"]
    assert building.main(argv) == 1, "no train sample is left"
    assert "every sample was dropped" in capsys.readouterr().err


def test_a_model_that_went_missing_is_told_before_any_pixel(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert building.main(with_scores(world, tmp_path, tmp_path / "no" / "model")) == 2
    assert "no such folder" in capsys.readouterr().err
    assert not (work(tmp_path) / "make").exists()


def test_another_machine_may_pack(world: World, tmp_path: Path) -> None:
    """One that has neither the model nor its libraries, once the models have spoken."""
    model = tiny_models.clip(tmp_path / "clip")
    out = tmp_path / "out"
    argv = with_scores(world, out, model)
    assert building.main([*argv, "--until", "annotate"]) == 0
    done = building.times(work(out) / "annotate")
    model.rename(tmp_path / "elsewhere")
    assert building.main(argv) == 0
    assert building.times(work(out) / "annotate") == done
    assert len(rows(out)) == EVERY / 2


def test_other_weights_under_the_same_name_are_other_scores(world: World, tmp_path: Path) -> None:
    """Blocks that other weights have scored are scored again."""
    model = tiny_models.clip(tmp_path / "clip", seed=0)
    argv = with_scores(world, tmp_path / "out", model, "cuts.share=1.0")
    assert building.main([*argv, "--until", "annotate"]) == 0
    first = building.times(work(tmp_path / "out") / "annotate")
    tiny_models.clip(model, seed=1)
    assert building.main(argv) == 0
    second = building.times(work(tmp_path / "out") / "annotate")
    assert not first.items() & second.items()
    expected = cosines(tmp_path / "out", model)
    assert all(r["clip_score"] == pytest.approx(expected[r["key"]], abs=1e-4)
               for r in rows(tmp_path / "out"))  # fmt: skip


def test_vectors_are_columns_of_fixed_length(world: World, clip: Path, tmp_path: Path) -> None:
    base = active(RECIPE)
    steps = (embeddings.Images(model=str(clip)), embeddings.Texts(model=str(clip)))
    assert build(replace(base, annotate=steps), arguments(world, tmp_path)) == 0
    table = pq.read_table(release(tmp_path) / "metadata" / "samples.parquet")
    net = transformers.CLIPModel.from_pretrained(clip).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(clip)
    shown = pictures(tmp_path)
    for name in ("image_embedding", "text_embedding"):
        assert str(table.schema.field(name).type) == "fixed_size_list<element: float>[16]"
        vectors = np.stack(table[name].to_numpy(zero_copy_only=False))
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    for key, vector in list(zip(table["key"].to_pylist(), table["image_embedding"].to_pylist(),
                                strict=True))[:10]:  # fmt: skip
        given = processor(shown[key].convert("RGB"), return_tensors="pt")
        with torch.inference_mode():
            expected = net.get_image_features(**given).pooler_output[0]
        expected = expected / expected.norm()
        np.testing.assert_allclose(vector, expected.numpy(), atol=1e-5)
    card = (release(tmp_path) / "README.md").read_text()
    assert "| `image_embedding` | 16 x float | unit vector of the picture" in card
    assert verify(release(tmp_path)) == []
    tar = next((release(tmp_path) / "data").glob("*.tar")).read_bytes()
    assert b"image_embedding_model" in tar and b'"image_embedding"' not in tar


def test_vectors_of_another_length_than_stated_end_the_build(
    world: World, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = (embeddings.Images(model=str(clip), dimensions=8),)
    assert build(replace(active(RECIPE), annotate=steps), arguments(world, tmp_path)) == 1
    assert "--set embeddings.Images.dimensions=16" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["llama", "blip", "llava"])
def test_texts_by_a_model_in_this_process(
    kind: str, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Random words: what passes the checks ships, what does not is replaced and flagged."""
    model = getattr(tiny_models, kind)(tmp_path / kind)
    picture = "" if kind == "llama" else "rgb.jpg"
    recipe = text_recipe(picture=picture, tries=2, tokens=20, temperature=1.0, batch=8)
    trees = []
    for name in ("a", "b"):
        argv = arguments(world, tmp_path / name, "--captioner", str(model))
        assert build(recipe, argv) == 0
        trees.append(tree(release(tmp_path / name), building.PARTS))
    assert trees[0] == trees[1]
    found = rows(tmp_path / "a")
    by_model = [row for row in found if row["text_source"] == "model"]
    assert len(found) == EVERY and 0 < len(by_model) < EVERY
    for row in by_model:
        assert row["annotator"] == kind and row["text_revision"].startswith("sha256:")
        assert row["text_faults"] == "" and len(row["caption"].split()) >= 3
        assert json.loads(row["text_sampling"])["temperature"] == 1.0
    assert all(row["text_faults"] for row in found if row["text_source"] == "template")
    assert "texts: " in capsys.readouterr().err
    assert verify(release(tmp_path / "a")) == []
