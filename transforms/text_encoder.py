"""Text encoders of the Hugging Face kind (extra `models`) as plain functions: texts to embeddings."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import UsageError
from transforms.groundability import Encoder

BATCH = 64
WEIGHTS = ("*.safetensors", "*.bin", "config.json", "tokenizer.json", "vocab.json", "merges.txt",
           "vocab.txt")  # fmt: skip
"""Files that decide what a model on disk answers."""


def text_encoder(name: str, revision: str = "") -> tuple[Encoder, str]:
    """The encoder `name` on the CPU in float32, and its identity.

    A model with text and image towers (CLIP, SigLIP) gives its text features; any other gives the
    mean of its last hidden states over the text.

    Args:
        name: folder with weights and tokenizer, or id on the Hugging Face Hub.
        revision: commit or tag of an id; must be given for one, since ids move.

    Raises:
        UsageError: the extra is not installed, an id without a revision, or no such model.
    """
    try:
        import torch
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise UsageError(
            "a text encoder needs the extra: pip install 'earthloom[models]'"
        ) from error
    folder = Path(name)
    if not folder.is_dir() and not revision:
        raise UsageError(f"--encoder {name}: is no folder; for an id also give --revision COMMIT")
    where: dict[str, Any] = {"trust_remote_code": False}
    if not folder.is_dir():
        where["revision"] = revision
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, **where)
        model = AutoModel.from_pretrained(name, torch_dtype=torch.float32, **where).eval()
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"--encoder {name}: cannot be loaded ({str(error)[:200]})") from error

    def encode(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        rows = []
        with torch.inference_mode():
            for text in range(0, len(texts), BATCH):
                some = tokenizer(
                    list(texts[text : text + BATCH]), return_tensors="pt", padding="max_length",
                    truncation=True, max_length=32,
                )  # fmt: skip
                rows.append(_features(model, some).float().numpy())
        return np.concatenate(rows).astype(np.float32)

    return encode, f"{folder.name if folder.is_dir() else name} {revision or _digest(folder)}"


def _features(model: Any, tokens: Any) -> Any:
    if hasattr(model, "get_text_features"):
        found = model.get_text_features(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        )
        return getattr(found, "pooler_output", found)
    hidden = model(**tokens).last_hidden_state
    mask = tokens["attention_mask"].unsqueeze(-1)
    return (hidden * mask).sum(dim=1) / mask.sum(dim=1)


def _digest(folder: Path) -> str:
    """SHA-256 over the files that decide the answers."""
    found = hashlib.sha256()
    for path in sorted({p for pattern in WEIGHTS for p in folder.glob(pattern)}):
        found.update(path.name.encode())
        with path.open("rb") as stream:
            found.update(hashlib.file_digest(stream, "sha256").digest())
    return f"sha256:{found.hexdigest()[:16]}"
