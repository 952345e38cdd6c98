"""What is known of a patch's element, gathered from the facts of a sample."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from schemas.samples import Sample
from schemas.tag_meanings import table
from transforms.captions import source
from transforms.osm import nominal
from transforms.texts.quality import quotable


@dataclass(frozen=True)
class Known:
    """The element of a patch, as texts tell of it; see `transforms.elements.Describe`.

    Attributes:
        noun: what a caption calls it, with its article.
        tags: all cleaned tags.
        visible: those that can be seen at the patch's resolution.
        background: tags of the boundaries around it, the smallest first.
        seen: what shows it, `an aerial image`.
    """

    area: bool
    noun: str
    tags: Mapping[str, str]
    visible: Mapping[str, str]
    background: tuple[Mapping[str, str], ...]
    position: str
    edges: tuple[str, ...]
    share: float
    outline: str
    length_sides: float
    length_m: float
    sinuosity: float | None
    course: str
    orientation: str
    ends: tuple[str, ...]
    seen: str

    @property
    def contextual(self) -> dict[str, str]:
        """Tags that cannot be seen."""
        return {key: value for key, value in self.tags.items() if key not in self.visible}

    @property
    def name(self) -> str:
        """Its name where a text may quote it, else ""."""
        name = self.tags.get("name", "")
        return name if quotable(name) else ""

    @property
    def region(self) -> str:
        """Name of the smallest boundary around it that a text may quote, else ""."""
        names = (tags.get("name", "") for tags in self.background)
        return next((name for name in names if quotable(name)), "")


def known(sample: Sample) -> Known:
    """What the facts of a sample say."""
    facts = sample.facts
    tags, visible = (json.loads(str(facts[n])) for n in ("element_tags", "visible_tags"))
    assert sample.window is not None
    key = str(facts["element_tag"]).partition("=")[0]
    ratio = facts["sinuosity"]
    return Known(
        area=facts["task"] == 1,
        noun=table().noun(tags, key) or ("an area" if facts["task"] == 1 else "a line"),
        tags=tags,
        visible=visible,
        background=tuple(json.loads(str(facts["background_tags"]))),
        position=str(facts["position"]),
        edges=tuple(str(facts["edges"]).split()),
        share=float(facts["area_share"] or 0.0),  # type: ignore[arg-type]
        outline=str(facts["outline"]),
        length_sides=float(facts["length_sides"] or 0.0),  # type: ignore[arg-type]
        length_m=float(facts["length_m"] or 0.0),  # type: ignore[arg-type]
        sinuosity=ratio if isinstance(ratio, float) else None,
        course=str(facts["course"]),
        orientation=str(facts["orientation"]),
        ends=tuple(json.loads(str(facts["ends"]) or "[]")),
        seen=source(sample.scenes[0], nominal(sample.window.gsd)),
    )
