"""Folders that are no whole model: each is refused with one sentence, none is filled up with chance."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the extra `models`")
pytest.importorskip("transformers", reason="needs the extra `models`")

import tiny_models  # noqa: E402
from catalogs.sources.models import find  # noqa: E402
from schemas.errors import BuildError, UsageError  # noqa: E402
from transforms.models.device import roomy  # noqa: E402
from transforms.models.encoder import Encoder  # noqa: E402
from transforms.models.writer import LocalWriter  # noqa: E402


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.clip(tmp_path_factory.mktemp("models") / "clip")


def changed(**changes: object) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        known = json.loads((folder / "config.json").read_text())
        for name, value in changes.items():
            known[name] = {**known[name], **value} if isinstance(value, dict) else value
        (folder / "config.json").write_text(json.dumps(known))

    return spoil


def without_a_weight(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    kept = {k: v for k, v in load_file(path).items() if k != "visual_projection.weight"}
    save_file(kept, path, metadata={"format": "pt"})


def without(pattern: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        for path in folder.glob(pattern):
            path.unlink()

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without_a_weight, "lack 1 of its weights, visual_projection.weight among them"),
        (changed(model_type="no_such_thing"), "cannot be loaded .*no_such_thing"),
        (changed(text_config={"hidden_size": 48}), "weights have other shapes than its config"),
        (changed(model_type=None), r"its config\.json names no model_type"),
        (lambda f: (f / "config.json").write_text("{cut"), r"its config\.json names no model_type"),
        (lambda f: (f / "config.json").write_text("[1]"), r"its config\.json names no model_type"),
        (without("token*"), "has no tokenizer in its folder"),
        (without("preprocessor_config.json"), "has no image processor in its folder"),
        (lambda f: (f / "preprocessor_config.json").write_text("{"), "has no image processor"),
    ],
)  # fmt: skip
def test_each_gets_its_sentence(
    spoil: Callable[[Path], None], said: str, clip: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(clip, folder)
    spoil(folder)
    with pytest.raises((BuildError, UsageError), match=said) as caught:
        encoder = Encoder((found := find(str(folder))).folder, found.identity)
        assert encoder.tokenizer and encoder.processor
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_a_model_that_writes_nothing_is_named(clip: Path) -> None:
    with pytest.raises(BuildError, match=r"^model clip: a clip writes no texts$"):
        LocalWriter(clip, "clip")


def test_a_cpu_without_memory_is_said_like_a_gpu() -> None:
    with pytest.raises(BuildError, match=r"^batch: out of memory"), roomy("batch"):
        torch.empty(1 << 50, dtype=torch.float32)
    with pytest.raises(RuntimeError, match="size of tensor"), roomy("batch"):
        torch.ones(2) + torch.ones(3)
