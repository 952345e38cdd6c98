"""Texts: written by a model where there is one, by the recipe's own template where there is none."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from catalogs.sources.exchanges.asked import GONE
from schemas.chance import rank
from schemas.errors import Fault, Reject
from schemas.recipes import at_least, within
from schemas.samples import Sample
from schemas.text import clean
from transforms.annotating.steps import Instead, Ready, Result
from transforms.context import Context
from transforms.texts.captioner import Captioner
from transforms.texts.claims import unfounded
from transforms.texts.quality import against, echoes, faults
from transforms.texts.questions import Question, Reply, Sampling, Writer, harmless

__all__ = ["ByModel", "Captioner"]

LONGEST = 4000
"""Characters of a text that is shipped, at most."""

PROMPT = 40_000
"""Characters of a prompt, at most: about the context of common models."""

FIELD = "text"
"""Key of the text in an answer that is asked for as JSON."""


def columns(gives: str, about: str) -> dict[str, str]:
    """The facts of a text and of where it comes from; `about` begins the names of the latter."""
    annotator = "annotator" if about == "text" else f"{about}_annotator"
    return {
        gives: "string",
        annotator: "string",  # model that wrote it, or `template`
        f"{about}_source": "string",  # model | template
        f"{about}_faults": "string",  # why the model's text was not taken, comma-separated
        f"{about}_revision": "string",
        f"{about}_asked_sha256": "string",  # of system, prompt and picture
        f"{about}_seed": "int64",
        f"{about}_sampling": "string",  # JSON
    }


def of_json(text: str) -> str | None:
    """The text of an answer in JSON form; None where it is not of that form."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    found = value.get(FIELD) if isinstance(value, dict) and set(value) == {FIELD} else None
    return found if isinstance(found, str) else None


@dataclass(frozen=True)
class ByModel:
    """A text written by the build's captioner (`--captioner`); by the template without one.

    A text is taken only if it ends by itself, keeps to the form, passes `quality.faults` and claims
    nothing that the prompt does not hold. Otherwise it is asked for again with another seed, then
    the template is taken and `text_faults` says why.

    Attributes:
        prompt: fact with the prompt.
        template: fact with the text to take instead, "" for none.
        gives: name of the text; once made, the columns of `columns`.
        rules: of `texts.quality`.
        about: what the names of the other columns begin with; another for a recipe's second text.
        system: what the model is told before the prompt.
        grounds: fact that says what may be claimed, "" for the prompt.
        claims: whether claims are checked.
        picture: member that the model is shown, e.g. `rgb.jpg`; "" for none.
        form: `text`, or `json` to ask for an object with the key `text`.
        tries: attempts, each with its own seed.
        temperature, top_p, tokens: see `Sampling`.
        batch: texts that a model in this process writes together.
        otherwise: what becomes of a sample without a text: `template`, or `drop`.
    """

    prompt: str = "prompt"
    template: str = "caption_template"
    gives: Any = "caption"
    rules: str = "plain"
    about: str = "text"
    system: str = ""
    grounds: str = ""
    claims: bool = True
    picture: str = ""
    form: str = "text"
    tries: int = 3
    temperature: float = 0.7
    top_p: float = 0.95
    tokens: int = 300
    batch: int = 32
    otherwise: str = "template"
    text: str = field(default="", init=False)

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        for name, value, choices in (
            ("form", self.form, ("text", "json")), ("otherwise", self.otherwise, ("template", "drop")),
        ):  # fmt: skip
            if value not in choices:
                raise ValueError(f"texts.ByModel.{name}={value}: expected {' or '.join(choices)}")
        if self.otherwise == "template" and not self.template:
            raise ValueError("texts.ByModel.template is empty: name a fact, or otherwise=drop")
        for name in ("tries", "tokens", "batch"):
            at_least(f"texts.ByModel.{name}", getattr(self, name), 1)
        within("texts.ByModel.temperature", self.temperature, 0, 2)
        within("texts.ByModel.top_p", self.top_p, 0.01, 1)
        faults("", self.rules)
        if isinstance(self.gives, str):
            object.__setattr__(self, "gives", columns(self.gives, self.about))
        object.__setattr__(self, "text", next(iter(self.gives)))

    @property
    def needs(self) -> tuple[str, ...]:
        """The facts."""
        return tuple(dict.fromkeys(n for n in (self.prompt, self.template, self.grounds) if n))

    @property
    def sampling(self) -> Sampling:
        """How a text is drawn."""
        schema = {
            "type": "object", "properties": {FIELD: {"type": "string"}}, "required": [FIELD],
            "additionalProperties": False,
        }  # fmt: skip
        said = json.dumps(schema, sort_keys=True) if self.form == "json" else ""
        return Sampling(self.temperature, self.top_p, self.tokens, said)

    def load(self, ctx: Context) -> Writer | None:
        """The captioner's writer; None without one."""
        return ctx.captioner.open(ctx, self.batch) if ctx.captioner is not None else None

    def annotate(
        self, samples: Sequence[Sample], ready: Sequence[Ready], model: Any, ctx: Context
    ) -> list[Result]:
        """Text and provenance of each sample."""
        found: list[Result | None] = [None] * len(samples)
        met: list[list[str]] = [[] for _ in samples]
        if model is None:
            return [self._template(sample, "") for sample in samples]
        left = list(range(len(samples)))
        for attempt in range(self.tries):
            asked, questions = [], []
            for i in left:
                question = self._question(samples[i], attempt, ctx.seed)
                if isinstance(question, Fault):
                    found[i] = self._without(samples[i], [question.code], question)
                else:
                    asked.append(i)
                    questions.append(question)
            left = []
            replies = model.write(questions, self.sampling)
            for i, question, reply in zip(asked, questions, replies, strict=True):
                self._noted(question, reply, ctx)
                if reply.fault is not None and reply.fault.code != "bad_answer":
                    found[i] = self._without(samples[i], [*met[i], reply.fault.code], reply.fault)
                    continue
                text, wrong = self._judged(samples[i], question, reply)
                if not wrong:
                    found[i] = self._written(text, question, reply)
                    continue
                met[i] += wrong
                left.append(i)
                found[i] = self._without(samples[i], met[i], reply.fault)
        return [result for result in found if result is not None]

    def _question(self, sample: Sample, attempt: int, seed: int) -> Question | Fault:
        """What is asked; a fault where the sample gives nothing to ask with."""
        prompt = harmless(str(sample.facts.get(self.prompt) or ""))
        if not prompt.strip():
            return Fault("no_prompt", f"{self.prompt} is empty")
        if len(prompt) > PROMPT:
            return Fault("prompt_too_long", f"{len(prompt):,} characters, at most {PROMPT:,}")
        own = rank(seed, "text", self.text, sample.id, str(attempt)) % 2**31
        if not self.picture:
            return Question(sample.id, self.system, prompt, own)
        try:
            data = sample.members[self.picture]
        except Fault as fault:
            return fault
        kind = "image/png" if data[:4] == b"\x89PNG" else "image/jpeg"
        return Question(sample.id, self.system, prompt, own, data, kind)

    def _judged(self, sample: Sample, question: Question, reply: Reply) -> tuple[str, list[str]]:
        """(text, what is wrong with it)."""
        if reply.fault is not None:
            return "", [reply.fault.code]
        text = reply.text if self.form == "text" else of_json(reply.text)
        if text is None:
            return "", ["schema"]
        text = text.strip()
        wrong = ["cut"] if reply.cut else []
        wrong += ["secret"] if GONE in text else []
        wrong += faults(text, self.rules)
        grounds = str(sample.facts.get(self.grounds) or "") if self.grounds else question.prompt
        wrong += against(text, grounds, self.rules)
        wrong += ["echo"] if echoes(text, f"{question.system}\n{question.prompt}") else []
        if self.claims:
            wrong += unfounded(text, (grounds, str(sample.facts.get(self.template) or "")))
        if len(text) > LONGEST:
            wrong.append("long")
        return clean(text, LONGEST), wrong

    def _written(self, text: str, question: Question, reply: Reply) -> Result:
        values = (text, reply.model, "model", "", reply.revision, question.digest, question.seed,
                  self.sampling.described())  # fmt: skip
        return dict(zip(self.gives, values, strict=True))

    def _template(self, sample: Sample, said: str) -> Result:
        text = str(sample.facts.get(self.template) or "") if self.template else ""
        if not text:
            return Reject("no_text", "no model wrote one, and there is no template")
        values = (text, "template", "template", said, "", "", None, "")
        return dict(zip(self.gives, values, strict=True))

    def _without(self, sample: Sample, codes: Sequence[str], fault: Fault | None) -> Result:
        """What becomes of a sample whose text was not written, or not taken."""
        said = ",".join(dict.fromkeys(codes))
        if self.otherwise == "drop":
            return fault or Reject("text_refused", f"after {self.tries} attempts: {said}")
        result = self._template(sample, said)
        if fault is None:
            return result
        return Instead(result, fault) if isinstance(result, dict) else fault

    def _noted(self, question: Question, reply: Reply, ctx: Context) -> None:
        if reply.exchange:
            ctx.journal.append({"sample": question.sample, "text": self.text, **reply.exchange})
