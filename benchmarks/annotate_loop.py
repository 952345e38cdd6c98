"""The other side of `annotate`: the model's own batched loop, as one writes it by hand."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any


class ScoreLoop:
    """Pictures and titles through a CLIP, as one writes it by hand."""

    def __init__(
        self, encoder: Any, samples: Sequence[dict[str, Any]], batch: int, threads: int
    ) -> None:
        self.encoder, self.samples, self.batch = encoder, samples, batch
        self.pool = ThreadPoolExecutor(threads)

    def _prepared(self, sample: dict[str, Any]) -> Any:
        from PIL import Image

        picture = Image.open(io.BytesIO(sample["picture"])).convert("RGB")
        return self.encoder.processor(picture, return_tensors="pt")["pixel_values"]

    def _batches(self) -> Iterator[tuple[list[dict[str, Any]], list[Any]]]:
        """Batches with their pictures on the way, two ahead."""
        under_way: deque[Any] = deque()
        for start in range(0, len(self.samples), self.batch):
            part = self.samples[start : start + self.batch]
            under_way.append((part, [self.pool.submit(self._prepared, s) for s in part]))
            if len(under_way) > 2:
                yield under_way.popleft()
        yield from under_way

    def __call__(self) -> None:
        """Score everything."""
        import torch
        from torch.nn.functional import normalize

        model, at = self.encoder.model, self.encoder.at
        found: list[float] = []
        with torch.inference_mode():
            for part, pictures in self._batches():
                pixels = torch.cat([future.result() for future in pictures])
                given = self.encoder.tokenizer(
                    [s["title"] for s in part], padding=True, truncation=True, return_tensors="pt"
                ).to(at.device)
                seen = model.get_image_features(
                    pixel_values=pixels.to(at.device).to(at.torch_dtype)
                ).pooler_output
                said = model.get_text_features(
                    input_ids=given["input_ids"], attention_mask=given["attention_mask"]
                ).pooler_output
                cosines = (normalize(seen.float(), dim=-1) * normalize(said.float(), dim=-1)).sum(
                    -1
                )
                found += cosines.tolist()
        if len(found) != len(self.samples):
            raise AssertionError("scores are missing")


class CaptionLoop:
    """Prompts through a language model, as one writes it by hand."""

    def __init__(
        self, writer: Any, samples: Sequence[dict[str, Any]], batch: int, tokens: int
    ) -> None:
        self.writer, self.batch, self.tokens = writer, batch, tokens
        tokenizer = writer.tokenizer
        self.prompts = sorted(
            (self._chat(tokenizer, s["prompt"]) for s in samples), key=lambda p: len(p.split())
        )

    @staticmethod
    def _chat(tokenizer: Any, prompt: str) -> str:
        talk = [{"role": "user", "content": prompt}]
        return str(tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True))

    def __call__(self) -> None:
        """Caption everything."""
        import torch

        found: list[str] = []
        with torch.inference_mode():
            for start in range(0, len(self.prompts), self.batch):
                given = self.writer.tokenizer(
                    self.prompts[start : start + self.batch], padding=True, return_tensors="pt",
                    add_special_tokens=False, return_token_type_ids=False,
                ).to(self.writer.at.device)  # fmt: skip
                written = self.writer.model.generate(
                    **given, max_new_tokens=self.tokens, do_sample=True, temperature=0.7, top_p=0.95
                )
                found += self.writer.tokenizer.batch_decode(
                    written[:, given["input_ids"].shape[1] :], skip_special_tokens=True
                )
        if len(found) != len(self.prompts):
            raise AssertionError("captions are missing")
