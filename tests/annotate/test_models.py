"""Networks in this process, against the libraries' own plain use of the same weights."""

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalogs.sources.models import find, weigh
from schemas.errors import BuildError, SourceError, UsageError

torch = pytest.importorskip("torch", reason="needs the extra `models`")
transformers = pytest.importorskip("transformers", reason="needs the extra `models`")

from PIL import Image  # noqa: E402

import tiny_models  # noqa: E402
from transforms.models import device  # noqa: E402
from transforms.models.encoder import Encoder  # noqa: E402
from transforms.models.sampling import drawing, uniform  # noqa: E402
from transforms.models.writer import LocalWriter  # noqa: E402
from transforms.texts.questions import Question, Sampling  # noqa: E402

TEXTS = ["a lake", "an aerial image of a road", "x " * 40, "a forest by a river", "a lake"]
RANDOM, LIKELIEST = Sampling(1.0, 0.9, 12), Sampling(0.0, 1.0, 12)


def pictures(count: int) -> list[Image.Image]:
    rng = np.random.default_rng(7)
    return [
        Image.fromarray(rng.integers(0, 255, (40 + i, 60, 3), dtype=np.uint8)) for i in range(count)
    ]


def jpeg(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.llama(tmp_path_factory.mktemp("models") / "llama")


def ready(encoder: Encoder, shown: list[Image.Image]) -> list[Any]:
    made = [encoder.prepared(picture) for picture in shown]
    return [lambda one=one: one for one in made]


def test_vectors_are_those_of_the_model(clip: Path) -> None:
    encoder, shown = Encoder(clip, "clip@x", batch=4), pictures(6)
    model = transformers.CLIPModel.from_pretrained(clip).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(clip)
    tokenizer = transformers.AutoTokenizer.from_pretrained(clip)
    with torch.inference_mode():
        seen = model(
            **processor(shown, return_tensors="pt"),
            **tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt"),
        )
    mine, said = encoder.pictures(ready(encoder, shown)), encoder.texts(TEXTS)
    np.testing.assert_allclose(mine, seen.image_embeds.numpy(), atol=1e-5)
    np.testing.assert_allclose(said, seen.text_embeds.numpy(), atol=1e-5)
    np.testing.assert_allclose(
        mine @ said.T * float(model.logit_scale.exp()), seen.logits_per_image.numpy(), atol=1e-3
    )


def test_neighbours_and_order_do_not_change_a_vector(clip: Path) -> None:
    encoder, shown = Encoder(clip, "clip@x", batch=4), pictures(10)
    every = encoder.pictures(ready(encoder, shown))
    back = encoder.pictures(ready(encoder, shown[::-1]))[::-1]
    alone = np.concatenate([encoder.pictures(ready(encoder, [one])) for one in shown])
    assert np.array_equal(every, back) and np.array_equal(every, alone)
    said = encoder.texts(TEXTS)
    assert np.array_equal(said, encoder.texts(TEXTS[::-1])[::-1])
    assert np.array_equal(said, np.concatenate([encoder.texts([text]) for text in TEXTS]))


def test_another_batch_changes_what_rounding_hides(clip: Path) -> None:
    shown = pictures(10)
    found = []
    for batch in (1, 3, 8):
        encoder = Encoder(clip, "clip@x", batch=batch)
        found.append(encoder.pictures(ready(encoder, shown)))
    for other in found[1:]:
        np.testing.assert_allclose(found[0], other, atol=2e-6)


def test_nothing_to_encode(clip: Path) -> None:
    encoder = Encoder(clip, "clip@x")
    assert len(encoder.pictures([])) == len(encoder.texts([])) == 0


def test_other_encoders(tmp_path: Path) -> None:
    """One for texts alone: the mean over its words; padding does not count."""
    from transformers import BertConfig, BertModel

    tiny_models.seeded(0)
    known = tiny_models.words(tmp_path, chat=False)
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
             "intermediate_size": 64}  # fmt: skip
    BertModel(
        BertConfig(vocab_size=len(known), max_position_embeddings=128, **small)
    ).save_pretrained(tmp_path)
    encoder = Encoder(tmp_path, "bert@x", batch=2)
    model = BertModel.from_pretrained(tmp_path).eval()
    with torch.inference_mode():
        given = known("a small lake", return_tensors="pt")
        mean = model(input_ids=given["input_ids"]).last_hidden_state.mean(1)[0]
    expected = (mean / mean.norm()).numpy()
    np.testing.assert_allclose(encoder.texts(["a small lake"])[0], expected, atol=1e-5)


def test_a_model_without_pictures_says_so(llama: Path) -> None:
    with pytest.raises(BuildError, match="has no image processor"):
        Encoder(llama, "llama@x").prepared(pictures(1)[0])


def asked(count: int, shown: list[Image.Image] | None = None) -> list[Question]:
    data = [jpeg(picture) for picture in shown] if shown else [b""] * count
    return [
        Question(f"w{i}", "you see", f"a {'small ' * (i % 5)}lake", i * 101, data[i], "image/jpeg")
        for i in range(count)
    ]


def test_the_likeliest_text_is_that_of_generate(llama: Path) -> None:
    writer, questions = LocalWriter(llama, "llama@sha256:1", batch=4), asked(6)
    model = transformers.AutoModelForCausalLM.from_pretrained(llama).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(llama)
    for question, reply in zip(questions, writer.write(questions, LIKELIEST), strict=True):
        talk = [
            {"role": "system", "content": "you see"},
            {"role": "user", "content": question.prompt},
        ]
        given = tokenizer.apply_chat_template(
            talk, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with torch.inference_mode():
            said = model.generate(**given, max_new_tokens=12, do_sample=False)
        text = tokenizer.decode(said[0, given["input_ids"].shape[1] :], skip_special_tokens=True)
        assert reply.text == text and text
        assert (reply.model, reply.revision) == ("llama", "sha256:1")


@pytest.mark.parametrize("kind", ["llama", "blip", "llava"])
@pytest.mark.parametrize("sampling", [LIKELIEST, RANDOM], ids=["likeliest", "random"])
def test_neighbours_and_order_do_not_change_a_text(
    kind: str, sampling: Sampling, tmp_path: Path
) -> None:
    folder = getattr(tiny_models, kind)(tmp_path)
    questions = asked(9, None if kind == "llama" else pictures(9))
    writer = LocalWriter(folder, f"{kind}@x", batch=4)
    every = [reply.text for reply in writer.write(questions, sampling)]
    assert [reply.text for reply in writer.write(questions[::-1], sampling)][::-1] == every
    assert [writer.write([question], sampling)[0].text for question in questions] == every
    other = LocalWriter(folder, f"{kind}@x", batch=2)
    assert [reply.text for reply in other.write(questions, sampling)] == every
    if sampling is RANDOM:
        assert len(set(every)) > 5


@pytest.mark.parametrize("kind", ["blip", "llava"])
def test_what_is_seen_shapes_the_text(kind: str, tmp_path: Path) -> None:
    """The same question and seed before another picture."""
    writer = LocalWriter(getattr(tiny_models, kind)(tmp_path), f"{kind}@x", batch=4)
    first, second = (jpeg(p) for p in pictures(2))
    same = [Question(f"w{i}", "", "a lake", i % 8, data, "image/jpeg")
            for data in (first, second) for i in range(8)]  # fmt: skip
    texts = [reply.text for reply in writer.write(same, Sampling(2.0, 1.0, 12))]
    assert texts[:8] != texts[8:]


def test_seeds_shape_the_text(llama: Path) -> None:
    writer = LocalWriter(llama, "llama@x", batch=8)
    same = [Question(f"w{i}", "", "a lake", i, b"") for i in range(16)]
    assert len({reply.text for reply in writer.write(same, RANDOM)}) > 12
    assert len({reply.text for reply in writer.write(same, LIKELIEST)}) == 1


def test_a_text_without_end_is_cut(llama: Path) -> None:
    writer = LocalWriter(llama, "llama@x", batch=4)
    long, short = Sampling(0.0, 1.0, 3), Sampling(1.0, 1.0, 200)
    assert all(reply.cut for reply in writer.write(asked(4), long))
    replies = writer.write(asked(8), short)
    assert not all(reply.cut for reply in replies), "some say their end within 200 words"


def test_prompts_beyond_the_model_are_faults(llama: Path) -> None:
    writer = LocalWriter(llama, "llama@x", batch=4)
    questions = [*asked(2), Question("long", "", "lake " * 600, 1)]
    *fine, long = writer.write(questions, LIKELIEST)
    assert long.fault.code == "prompt_too_long" and "at most 512" in long.fault.message
    assert all(reply.text and reply.fault is None for reply in fine)


def test_pictures_that_are_none_are_faults(tmp_path: Path) -> None:
    writer = LocalWriter(tiny_models.blip(tmp_path), "blip@x", batch=4)
    good = asked(1, pictures(1))
    bad = Question("w2", "", "", 1, b"no picture", "image/jpeg")
    first, second = writer.write([*good, bad], LIKELIEST)
    assert first.fault is None and second.fault.code == "picture_unreadable"


def test_draws_follow_the_distribution() -> None:
    """20,000 draws among four words; the fourth lies beyond the share of 0.95."""
    logits = torch.log(torch.tensor([0.5, 0.3, 0.16, 0.04])).repeat(20_000, 1)
    drawn = drawing(range(20_000), 1.0, 0.95)(None, logits).argmax(dim=-1)
    share = torch.bincount(drawn, minlength=4) / 20_000
    expected = torch.tensor([0.5, 0.3, 0.16, 0.0]) / 0.96
    assert (share - expected).abs().max() < 0.012  # three standard deviations
    warm = drawing(range(20_000), 2.0, 1.0)(None, logits).argmax(dim=-1)
    flat = torch.tensor([0.5, 0.3, 0.16, 0.04]).sqrt()
    assert (torch.bincount(warm, minlength=4) / 20_000 - flat / flat.sum()).abs().max() < 0.012


def test_draws_of_steps_and_seeds_are_independent() -> None:
    words = torch.arange(200).repeat(50, 1)
    seeds = torch.arange(50).unsqueeze(1)
    found = torch.stack([uniform(seeds, step, words) for step in range(20)])
    assert ((found > 0) & (found < 1)).all()
    assert len(found.unique()) == found.numel()
    assert abs(float(found.mean()) - 0.5) < 0.005 and abs(float(found.var()) - 1 / 12) < 0.002
    rows = found.permute(1, 0, 2).reshape(50, -1)
    away = torch.corrcoef(rows) - torch.eye(50)
    assert away.abs().max() < 0.08


def test_a_model_that_is_too_big_is_refused_before_it_is_loaded(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_free", lambda at: 100_000)
    with pytest.raises(BuildError, match=r"needs 0\.\d GB as float32, cpu has 0\.0 GB free"):
        Encoder(clip, "clip@x")


def test_running_out_of_memory_ends_the_build(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = LocalWriter(llama, "llama@x", batch=4)

    def full(**_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(writer.model, "generate", full)
    with pytest.raises(BuildError, match="out of memory; use a smaller batch"):
        writer.write(asked(2), LIKELIEST)


def test_weights_are_counted(clip: Path) -> None:
    model = transformers.CLIPModel.from_pretrained(clip)
    counts = weigh(clip)
    assert sum(counts.values()) >= sum(p.numel() for p in model.parameters())
    assert set(counts) <= {"F32", "I64"}


def test_a_folder_is_named_by_its_content(clip: Path, tmp_path: Path) -> None:
    import shutil

    found = find(str(clip))
    assert found.identity.startswith("clip@sha256:") and found.folder == clip
    other = tmp_path / "clip"
    shutil.copytree(clip, other)
    assert find(str(other)).identity == found.identity, "where it lies does not matter"
    (other / "config.json").write_text((other / "config.json").read_text() + "\n")
    assert find(str(other)).identity != found.identity


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "config.json").unlink(), "holds no config.json"),
        (lambda f: (f / "model.safetensors").unlink(), "holds no .safetensors"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x"), "is cut or no weights"),
        (
            lambda f: (f / "model.safetensors").write_bytes(
                (f / "model.safetensors").read_bytes()[:-9]
            ),
            "is cut or no weights",
        ),
        (
            lambda f: (f / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 50)),
            "is cut or no weights",
        ),
        (
            lambda f: (f / "model.safetensors.index.json").write_text(
                '{"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}'
            ),
            "lacks model-2.safetensors, which its index names",
        ),
    ],
)
def test_folders_that_are_no_model(spoil: Any, said: str, clip: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "clip"
    shutil.copytree(clip, folder)
    spoil(folder)
    with pytest.raises(UsageError, match=said):
        find(str(folder))


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("/nowhere/at/all", "no such folder"),
        ("just-a-name", "no such folder"),
        ("org/name", "pin its commit"),
        ("org/name@main", "pin its commit"),
        ("org/name@" + "g" * 40, "pin its commit"),
    ],
)
def test_names_that_are_no_model(what: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        find(what)


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_hub_model_is_taken_from_the_cache(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its pinned commit, without a question to anybody."""
    import shutil

    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    here = tmp_path / "models--org--name" / "snapshots" / COMMIT
    shutil.copytree(clip, here)
    found = find(f"org/name@{COMMIT}")
    assert found.identity == f"org/name@{COMMIT}" and found.folder == here
    with pytest.raises(SourceError, match="the hub does not give it"):
        find(f"org/name@{COMMIT[::-1]}")
    (here / "model.safetensors.index.json").write_text(
        '{"weight_map": {"b": "model-2.safetensors"}}'
    )
    with pytest.raises(UsageError, match=r"lacks model-2\.safetensors"):
        find(f"org/name@{COMMIT}")  # a fetch that was cut off is not taken for a model


def test_dimensions_are_read_from_the_settings(clip: Path) -> None:
    from pipelines.models import dimensions

    config = json.loads((clip / "config.json").read_text())
    assert dimensions(config, "image") == dimensions(config, "text") == 16
    siglip = transformers.SiglipConfig().to_dict()
    assert dimensions(siglip, "image") == siglip["vision_config"]["hidden_size"]
    assert dimensions({"model_type": "bert", "hidden_size": 32}, "text") == 32
    assert dimensions({"model_type": "odd"}, "text") is None
