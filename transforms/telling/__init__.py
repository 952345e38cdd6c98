"""Texts of an element: captions by rule, and prompts for models that may write better ones."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from catalogs.sources.tag_wiki import pages
from schemas.samples import Sample
from transforms.context import Context
from transforms.telling import templates
from transforms.telling.known import known
from transforms.telling.prompts import facts_json, prompt, rewrite_prompt
from transforms.texts import ByModel

NEEDS = (
    "window", "scenes", "task", "element_tag", "element_tags", "visible_tags", "background_tags",
    "position",
)  # fmt: skip


def sha256(text: str) -> str:
    """SHA-256 of a text in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Captions:
    """Captions by rule: what can be seen, what only the map knows, both, and the first said otherwise.

    Gives `caption_visible`, `caption_contextual` ("" for nothing), `caption_template` (both), and
    `rewrite_template`.
    """

    needs: tuple[str, ...] = field(default=NEEDS, init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "caption_visible": "string",
            "caption_contextual": "string",
            "caption_template": "string",
            "rewrite_template": "string",
        },
        init=False,
    )

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its captions."""
        about = known(sample)
        seen = templates.visible(about, ctx.seed, sample.id)
        context = templates.contextual(about)
        sample.facts.update(
            caption_visible=seen,
            caption_contextual=context,
            caption_template=f"{seen} {context}".rstrip(),
            rewrite_template=templates.rewritten(about, ctx.seed, sample.id),
        )
        return sample


@dataclass(frozen=True)
class Prompts:
    """The prompt for a caption by a language model, and its SHA-256.

    `_grounds` holds the facts of the prompt alone: what a text may claim.

    Attributes:
        meanings: a `taginfo-wiki.db` in place of the project's own table of tags, "" for none.
        mirrored: repeats the original's mistake of calling the left east, to reproduce its texts.
    """

    meanings: str = ""
    mirrored: bool = False
    needs: tuple[str, ...] = field(default=NEEDS, init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "prompt": "string",
            "prompt_sha256": "string",
            "_grounds": "string",
        },
        init=False,
    )

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its prompt."""
        about, meant = known(sample), pages(self.meanings)
        text = prompt(about, meant, self.mirrored)
        sample.facts.update(
            prompt=text, prompt_sha256=sha256(text), _grounds=facts_json(about, meant)
        )
        return sample


@dataclass(frozen=True)
class Rewrites:
    """The prompt for another caption that says what `caption` says, and its SHA-256.

    Attributes:
        mirrored: as in `Prompts`.
    """

    mirrored: bool = False
    needs: tuple[str, ...] = field(default=("caption", "task"), init=False)
    gives: dict[str, str] = field(
        default_factory=lambda: {"rewrite_prompt": "string", "rewrite_prompt_sha256": "string"},
        init=False,
    )

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its prompt."""
        caption, area = str(sample.facts["caption"]), sample.facts["task"] == 1
        text = rewrite_prompt(caption, area, ctx.seed, sample.id, self.mirrored)
        sample.facts.update(rewrite_prompt=text, rewrite_prompt_sha256=sha256(text))
        return sample


@dataclass(frozen=True)
class Written(ByModel):
    """The caption: a model's where there is one and it passes, else the one by rule."""

    rules: str = "rsteller"
    grounds: str = "_grounds"


@dataclass(frozen=True)
class Rewritten(ByModel):
    """The other caption: a model's where there is one and it passes, else the one by rule."""

    prompt: str = "rewrite_prompt"
    template: str = "rewrite_template"
    gives: Any = "rewrite"
    rules: str = "rsteller-rewrite"
    about: str = "rewrite"
    grounds: str = "_grounds"
