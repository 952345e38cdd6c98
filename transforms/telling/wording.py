"""Words that captions by rule are made of."""

from collections.abc import Mapping, Sequence

from schemas.text import listed, with_article

SHARES = (
    (0.02, "a small part"), (0.05, "about a twentieth"), (0.07, "less than a tenth"), (0.1, "about a tenth"),
    (0.125, "about an eighth"),
    (1 / 6, "about a sixth"), (0.2, "about a fifth"), (0.25, "about a quarter"),
    (1 / 3, "about a third"), (0.4, "about two fifths"), (0.5, "about half"),
    (0.6, "about three fifths"), (2 / 3, "about two thirds"), (0.75, "about three quarters"),
    (0.8, "about four fifths"), (0.9, "about nine tenths"),
)  # fmt: skip
"""Shares of a picture in words."""

PLACES = {
    "top": "at the top", "bottom": "at the bottom", "left": "on the left side",
    "right": "on the right side", "center": "in the center",
}  # fmt: skip
"""Where a cell lies; the corners are `in the top left` and so on."""

OUTLINES = {
    "square": "is roughly square", "rectangular": "is roughly rectangular",
    "circular": "is rounded", "irregular": "has an irregular outline",
    "multi-polygonal": "is split into several parts",
}  # fmt: skip
"""What is said of an area's outline, by `elements.words.outline`."""

FORMS = {
    "square": "a roughly square form", "rectangular": "a roughly rectangular form",
    "circular": "a rounded form", "irregular": "an irregular form",
    "multi-polygonal": "several separate parts",
}  # fmt: skip
"""The same as a noun."""

WAYS = {
    "east-west": "from west to east", "north-south": "from south to north",
    "southwest-northeast": "from southwest to northeast",
    "northwest-southeast": "from northwest to southeast",
}  # fmt: skip

DETAILS: Mapping[str, str] = {
    "lanes": "has {} lanes",
    "surface": "has a surface of {}",
    "crop": "is planted with {}",
    "trees": "is planted with {}",
    "leaf_type": "consists of {} trees",
    "roof": "has {} roof",
    "roof:material": "is roofed with {}",
}
"""What a visible tag says of its object, by key; `roof` is color and shape together."""

VALUES = {
    "lanes": {"1": "has one lane", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six",
              "7": "seven", "8": "eight"},
    "leaf_type": {"broadleaved": "broad-leaved", "needleleaved": "coniferous", "mixed": "mixed"},
    "surface": {"fine_gravel": "fine gravel", "paved": "is paved", "unpaved": "is unpaved",
                "concrete:plates": "concrete slabs", "dirt": "dirt", "ground": "bare ground",
                "paving_stones": "paving stones", "sett": "cobblestones", "compacted": "packed gravel",
                "artificial_turf": "artificial turf"},
    "crop": {"sugarbeet": "sugar beet", "grape": "grapes", "vine": "vines", "hop": "hops",
             "potato": "potatoes", "vegetable": "vegetables", "sunflower": "sunflowers",
             "rape": "rapeseed"},
    "roof:shape": {"dome": "domed", "half-dome": "half-domed", "cone": "conical",
                   "onion": "onion-shaped", "butterfly": "butterfly-shaped", "crosspitched": "cross-pitched",
                   "skillion": "single-pitched", "quadruple_saltbox": "saltbox"},
    "roof:material": {"tile": "tiles", "metal_sheet": "sheet metal"},
}  # fmt: skip
"""Values that are written otherwise than with blanks, or make a phrase of their own."""

VAGUE = frozenset(
    ("yes", "no", "unknown", "other", "mixed", "many", "leafless", "field_cropland", "hay")
)
"""Values that say nothing, but for keys of `VALUES` that list them."""


def share(value: float) -> str:
    """A share of the picture in words: `about a third`."""
    return min(SHARES, key=lambda entry: abs(entry[0] - value) / entry[0])[1]


def where(cell: str) -> str:
    """`in the top left`, `on the right side`."""
    return PLACES.get(cell) or f"in the {cell}"


def toward(cell: str) -> str:
    """The side that a large area leans to: `toward the top left`; "" for the center."""
    return "" if cell == "center" else f"toward the {cell}"


def edges(names: Sequence[str]) -> str:
    """`the left edge`, `the left and top edges`, `all four edges`."""
    if len(names) == 4:
        return "all four edges"
    return f"the {listed(names)} edge{'s' if len(names) > 1 else ''}"


def end(words: str) -> tuple[str, str]:
    """Where a line ends, of `elements.words.end`, and the side that an edge is met near.

    `("the left edge", "top")`, `("the center", "")`, `("the top left corner", "")`.
    """
    cell, _, at = words.partition(", at the ")
    if not at:
        plain = " " in cell or cell in ("center", "top", "bottom")
        return f"the {cell}" if plain else f"the {cell} side", ""
    side = at.removesuffix(" edge").removesuffix(" corner").split()
    return f"the {at}", " ".join(p for p in cell.split() if p not in side and p != "center")


def path(first: str, last: str, whole: str) -> str:
    """The way of a line between two ends of `elements.words.end` through `it` or `the WHOLE`.

    `along the top of the image from the left edge to the right edge`, `across its top left corner`,
    `through the image from the left edge near the top to the center`.
    """
    (one, near), (two, close) = end(first), end(last)
    cells = {words.partition(",")[0] for words in (first, last)}
    if near and close and one != two and len(cells) == 1:
        return f"across {_part(f'{cells.pop()} corner', whole)}"
    if near and near == close:
        side = near if near in ("top", "bottom") else f"{near} side"
        return f"along {_part(side, whole)} from {one} to {two}"
    ends = [f"{at} near the {side}" if side else at for at, side in ((one, near), (two, close))]
    return f"through {whole} from {ends[0]} to {ends[1]}"


def _part(side: str, whole: str) -> str:
    return f"its {side}" if whole == "it" else f"the {side} of {whole}"


def details(visible: Mapping[str, str]) -> list[str]:
    """What visible tags say of their object: `has two lanes`, `a surface of asphalt`; at most three,
    the verb of two alike said once."""
    said = {key: _said(key, visible.get(key, "")) for key in DETAILS}
    roof = " ".join(filter(None, (_said(f"roof:{part}", visible.get(f"roof:{part}", ""))
                                  for part in ("colour", "shape"))))  # fmt: skip
    said["roof"] = with_article(roof) if roof else ""
    found = [
        words if words.startswith(("is ", "has ")) else DETAILS[key].format(words)
        for key, words in said.items()
        if words
    ]
    joined = zip(["", *found], found, strict=False)
    return [w[4:] if before[:4] == w[:4] == "has " else w for before, w in joined][:3]


def _said(key: str, value: str) -> str:
    """A visible value in words, "" where it says nothing."""
    known = VALUES.get(key, {}).get(value)
    if known or key == "lanes" or value in VAGUE:
        return known or ""
    return value.replace("_", " ").replace(":", " ")


def meters(value: float) -> str:
    """A length as one says it: `about 270 m`, `about 85 m`."""
    step = 10 if value >= 100 else 5
    return f"about {round(value / step) * step:.0f} m"
