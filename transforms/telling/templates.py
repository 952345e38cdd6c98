"""Captions by rule, in plain English: of an area, of a line, and the same said otherwise.

What can be seen (`visible`) stands apart from what only the map knows (`contextual`). Which wording
a sample gets is a hash of the seed and its key.
"""

from schemas.chance import rank
from schemas.text import capital, listed
from transforms.telling import wording
from transforms.telling.known import Known

FULL, LARGE = 0.9, 0.45
"""Shares of the picture from which an area fills it, and from which no single place is named."""

NEARLY, SLIGHT, CURVED = 1.01, 1.1, 1.5
"""Sinuosity up to which a line is almost straight, bends slightly, curves; beyond it winds."""


def visible(known: Known, seed: int, name: str) -> str:
    """What can be seen of the element, two to four sentences."""
    turn = rank(seed, "caption", name)
    first = _area(known, turn) if known.area else _line(known, turn)
    told = wording.details(known.visible)
    return " ".join([*first, *([f"It {listed(told)}."] if told else [])])


def contextual(known: Known) -> str:
    """What only the map knows, "" where that is nothing that can be quoted."""
    said = [f'The map calls it "{known.name}".'] if known.name else []
    if known.region:
        said.append(f'It lies in "{known.region}".')
    return " ".join(said)


def rewritten(known: Known, seed: int, name: str) -> str:
    """The visible caption said otherwise, in one or two sentences."""
    turn = rank(seed, "rewrite", name)
    return _area_again(known, turn) if known.area else _line_again(known, turn)


def _shown(known: Known) -> str:
    """`The aerial image shows a lake`."""
    return f"The {known.seen.partition(' ')[2]} shows {known.noun}"


def _area(known: Known, turn: int) -> list[str]:
    noun, share = known.noun, wording.share(known.share)
    thing, place = capital(noun), wording.where(known.position)
    side = wording.toward(known.position)
    mostly = f", mostly {side}" if side else ""
    lead: tuple[str, ...]
    if known.share >= FULL:
        lead = (
            f"{thing} fills almost the whole image.",
            f"{_shown(known)} that fills nearly all of it.",
            f"Nearly all of the image is taken up by {noun}.",
        )
    elif known.share >= LARGE:
        lead = (
            f"{thing} takes up {share} of the image{mostly}.",
            f"{capital(share)} of the image{mostly + ',' if side else ''} is taken up by {noun}.",
            f"{_shown(known)} that covers {share} of it{mostly}.",
        )
    else:
        lead = (
            f"{thing} lies {place} of the image and covers {share} of it.",
            f"{capital(place)} of the image there is {noun}, covering {share} of the view.",
            f"{_shown(known)} {place}; it takes up {share} of the frame.",
        )
    return [lead[turn % 3], _reach(known)]


def _reach(known: Known) -> str:
    """How an area is cut off, and its outline where enough of it is in view."""
    outline = wording.OUTLINES[known.outline]
    if not known.edges:
        return f"It {outline}, and all of it is in view."
    beyond = f"It continues beyond {wording.edges(known.edges)} of the image"
    return f"{beyond}; the part in view {outline}." if _whole(known) else f"{beyond}."


def _whole(known: Known) -> bool:
    """Whether enough of an area is in view to speak of its outline."""
    return len(known.edges) <= 1 or known.outline == "multi-polygonal"


def _line(known: Known, turn: int) -> list[str]:
    thing, place = capital(known.noun), wording.where(known.position)
    length = f"{capital(wording.meters(known.length_m))} of it is in view."
    if len(known.ends) < 2:
        loop = "forms a closed loop"
        lead = (
            f"{_shown(known)} that {loop} {place}."
            if turn % 2
            else f"{thing} {loop} {place} of the image."
        )
        return [lead, length]
    first, last = known.ends
    if first == last:
        return [f"{thing} lies {place} of the image.", _course(known), length]
    way = wording.path(first, last, "the image")
    if known.course == "broken":
        return [f"{thing} appears in several pieces, the longest of them {way}.", length]
    leads = (
        f"{thing} runs {way}.",
        f"{_shown(known)} that runs {wording.path(first, last, 'it')}.",
        f"{capital(way)} runs {known.noun}.",
    )
    return [leads[turn % 3], _course(known), *([length] if turn // 3 % 2 else [])]


def _course(known: Known) -> str:
    """How a line bends, and which way it runs."""
    ratio, way = known.sinuosity or 1.0, wording.WAYS.get(known.orientation, "")
    if known.course == "straight":
        return f"It is straight and runs {way}."
    if ratio <= NEARLY:
        return f"It is almost straight and runs {way}."
    bends = "bends slightly" if ratio <= SLIGHT else "curves" if ratio <= CURVED else "winds"
    return f"It {bends} on its way {way}."


def _area_again(known: Known, turn: int) -> str:
    noun, share = known.noun, wording.share(known.share)
    place, form = wording.where(known.position), f" with {wording.FORMS[known.outline]}"
    form = form if _whole(known) else ""
    cut = f", continuing past {wording.edges(known.edges)}" if known.edges else ", wholly in view"
    said: tuple[str, ...]
    if known.share >= FULL:
        said = (
            f"Seen from above, there is little in this scene but {noun}{cut}.",
            f"This view from above holds almost nothing but {noun}{cut}.",
        )
    elif known.share >= LARGE:
        said = (
            f"Seen from above, {noun} occupies {share} of the scene{cut}.",
            f"{capital(share)} of this view from above belongs to {noun}{cut}.",
        )
    else:
        said = (
            f"Seen from above, {noun} occupies {share} of the scene {place}{cut}.",
            f"{capital(place)} of this view from above one can see {noun}{cut}.",
            f"{capital(noun)}{form} can be made out {place} of the scene{cut}.",
        )
    return said[turn % len(said)]


def _line_again(known: Known, turn: int) -> str:
    noun, place = known.noun, wording.where(known.position)
    if len(known.ends) < 2:
        loops = (
            f"Seen from above, {noun} encloses a piece of ground {place} of the scene.",
            f"{capital(place)} of this view from above {noun} returns to where it began.",
        )
        return loops[turn % 2]
    first, last = known.ends
    if first == last:
        bare = noun.partition(" ")[2] if noun.split()[0] in ("a", "an", "the") else noun
        return f"In this view from above, a stretch of {bare} can be made out {place}."
    ways = (
        f"Seen from above, {noun} leads {_bend(known)} {wording.path(last, first, 'the scene')}.",
        f"This view from above contains {noun}, which goes {_bend(known)} "
        f"{wording.path(first, last, 'the scene')}.",
        f"{capital(wording.path(first, last, 'the scene'))} one can follow {noun} {_bend(known)}.",
    )
    return ways[turn % 3]


def _bend(known: Known) -> str:
    """How a line bends, as an adverb."""
    ratio = known.sinuosity or 1.0
    if known.course in ("broken", "straight"):
        return "in several pieces" if known.course == "broken" else "without a bend"
    if ratio <= NEARLY:
        return "almost in a straight line"
    return (
        "with a slight bend"
        if ratio <= SLIGHT
        else "in a curve"
        if ratio <= CURVED
        else "in many bends"
    )
