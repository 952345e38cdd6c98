"""Vectors of pictures and texts, for search, near-duplicates and whatever is trained on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from catalogs.sources.models import packaged
from schemas.errors import BuildError, Fault, Reject
from schemas.recipes import at_least
from schemas.samples import Sample
from transforms.annotating.members import picture
from transforms.annotating.steps import Ready, Result
from transforms.context import Context

DIGITS = 6
"""Decimals of a vector's numbers: what float32 holds of a number below 1."""


@dataclass(frozen=True)
class Images:
    """A unit vector of the picture, as a column of fixed length, and who computed it.

    Attributes:
        model: see `transforms.scores.ImageText`, or `geoembed`, an encoder that comes in a package;
            "" for none, then the step does nothing.
        picture: member that is looked at.
        column: name of the vector.
        dimensions: its length; 0 until the model has been found, which says it.
        batch: pictures computed together.
    """

    model: str = ""
    picture: str = "rgb.jpg"
    column: str = "image_embedding"
    dimensions: int = 0
    batch: int = 64

    def __post_init__(self) -> None:
        """Refuse an empty batch."""
        at_least("embeddings.Images.batch", self.batch, 1)

    @property
    def side(self) -> str:
        """What of a model it asks."""
        return "image"

    @property
    def idle(self) -> bool:
        """Whether no model is named."""
        return not self.model

    @property
    def needs(self) -> tuple[str, ...]:
        """Nothing but the member."""
        return ()

    @property
    def gives(self) -> dict[str, str]:
        """The vector and its model."""
        return given(self.column, self.dimensions)

    def load(self, ctx: Context) -> Any:
        """The encoder."""
        if packaged(self.model):
            from transforms.models.packaged import GeoEmbed

            return GeoEmbed(self.model)
        from transforms.models.encoder import Encoder

        return Encoder(ctx.models[self.model], self.model, ctx.device, ctx.threads, self.batch)

    def prepare(self, sample: Sample, model: Any, ctx: Context) -> Any:
        """The picture as the model wants to see it."""
        return model.prepared(picture(sample, self.picture))

    def annotate(
        self, samples: Sequence[Sample], ready: Sequence[Ready], model: Any, ctx: Context
    ) -> list[Result]:
        """The vector of each sample."""
        found: list[Result] = [{}] * len(samples)
        asked = []
        for i, get in enumerate(ready):
            try:
                get()
            except Fault as fault:
                found[i] = fault
            else:
                asked.append(i)
        for i, row in zip(asked, model.pictures([ready[i] for i in asked]), strict=True):
            found[i] = told(row, self)
        return found


@dataclass(frozen=True)
class Texts:
    """A unit vector of a text, as a column of fixed length, and who computed it.

    Attributes:
        model: see `transforms.scores.ImageText`; "" for none, then the step does nothing.
        text: fact that is read.
        column: name of the vector.
        dimensions: its length; 0 until the model has been found, which says it.
        batch: texts computed together.
    """

    model: str = ""
    text: str = "title"
    column: str = "text_embedding"
    dimensions: int = 0
    batch: int = 64

    def __post_init__(self) -> None:
        """Refuse an empty batch."""
        at_least("embeddings.Texts.batch", self.batch, 1)

    @property
    def side(self) -> str:
        """What of a model it asks."""
        return "text"

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
        """The vector and its model."""
        return given(self.column, self.dimensions)

    def load(self, ctx: Context) -> Any:
        """The encoder."""
        from transforms.models.encoder import Encoder

        return Encoder(ctx.models[self.model], self.model, ctx.device, ctx.threads, self.batch)

    def annotate(
        self, samples: Sequence[Sample], ready: Sequence[Ready], model: Any, ctx: Context
    ) -> list[Result]:
        """The vector of each sample. Equal texts are computed once."""
        texts = [str(sample.facts.get(self.text) or "") for sample in samples]
        distinct = sorted({text for text in texts if text}, key=lambda text: (len(text), text))
        rows = dict(zip(distinct, model.texts(distinct), strict=True))
        empty = Reject("no_text", f"{self.text} is empty")
        return [told(rows[text], self) if text else empty for text in texts]


def given(column: str, dimensions: int) -> dict[str, str]:
    """The facts: a vector, and the model that computed it."""
    return {column: f"vector:{dimensions or 1}", f"{column}_model": "string"}


def told(row: Any, step: Images | Texts) -> Result:
    """The facts of one vector.

    Raises:
        BuildError: it has another length than the column.
    """
    if len(row) != step.dimensions:
        raise BuildError(
            f"{step.model}: its vectors have {len(row)} numbers, not {step.dimensions}; "
            f"--set embeddings.{type(step).__name__}.dimensions={len(row)}"
        )
    if not np.isfinite(row).all():
        return Fault("not_finite", f"{step.model} gives a vector that is not finite")
    return {step.column: np.round(row, DIGITS), f"{step.column}_model": step.model}
