"""Weights, tokenizers and processors out of a folder: whole, or refused with a sentence."""

from pathlib import Path
from typing import Any

from schemas.errors import BuildError
from transforms.models.device import Place, fits, roomy

VOCABULARY = ("tokenizer.json", "vocab.*", "merges.txt", "*.model", "spiece.*", "tekken.json")
"""A tokenizer has one of these. Without any, transformers makes one that knows no word."""


def loaded(kind: Any, folder: Path, identity: str, at: Place) -> Any:
    """A model in memory, every weight from its files.

    Args:
        kind: a class of transformers with `from_pretrained`.
        folder: of the model.
        identity: of the model, for messages.
        at: where it goes, and as what numbers.

    Raises:
        BuildError: too little memory, weights that are missing (transformers would draw them at
            random) or of another shape, or an architecture that is not known.
    """
    fits(folder, at)
    try:
        with roomy(f"model {identity}"):
            model, told = kind.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=at.torch_dtype,
                output_loading_info=True,
            )  # fmt: skip
            model = model.to(at.device).eval()
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        told = "its weights have other shapes than its config.json says"
        if "mismatched" not in str(error):
            told = brief(error)
        raise BuildError(f"model {identity}: cannot be loaded ({told})") from error
    reads_text = getattr(model, "main_input_name", "") == "input_ids"
    missing = sorted(
        name
        for name in told["missing_keys"]
        if not (reads_text and name.startswith("pooler."))  # texts are pooled without it
    )
    if missing:
        raise BuildError(
            f"model {identity}: its files lack {len(missing)} of its weights, {missing[0]} among "
            "them; take a whole model"
        )
    return model


def part(kind: Any, what: str, folder: Path, identity: str, **options: Any) -> Any:
    """A model's tokenizer or processor.

    Args:
        kind: a class of transformers with `from_pretrained`.
        what: its name in messages; a `tokenizer` must have a vocabulary.
        folder: of the model.
        identity: of the model, for messages.
        options: of `from_pretrained`.

    Raises:
        BuildError: the folder has none.
    """
    if "tokenizer" in what and not any(any(folder.glob(name)) for name in VOCABULARY):
        raise BuildError(f"model {identity}: has no {what} in its folder")
    try:
        return kind.from_pretrained(folder, local_files_only=True, **options)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BuildError(f"model {identity}: has no {what} in its folder") from error


def brief(error: BaseException) -> str:
    """The first sentence of what a library says, on one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    first = text.partition(". ")[0]
    return first if len(first) <= 200 else f"{first[:197]}..."
