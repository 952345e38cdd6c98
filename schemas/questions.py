"""Questions about a sample, and their answers recomputed from what is stored with it.

The fact `questions` is a JSON list of flat objects that all have the same keys:

| key | meaning |
|---|---|
| `kind` | `geolocation`, `long`, `short`, `choice` or `truth` |
| `ask` | `where`, `describe`, `main`, `present`, `nearest`, `direction`, `area`, a key of `ASKED` |
| `question` | the words |
| `options` | of a choice four texts joined by "|", else "" |
| `about` | of a true-or-false statement the noun, else "" |
| `answer` | a text; of a choice the letter; of a statement "True" or "False" |
| `ids` | the objects of the map that the answer rests on: "w12 n34" |

`answer` needs the stored attributes and the row's own `ask`, `options` and `about`, nothing else.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.nouns import Noun, by_text, noun_of
from schemas.text import capital, listed, with_article

KINDS = ("geolocation", "long", "short", "choice", "truth")
FIELDS = ("kind", "ask", "question", "options", "about", "answer", "ids")
LETTERS = "ABCD"

Tags = Mapping[str, str]

ASKED: dict[str, tuple[frozenset[str], str]] = {
    "surface": (frozenset(("road", "leisure", "amenity", "air")), "What is the surface of {the}?"),
    "lanes": (frozenset(("road",)), "How many lanes does {the} have?"),
    "sport": (frozenset(("leisure",)), "Which sport is {the} meant for?"),
    "crop": (frozenset(("land",)), "Which crop grows on {the}?"),
    "leaf_type": (frozenset(("plant",)), "Which type of leaves does {the} have?"),
    "roof:shape": (frozenset(("building",)), "What shape does the roof of {the} have?"),
    "roof:colour": (frozenset(("building",)), "What color is the roof of {the}?"),
}  # fmt: skip
"""Attributes that are asked about: categories of the object, and the question."""

SAYS_LITTLE = frozenset(
    ("yes", "no", "many", "other", "mixed", "leafless", "grass", "hay", "motor")
)

SPOKEN = {
    ("leaf_type", "broadleaved"): "broad leaves", ("leaf_type", "needleleaved"): "needles",
    ("sport", "beachvolleyball"): "beach volleyball",
}  # fmt: skip
"""Values that are answered in other words than their own."""

SETTLEMENTS = frozenset(
    """city town village hamlet suburb neighbourhood quarter borough isolated_dwelling farm locality
    island islet square""".split()  # noqa: SIM905
)
"""Values of `place` that are said of a place."""


@dataclass(frozen=True)
class Attributes:
    """What is stored of a sample and may be asked about.

    Attributes:
        lon, lat: the middle of the image, degrees.
        center: visible tags of the object, main tag first.
        focus: its id, "w12".
        around: (id, visible tags) of what surrounds it, nearest first.
        present: every main tag within the image at any resolution, or None where that is not known.
        places: named places nearby, nearest first; see `schemas.places`.
        area_m2: of the object; 0 where it has none.
    """

    lon: float
    lat: float
    center: Tags
    focus: str = ""
    around: tuple[tuple[str, Tags], ...] = ()
    present: frozenset[tuple[str, str]] | None = None
    places: tuple[Mapping[str, Any], ...] = ()
    area_m2: float = 0.0

    @property
    def main(self) -> Noun | None:
        """The object in words."""
        return next((noun_of(*tag) for tag in self.center.items()), None)

    def shown(self) -> dict[str, str]:
        """Ids of what is seen, by noun: the object first, then the nearest of each kind."""
        found: dict[str, str] = {}
        for ident, tags in ((self.focus, self.center), *self.around):
            noun = next((noun_of(*tag) for tag in tags.items()), None)
            if noun is not None:
                found.setdefault(noun.text, ident)
        return found

    def true(self) -> frozenset[str]:
        """Texts of all nouns that some object of the image bears."""
        tags = set(self.present or ()) | set(self.center.items())
        tags |= {tag for _, near in self.around for tag in near.items()}
        return frozenset(noun.text for tag in tags if (noun := noun_of(*tag)) is not None)


def attributes(row: Mapping[str, Any]) -> Attributes:
    """The attributes of a row of `samples.parquet`, or of a sample's facts with `lon` and `lat`."""
    around = json.loads(row.get("surrounding_tags") or "[]")
    ids = (row.get("surrounding_ids") or "").split()
    present = row.get("present_tags")
    kind, number = row.get("osm_type"), row.get("osm_id")
    return Attributes(
        float(row["lon"]),
        float(row["lat"]),
        json.loads(row.get("center_tags") or "{}"),
        f"{str(kind)[0]}{number}" if kind and number is not None else "",
        tuple(zip(ids, around, strict=True)),
        None if present is None else frozenset(tuple(t.split("=", 1)) for t in json.loads(present)),
        tuple(json.loads(row.get("near_places") or "[]")),
        area_m2(row.get("focus_geometry")),
    )


def area_m2(wkb: bytes | None) -> float:
    """Geodesic area of a lon/lat polygon; 0 for anything else."""
    import shapely
    from pyproj import Geod

    shape = shapely.from_wkb(wkb) if wkb else None
    if shape is None or shape.geom_type not in ("Polygon", "MultiPolygon"):
        return 0.0
    return abs(
        float(Geod(ellps="WGS84").geometry_area_perimeter(shapely.orient_polygons(shape))[0])
    )


def answer(row: Mapping[str, str], known: Attributes) -> str | None:
    """The answer that the stored attributes give, None where they give none.

    Args:
        row: a question; its `answer` is not looked at.
    """
    ask, main = row["ask"], known.main
    if ask in ASKED:
        return _attribute(ask, known)
    if ask == "present":
        return _present(row, known)
    if ask == "nearest" and row["options"]:
        name = known.places[0]["name"] if known.places else ""
        right = [i for i, option in enumerate(row["options"].split("|")) if option == name]
        return LETTERS[right[0]] if len(right) == 1 else None
    if ask in ("nearest", "direction") and known.places:
        first = known.places[0]
        said = first["name"] if ask == "nearest" else f"To the {first['direction'].lower()}"
        return str(said)
    if ask == "area" and known.area_m2 >= 10:
        return f"About {spoken_area(known.area_m2)}"
    if ask == "where":
        return capital(f"near {where(known)}.")
    if main is None:
        return None
    return {"main": capital(main.text), "describe": description(known)}.get(ask)


def faults(row: Mapping[str, str], known: Attributes) -> list[str]:
    """What is wrong with a stored question; [] when its answer follows from the attributes."""
    if set(row) != set(FIELDS) or row["kind"] not in KINDS:
        return ["is no question: its fields are not " + ", ".join(FIELDS)]
    found = answer(row, known)
    if found is None:
        return [f"{row['question']!r}: the stored attributes give no answer"]
    if found != row["answer"]:
        return [f"{row['question']!r}: says {row['answer']!r}, the attributes say {found!r}"]
    return []


def tally(questions: Iterable[Mapping[str, str]]) -> dict[str, int]:
    """Questions by kind, and `total`."""
    found = dict.fromkeys(KINDS, 0)
    for row in questions:
        found[row["kind"]] += 1
    return {**found, "total": sum(found.values())}


def conversation(row: Mapping[str, str]) -> list[dict[str, str]]:
    """A question as two turns (`from`, `value`), as GAEA's rows have them; options become lines."""
    asked = [row["question"]]
    if row["options"]:
        several = zip(LETTERS, row["options"].split("|"), strict=True)
        asked += [f"{letter}. {capital(text)}" for letter, text in several]
    said = "\n".join(["<image>", *asked])
    return [{"from": "human", "value": said}, {"from": "gpt", "value": row["answer"]}]


def where(known: Attributes) -> str:
    """Where a sample lies: "60.867° N, 26.704° E; the nearest named place is Kouvola, a town ..."."""
    text = coordinates(known.lon, known.lat)
    if not known.places:
        return text
    first = known.places[0]
    kind = str(first["place"]).replace("_", " ")
    called = f", {with_article(kind)}" if first["place"] in SETTLEMENTS else ","
    way = f"{first['km']:.1f} km to the {first['direction'].lower()}"
    way = way if first["km"] >= 0.05 else "in the middle of the image"
    return f"{text}; the nearest named place is {first['name']}{called} {way}"


def coordinates(lon: float, lat: float) -> str:
    """Degrees in words with three decimals (about 100 m): "60.867° N, 26.704° E"."""
    return f"{abs(lat):.3f}° {'NS'[lat < 0]}, {abs(lon):.3f}° {'EW'[lon < 0]}"


def description(known: Attributes) -> str:
    """The long answer: where, what, how large, and what else is around."""
    assert known.main is not None
    text = f"The image lies near {where(known)}. The main object is {known.main.text}"
    text += f", which covers about {spoken_area(known.area_m2)}" if known.area_m2 >= 10 else ""
    others = [noun for noun in known.shown() if noun != known.main.text]
    text += f". Around it OpenStreetMap shows {listed(others)}." if others else "."
    return text


def spoken_area(metres2: float) -> str:
    """An area to two digits: "1,200 square meters", "3.4 square kilometers"."""
    if metres2 < 1e6:
        return f"{rounded(metres2):,.0f} square meters"
    wide = rounded(metres2 / 1e6)
    return f"{wide:,g} square kilometer{'' if wide == 1 else 's'}"


def rounded(value: float) -> float:
    """A positive number to two digits."""
    return round(value, 1 - math.floor(math.log10(value)))


def _attribute(key: str, known: Attributes) -> str | None:
    value = known.center.get(key, "")
    if known.main is None or known.main.category not in ASKED[key][0]:
        return None
    if not value or value in SAYS_LITTLE or ":" in value:
        return None
    return capital(SPOKEN.get((key, value)) or value.replace("_", " "))


def _present(row: Mapping[str, str], known: Attributes) -> str | None:
    if known.present is None:
        return None
    true = known.true()
    if row["kind"] == "truth":
        return str(row["about"] in true) if row["about"] in by_text() else None
    right = [i for i, option in enumerate(row["options"].split("|")) if option in true]
    return LETTERS[right[0]] if len(right) == 1 else None
