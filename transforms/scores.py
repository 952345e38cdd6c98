"""Scores of a sample by a model: how well its picture and its text belong together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from schemas.errors import Fault, Reject
from schemas.recipes import at_least
from schemas.samples import Sample
from transforms.annotating.members import picture
from transforms.annotating.steps import Ready, Result
from transforms.context import Context

DIGITS = 4
"""Decimals of a score. Batches of other sizes and other processors differ in the seventh (float32)."""


@dataclass(frozen=True)
class ImageText:
    """Cosine between the vectors of picture and text, by CLIP, SigLIP or the like; -1 to 1.

    Without a model the step does nothing and gives no column.

    Attributes:
        model: folder of a model, or ORGANISATION/NAME@COMMIT of the Hugging Face hub; "" for none.
        text: fact that is scored.
        picture: member that is scored.
        column: name of the score; `clip_score` brings `clip_model` with it.
        batch: pictures, and texts, computed together.
    """

    model: str = ""
    text: str = "title"
    picture: str = "rgb.jpg"
    column: str = "clip_score"
    batch: int = 64

    def __post_init__(self) -> None:
        """Refuse an empty batch."""
        at_least("scores.ImageText.batch", self.batch, 1)

    @property
    def idle(self) -> bool:
        """Whether no model is named."""
        return not self.model

    @property
    def needs(self) -> tuple[str, ...]:
        """The text."""
        return (self.text,)

    @property
    def gives(self) -> dict[str, str]:
        """The score and who gave it."""
        return {self.column: "float64", f"{self.column.removesuffix('_score')}_model": "string"}

    def load(self, ctx: Context) -> Any:
        """The encoder."""
        from transforms.models.encoder import Encoder

        return Encoder(ctx.models[self.model], self.model, ctx.device, ctx.threads, self.batch)

    def prepare(self, sample: Sample, model: Any, ctx: Context) -> Any:
        """The picture as the model wants to see it."""
        return model.prepared(picture(sample, self.picture))

    def annotate(
        self, samples: Sequence[Sample], ready: Sequence[Ready], model: Any, ctx: Context
    ) -> list[Result]:
        """The score of each sample. Equal texts are computed once."""
        found: list[Result] = [Reject("no_text", f"{self.text} is empty")] * len(samples)
        asked: list[int] = []
        for i, sample in enumerate(samples):
            if not sample.facts.get(self.text):
                continue
            try:
                ready[i]()
            except Fault as fault:
                found[i] = fault
            else:
                asked.append(i)
        texts = [str(samples[i].facts[self.text]) for i in asked]
        distinct = sorted(set(texts), key=lambda text: (len(text), text))
        place = {text: row for row, text in enumerate(distinct)}
        said = model.texts(distinct)
        seen = model.pictures([ready[i] for i in asked])
        for i, text, row in zip(asked, texts, seen, strict=True):
            score = float(np.dot(row.astype(np.float64), said[place[text]].astype(np.float64)))
            found[i] = self._result(score)
        return found

    def _result(self, score: float) -> Result:
        if not np.isfinite(score):
            return Fault("not_finite", f"{self.model} gives {score} for it")
        return dict(zip(self.gives, (round(score, DIGITS), self.model), strict=True))
