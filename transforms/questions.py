"""Questions and answers about a sample, from templates and stored attributes alone.

After GAEA's kinds of questions (arXiv 2503.16423, whose generation code is unpublished): where is it,
a long answer, short answers, multiple choice, true or false. Every answer can be computed again from
the release: `schemas.questions.answer`. Wrong alternatives come from the category of the right one
and from what is surely not there: `schemas.nouns.absent`.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from schemas.chance import rank
from schemas.nouns import BROAD, Noun, absent, by_text, table
from schemas.questions import ASKED, FIELDS, Attributes, answer, attributes
from schemas.recipes import at_least
from schemas.samples import Sample
from transforms.context import Context
from transforms.osm import nominal, tag_table

WORDINGS: dict[str, tuple[str, ...]] = {
    "where": (
        "Where was this image taken?",
        "Where on Earth does this image lie?",
        "Which place on Earth does this image show?",
    ),
    "describe": (
        "Describe this image and where it lies.",
        "What does this image show, and where?",
    ),
    "main": (
        "What is the main object in this image?",
        "Which object is this image about?",
    ),
    "area": ("About how large is the ground that {the} covers?",),
    "nearest": ("Which named place is nearest to the middle of this image?",),
    "direction": ("In which direction from the middle of this image does {place} lie?",),
    "choice:present": (
        "Which of these does OpenStreetMap show within this image?",
        "Which one of these is mapped in OpenStreetMap within this image?",
    ),
    "choice:nearest": ("Which of these places is nearest to the middle of this image?",),
    "truth": (
        "True or false: OpenStreetMap shows {a} within this image.",
        "True or false: {a} is mapped in OpenStreetMap within this image.",
    ),
}
"""Questions by what they ask; `{the}` is the main object, `{a}` a noun, `{place}` a name."""

APART_KM = 1.0
"""A direction is asked of places at least this far, and alternatives are this much farther."""


@dataclass(frozen=True)
class Asker:
    """Builds the questions of one sample; every choice is a hash of seed and key.

    Attributes:
        key: the sample's.
        known: its stored attributes.
        others: nouns that may serve as wrong alternatives.
    """

    seed: int
    key: str
    known: Attributes
    others: Sequence[Noun]

    def all(self) -> list[dict[str, str]]:
        """The questions, in one order: geolocation, long, short, choice, truth."""
        return [*self.texts(), *self.choices(), *self.truths()]

    def texts(self) -> Iterator[dict[str, str]]:
        """Those that are answered in words."""
        known = self.known
        yield self.row("geolocation", "where", self.worded("where"), self.ids_of_place())
        if known.main is None:
            return
        yield self.row("long", "describe", self.worded("describe"), self.every_id())
        yield self.row("short", "main", self.worded("main"), known.focus)
        for key, (_, words) in ASKED.items():
            if answer({"ask": key}, known) is not None:
                yield self.row("short", key, words.format(the=known.main.the), known.focus)
        if answer({"ask": "area"}, known) is not None:
            yield self.row("short", "area", self.worded("area"), known.focus)
        if known.places:
            place = known.places[0]
            yield self.row("short", "nearest", self.worded("nearest"), self.ids_of_place())
            if place["km"] >= APART_KM:
                words = self.worded("direction", place=place["name"])
                yield self.row("short", "direction", words, self.ids_of_place())

    def choices(self) -> Iterator[dict[str, str]]:
        """Those with four options."""
        right = self.askable(3)
        if right:
            noun, wrong = right
            options = self.options("present", noun.text, [n.text for n in wrong])
            ids = self.known.shown()[noun.text]
            yield self.row("choice", "present", self.worded("choice:present"), ids, options)
        rivals = self.farther()
        if len(rivals) == 3 and self.known.main is not None:
            options = self.options("nearest", self.known.places[0]["name"], rivals)
            ids = self.ids_of_place()
            yield self.row("choice", "nearest", self.worded("choice:nearest"), ids, options)

    def truths(self) -> Iterator[dict[str, str]]:
        """One true statement and one false one of its category, or none: half of all are true."""
        both = self.askable(1)
        if both:
            (noun, (other,)) = both
            said = [(noun.text, self.known.shown()[noun.text]), (other.text, "")]
            if self.luck("truth-order") % 2:
                said.reverse()
            for text, ids in said:
                words = self.worded("truth", a=text)
                yield self.row("truth", "present", words, ids, about=text)

    def askable(self, wanted: int) -> tuple[Noun, list[Noun]] | None:
        """Something seen and `wanted` things of its category that are surely not there."""
        if self.known.present is None:
            return None
        tags = set(self.known.present) | set(self.known.center.items())
        tags |= {tag for _, near in self.known.around for tag in near.items()}
        free = absent(self.others, sorted(tags))
        found = []
        for text in self.known.shown():
            noun = by_text()[text]
            wrong = [other for other in free if other.category == noun.category]
            if noun.kin != BROAD and len(wrong) >= wanted:
                found.append((noun, wrong))
        if not found:
            return None
        noun, wrong = min(found, key=lambda pair: self.luck(f"{wanted}", pair[0].text))
        return noun, sorted(wrong, key=lambda n: self.luck(f"{wanted}-wrong", n.text))[:wanted]

    def farther(self) -> list[str]:
        """Names of three places that are clearly farther away than the nearest one."""
        if not self.known.places:
            return []
        first, *rest = self.known.places
        names = dict.fromkeys(
            p["name"]
            for p in rest
            if p["km"] >= first["km"] + APART_KM and p["name"] != first["name"]
        )
        return sorted(names, key=lambda name: self.luck("farther", name))[:3]

    def options(self, ask: str, right: str, wrong: list[str]) -> str:
        """Four options; the place of the right one is uniform over samples."""
        found = list(wrong)
        found.insert(self.luck("letter", ask) % 4, right)
        return "|".join(found)

    def row(
        self, kind: str, ask: str, question: str, ids: str, options: str = "", about: str = ""
    ) -> dict[str, str]:
        """One question with its answer."""
        row = {"kind": kind, "ask": ask, "question": question, "options": options, "about": about}
        said = answer(row, self.known)
        assert said is not None, row
        found = {**row, "answer": said, "ids": ids}
        return {name: found[name] for name in FIELDS}

    def worded(self, ask: str, **words: str) -> str:
        """One wording of a question, with its words filled in."""
        if self.known.main is not None:
            words["the"] = self.known.main.the
        several = WORDINGS[ask]
        return several[self.luck("words", ask, words.get("a", "")) % len(several)].format(**words)

    def luck(self, *parts: str) -> int:
        """A number fixed by seed, sample and parts."""
        return rank(self.seed, "questions", self.key, *parts)

    def ids_of_place(self) -> str:
        """Id of the nearest named place."""
        return str(self.known.places[0]["id"]) if self.known.places else ""

    def every_id(self) -> str:
        """Ids of the object, of what is named around it, and of the nearest place."""
        ids = [self.known.focus, *self.known.shown().values(), self.ids_of_place()]
        return " ".join(dict.fromkeys(ident for ident in ids if ident))


@lru_cache(maxsize=64)
def visible_nouns(gsd: float, visible: str) -> tuple[Noun, ...]:
    """Nouns of what can be seen at `gsd` metres by the groundability table, sorted."""
    shown = tag_table(visible)
    found = {
        noun for tag, noun in table().items() if noun.category and shown.main(dict([tag]), gsd)
    }
    return tuple(sorted(found, key=lambda noun: noun.text))


@dataclass(frozen=True)
class Questions:
    """Questions and answers about the object, its surroundings and its place.

    Gives `questions` (JSON list, see `schemas.questions`) and `question_count`.

    Attributes:
        places: whether `places.Near` has run, so that named places are asked about too.
        present: whether `osm.Present` has run; without it nothing is asked that needs to know what
            is not there (choices and statements).
        most: questions of one sample; the long and the geolocation question come first.
        visible: as in `osm.Objects`.
    """

    places: bool = True
    present: bool = True
    most: int = 16
    visible: str = ""
    gives: dict[str, str] = field(
        default_factory=lambda: {"questions": "string", "question_count": "int64"}, init=False
    )

    def __post_init__(self) -> None:
        """Refuse to ask nothing."""
        at_least("questions.Questions.most", self.most, 1)

    @property
    def needs(self) -> tuple[str, ...]:
        """What the questions rest on."""
        more = ("near_places",) * self.places + ("present_tags",) * self.present
        return ("window", "center_tags", "surrounding_tags", "surrounding_ids", "osm_id", *more)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its questions."""
        assert sample.window is not None
        lon, lat = sample.window.centre()
        known = attributes({**sample.facts, "lon": lon, "lat": lat})
        others = visible_nouns(nominal(sample.window.gsd), self.visible)
        asked = Asker(ctx.seed, sample.id, known, others).all()[: self.most]
        sample.facts["questions"] = json.dumps(asked, ensure_ascii=False, separators=(",", ":"))
        sample.facts["question_count"] = len(asked)
        return sample
