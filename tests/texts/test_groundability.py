"""The trained table of visible tags."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.commands.groundable import main
from schemas.errors import UsageError
from schemas.visible import Row, load
from transforms.groundability import embedded, fit, label, train, words, written

TAGS = [
    ("building", "row_house"), ("leisure", "sports_hall"), ("landuse", "flowerbeds"),
    ("amenity", "parking_garage"), ("natural", "water"), ("name", "x"), ("addr:street", "y"),
    ("building", "Free Text"), ("vegetation", "pine_trees"),
]  # fmt: skip


def ngrams(texts: Sequence[str]) -> Any:
    """Hashed counts of character trigrams: deterministic, and texts alike lie near each other."""
    found = np.zeros((len(texts), 256), np.float32)
    for row, text in enumerate(texts):
        for at in range(len(text) + 2):
            gram = f"^{text}$"[at : at + 3].encode()
            found[row, hashlib.sha256(gram).digest()[0]] += 1
    return found


def test_the_solver_finds_the_optimum() -> None:
    """Two classes in one dimension: the gradient is zero, and no step from there does better."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-1, 1, (60, 1)), rng.normal(1, 1, (60, 1))])
    y = np.repeat([0.1, 10.0], 60)
    model = fit(x, y, penalty=0.5)
    slope = model.weights[0, 1] - model.weights[0, 0]
    offset = model.weights[1, 1] - model.weights[1, 0]

    def loss(b: float, a: float) -> float:
        # the softmax's symmetric weights +-b/2 are penalised by 0.5 / 2 * 2 * (b / 2) ** 2
        chance = 1 / (1 + np.exp(-(b * x[:, 0] + a)))
        return float(-np.log(np.where(y > 1, chance, 1 - chance)).sum() + 0.5 * b * b / 4)

    best = loss(slope, offset)
    for b, a in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01)):
        assert loss(slope + b, offset + a) > best
    assert set(model.predict(x)) == {0.1, 10.0}
    assert (model.predict(x) == y).mean() > 0.75
    assert model.chances(x).sum(axis=1) == pytest.approx(1)


def test_learns_from_the_table_better_than_the_commonest() -> None:
    trained = train(load().rows, ngrams, "trigrams")
    found = trained.origin["cross_validation"]
    assert found["visible_f1"] >= found["visible_f1_of_always"] - 0.01
    assert found["gsd_accuracy"] > found["gsd_accuracy_of_commonest"] + 0.1
    assert trained.origin["encoder"] == "trigrams"
    assert trained.origin["labels"]["tags"] == sum(row.value != "*" for row in load().rows)


def test_labels_learnt_are_labels_given() -> None:
    """Where the words decide, it must be found: a planted rule comes back on tags never seen."""
    rows = [Row("a", f"big_{i:03d}", 10.0) for i in range(40)]
    rows += [Row("a", f"tiny_{i:03d}", 0.1) for i in range(40)]
    rows += [Row("b", f"hidden_{i:03d}", 0.0, "attribute") for i in range(40)]
    trained = train(rows, ngrams, "trigrams")
    assert trained.origin["cross_validation"]["visible_f1"] == 1.0
    assert trained.origin["cross_validation"]["gsd_accuracy"] == 1.0
    tags = [
        ("a", "big_999"),
        ("a", "tiny_999"),
        ("b", "hidden_999"),
        ("a", "big_001"),
        ("c", "big_9"),
    ]
    found = {(r.key, r.value): (r.gsd_m, r.role) for r in label(trained, tags, rows, ngrams)}
    assert found[("a", "big_999")] == (10.0, "main")
    assert found[("a", "tiny_999")] == (0.1, "main")
    assert found[("b", "hidden_999")] == (0.0, "attribute")
    assert ("a", "big_001") not in found, "what a person wrote is not judged again"
    assert found[("c", "big_9")][1] == "attribute", "a key of its own names no object"


def test_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    base = load().rows[::6]
    one = train(base, ngrams, "trigrams", seed=3)
    other = train(tuple(reversed(base)), ngrams, "trigrams", seed=3)
    texts = [written(label(t, tags, base, ngrams), t.origin)
             for t, tags in ((one, TAGS), (other, TAGS[::-1]))]  # fmt: skip
    assert texts[0] == texts[1]
    assert train(base, ngrams, "trigrams", seed=4).origin != one.origin


def test_the_file_is_taken_as_a_table_and_says_its_origin(tmp_path: Path) -> None:
    base = load()
    trained = train(base.rows[::6], ngrams, "trigrams")
    rows = label(trained, TAGS, base.rows, ngrams)
    path = tmp_path / "learnt.csv"
    path.write_text(written(rows, trained.origin), encoding="utf-8")
    origin = json.loads(path.read_text().splitlines()[0].removeprefix("# "))
    assert {"encoder", "seed", "labels", "cross_validation"} <= set(origin)
    table = load(path)
    assert len(table.rows) == len(base.rows) + len(rows)
    for row in rows:
        tag = {row.key: row.value}
        assert table.coarsest(tag) == (row.gsd_m if row.role == "main" else 0)
    keys = {row.key for row in rows}
    assert not keys & {"name", "addr:street"}, "what can never be seen is not judged"
    assert ("natural", "water") not in {(r.key, r.value) for r in rows}


def test_a_wrong_line_is_named_after_remarks(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("# made by hand\n# twice\nkey,value,gsd_m\na,b,far\n", encoding="utf-8")
    with pytest.raises(UsageError, match="line 4"):
        load(path)


def test_too_little_to_learn_from() -> None:
    with pytest.raises(UsageError, match="too few"):
        train([Row("a", f"v{i}", 1.0) for i in range(100)], ngrams, "trigrams")
    with pytest.raises(UsageError, match="too few"):
        train(load().rows[:5], ngrams, "trigrams")


@pytest.mark.parametrize(
    "bad",
    [
        lambda texts: np.full((len(texts), 4), np.nan),
        lambda texts: np.zeros((len(texts) - 1, 4)),
        lambda texts: np.zeros(len(texts)),
    ],
)
def test_an_encoder_that_fails_is_named(bad: Any) -> None:
    with pytest.raises(UsageError, match="text encoder"):
        embedded(["a", "b"], bad)


def test_words_of_a_tag() -> None:
    assert words("leisure", "golf_course") == "leisure: golf course"
    assert words("roof:shape", "half-hipped") == "roof shape: half-hipped"


def test_a_hub_model_needs_a_commit_and_the_extra(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = tmp_path / "tags.csv"
    tags.write_text("key,value\nbuilding,row_house\n")
    for there, said in ((True, "pin its commit"), (False, "earthloom[models]")):
        monkeypatch.setattr("importlib.util.find_spec", lambda name, there=there: there or None)
        assert main([str(tags), str(tmp_path / "out.csv"), "--encoder", "some/model"]) == 2
        assert said in capsys.readouterr().err
    tags.write_text("a,b\n1,2\n")
    assert main([str(tags), str(tmp_path / "out.csv"), "--encoder", "x"]) == 2
    assert "must have key and value" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A tiny CLIP with random weights and a tokenizer of its own, on disk."""
    torch = pytest.importorskip("torch", reason="needs the extra `models`")
    transformers = pytest.importorskip("transformers", reason="needs the extra `models`")
    from tokenizers import Tokenizer, models, pre_tokenizers

    letters = {
        "<pad>": 0,
        "<eos>": 1,
        **{c: i + 2 for i, c in enumerate("abcdefghijklmnopqrstuvwxyz: -")},
    }
    tokenizer = Tokenizer(models.WordLevel(letters, unk_token="<eos>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    folder = tmp_path / "clip"
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    text = {"vocab_size": len(letters), "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 2, "eos_token_id": 1, "pad_token_id": 0}  # fmt: skip
    vision = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1,
              "num_attention_heads": 2, "image_size": 32, "patch_size": 16}  # fmt: skip
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
    transformers.CLIPModel(config).save_pretrained(folder)
    return folder


def test_a_real_model_from_disk(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tags = tmp_path / "tags.csv"
    tags.write_text("key,value\nbuilding,row_house\nleisure,sports_hall\n")
    made = []
    for name in ("one.csv", "two.csv"):
        assert main([str(tags), str(tmp_path / name), "--encoder", str(clip)]) == 0
        made.append((tmp_path / name).read_text())
    assert made[0] == made[1]
    origin = json.loads(made[0].splitlines()[0].removeprefix("# "))
    assert origin["encoder"].startswith("clip@sha256:")
    assert len(load(tmp_path / "one.csv").rows) == len(load().rows) + 2
    capsys.readouterr()
    assert main([str(tags), str(tmp_path / "one.csv"), "--encoder", str(clip)]) == 2
    assert "exists already" in capsys.readouterr().err
