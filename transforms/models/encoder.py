"""Pictures and texts as vectors of one length, by CLIP, SigLIP or any encoder with such a head.

The same row of numbers comes out of different kernels when the batch has another size, so a batch
always has the same size: the last one is filled up. Then a vector depends on its own picture or
text alone, whatever else is in the batch (docs/decisions/0010-models-in-blocks.md).
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from transforms.models.device import place, roomy, versions
from transforms.models.loading import loaded, part

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = npt.NDArray[np.uint8]
Vectors = npt.NDArray[np.float32]

LONGEST = 512
"""Tokens of a text where the model states no bound of its own."""

WIDTHS = (32, 64, 128, 256, 512)
"""Tokens that texts are padded to."""


class Encoder:
    """A model in memory.

    Attributes:
        computed: where and with what, for provenance.
    """

    def __init__(
        self, folder: Path, identity: str, device: str = "", threads: int = 1, batch: int = 32
    ) -> None:
        """Load weights, tokenizer and image processor from a folder; nothing else is asked.

        Raises:
            LoomError: libraries, memory or weights are missing.
        """
        self.at, self.batch, self.identity = place(device, threads), batch, identity
        from transformers import AutoModel

        self.model = loaded(AutoModel, folder, identity, self.at)
        self.folder = folder
        self.computed = {"model": identity, "device": self.at.device.partition(":")[0],
                         "dtype": self.at.dtype, "batch": batch, **versions()}  # fmt: skip
        self._tokenizer: Any = None
        self._processor: Any = None

    @property
    def tokenizer(self) -> Any:
        """Of its texts.

        Raises:
            BuildError: it has none.
        """
        if self._tokenizer is None:
            from transformers import AutoTokenizer

            self._tokenizer = part(AutoTokenizer, "tokenizer", self.folder, self.identity)
        return self._tokenizer

    @property
    def processor(self) -> Any:
        """Of its pictures: the one that resizes with Pillow, the same on every machine.

        Raises:
            BuildError: it has none.
        """
        if self._processor is None:
            from transformers import AutoImageProcessor

            self._processor = part(
                AutoImageProcessor, "image processor", self.folder, self.identity, backend="pil"
            )
        return self._processor

    def prepared(self, picture: "Image") -> Pixels:
        """The picture as the model wants to see it, `(3, y, x)`, before scaling; any thread may ask."""
        found = self.processor(picture, return_tensors="np", do_rescale=False, do_normalize=False)[
            "pixel_values"
        ][0]
        return np.ascontiguousarray(found, np.uint8)

    def pictures(self, ready: Sequence[Callable[[], Pixels]]) -> Vectors:
        """Unit vectors `(n, d)` of prepared pictures; a row of NaN where the model gives none."""
        import torch

        mean, std = (
            torch.tensor(getattr(self.processor, name), device=self.at.device).view(1, 3, 1, 1)
            for name in ("image_mean", "image_std")
        )
        scale = float(self.processor.rescale_factor)

        def encode(part: Sequence[Callable[[], Pixels]]) -> Any:
            rows = [get() for get in part]
            filled = np.zeros((self.batch, *rows[0].shape), np.uint8)
            filled[: len(rows)] = rows
            pixels = self._moved(torch.from_numpy(filled)).float()
            pixels = ((pixels * scale - mean) / std).to(self.at.torch_dtype)
            return self._picture_features(pixels)

        return self._batches(ready, encode)

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors `(n, d)` of texts; what is beyond the model's length is cut off.

        Each is padded to the next of `WIDTHS`, and computed with others of that width.
        """
        bound = min(self.tokenizer.model_max_length, self._positions())
        sizes = [len(ids) for ids in self.tokenizer(list(texts))["input_ids"]] if texts else []
        wide = [next((w for w in self._widths(bound) if w >= size), bound) for size in sizes]
        found: Vectors = np.zeros((0, 0), np.float32)
        for width in sorted(set(wide)):
            rows = [row for row, own in enumerate(wide) if own == width]
            vectors = self._batches([texts[row] for row in rows], partial(self._encoded, width))
            if not found.size:
                found = np.zeros((len(texts), vectors.shape[1]), np.float32)
            found[rows] = vectors
        return found

    def _widths(self, bound: int) -> list[int]:
        """Tokens to pad to. SigLIP was taught without a mask and reads the padding too: all of it."""
        fixed = str(self.model.config.model_type).startswith("siglip")
        return [bound] if fixed else [*(w for w in WIDTHS if w < bound), bound]

    def _encoded(self, width: int, part: Sequence[str]) -> Any:
        import torch

        filled = [*part, *([""] * (self.batch - len(part)))]
        given = self.tokenizer(
            filled, padding="max_length", truncation=True, max_length=width, return_tensors="pt"
        )
        moved = {k: self._moved(v) for k, v in given.items() if isinstance(v, torch.Tensor)}
        return self._text_features(moved)

    def _positions(self) -> int:
        config = getattr(self.model.config, "text_config", None) or self.model.config
        return int(getattr(config, "max_position_embeddings", LONGEST))

    def _moved(self, tensor: Any) -> Any:
        if self.at.device == "cpu":
            return tensor
        return tensor.pin_memory().to(self.at.device, non_blocking=True)

    def _batches(self, items: Sequence[Any], encode: Callable[[Sequence[Any]], Any]) -> Vectors:
        """Features of items, so many at a time; they stay on the device until the last is asked for."""
        import torch
        from torch.nn.functional import normalize

        if not items:
            return np.zeros((0, 0), np.float32)
        found = []
        with torch.inference_mode(), roomy(f"model {self.identity}, batch {self.batch}"):
            for start in range(0, len(items), self.batch):
                part = items[start : start + self.batch]
                found.append(normalize(encode(part).float(), dim=-1)[: len(part)])
            vectors: Vectors = torch.cat(found).cpu().numpy()
        return vectors

    def _picture_features(self, pixels: Any) -> Any:
        if hasattr(self.model, "get_image_features"):
            return _pooled(self.model.get_image_features(pixel_values=pixels), None)
        return _pooled(self.model(pixel_values=pixels), None)

    def _text_features(self, given: dict[str, Any]) -> Any:
        if not hasattr(self.model, "get_text_features"):
            return _pooled(self.model(**given), given.get("attention_mask"))
        known = {k: v for k, v in given.items() if k in ("input_ids", "attention_mask")}
        return _pooled(self.model.get_text_features(**known), None)


def _pooled(output: Any, mask: Any) -> Any:
    """`(n, d)` of what a model returns: its own pooling, else the mean over the tokens that count."""
    if not hasattr(output, "last_hidden_state") and not hasattr(output, "pooler_output"):
        return output  # a tensor
    hidden: Any = getattr(output, "last_hidden_state", None)
    if mask is not None and hidden is not None:
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * weight).sum(1) / weight.sum(1).clamp(min=1)
    pooled = getattr(output, "pooler_output", None)
    return hidden[:, 0] if pooled is None else pooled
