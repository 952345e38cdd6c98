"""The same view of Sentinel-2 in several processings: which one is taken."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from catalogs.sources.headers import parse_time
from schemas.sensors import baseline_number, experimental, family

if TYPE_CHECKING:
    import shapely

SAME = 0.9
"""Share of the joint ground that two outlines of one view have in common at least; granules of one
datatake that two stations received share far less (stactools sentinel2, issue 5)."""

PRODUCT = re.compile(
    r"^S2[A-Z]_MSIL\w\w_(?P<start>\d{8}T\d{6})(_N(?P<baseline>\d{4}))?_R(?P<orbit>\d{3})"
    r"_T(?P<tile>\w{5})_(?P<made>\d{8}T\d{6})"
)
"""A product's name (Sentinel-2 Products Specification Document), or an id without the baseline."""


@dataclass(frozen=True)
class Take:
    """One processing of one view.

    Attributes:
        id: catalogue id.
        view: what was seen: (collection, platform, start, tile, orbit); () when it is not known.
        baseline: processing baseline, -1 when unknown.
        made: time of processing as ISO text, "" when unknown.
        sequence: number of the processing within the view.
        outline: ground seen, lon/lat.
        experimental: whether the baseline is a test, whose files are often gone.
    """

    id: str
    view: tuple[str, ...]
    baseline: float
    made: str
    sequence: int
    outline: "shapely.Geometry"
    experimental: bool = False

    @property
    def rank(self) -> tuple[float, str, int, str]:
        """Higher is better: baseline, then time of processing."""
        return self.baseline, self.made, self.sequence, self.id


@dataclass(frozen=True)
class Choice:
    """What is taken.

    Attributes:
        kept: ids.
        superseded: id -> id of the better processing.
        experimental: ids of processings that are no product.
    """

    kept: frozenset[str]
    superseded: Mapping[str, str]
    experimental: tuple[str, ...]


def newest(takes: Iterable[Take]) -> Choice:
    """Of each view the highest normal baseline, then the newest; all whose ground differs."""
    kept: set[str] = set()
    superseded: dict[str, str] = {}
    tests: list[str] = []
    views: dict[tuple[str, ...], list[Take]] = defaultdict(list)
    for take in sorted(takes, key=lambda t: t.rank, reverse=True):
        if take.experimental:
            tests.append(take.id)
            continue
        earlier = views[take.view] if take.view else []
        better = next((other for other in earlier if same_ground(other, take)), None)
        if better is None:
            earlier.append(take)
            kept.add(take.id)
        else:
            superseded[take.id] = better.id
    return Choice(frozenset(kept), superseded, tuple(sorted(tests)))


def same_ground(one: Take, two: Take) -> bool:
    """Whether two outlines cover the same ground but for the rounding of another processor."""
    joint = one.outline.union(two.outline).area
    return bool(joint == 0 or one.outline.intersection(two.outline).area / joint >= SAME)


def take_of(item: Mapping[str, Any], collection: str, outline: "shapely.Geometry") -> Take:
    """The processing that a STAC item is.

    Args:
        item: with `id` and `properties`.
    """
    found: Mapping[str, Any] = item["properties"]
    named = product(item)
    part = named.groupdict() if named else {}
    tile = _tile(found) or part.get("tile") or ""
    orbit = str(found.get("sat:relative_orbit") or part.get("orbit") or "").lstrip("R0")
    started = re.search(r"_(\d{8}T\d{6})_", str(found.get("s2:datatake_id", "")))
    start = started[1] if started else part.get("start") or _second(found.get("datetime"))
    platform = re.sub(r"[^a-z0-9]", "", str(found.get("platform", "")).lower())
    known = baseline_number(baseline_of(item))
    view = (collection, platform, start, tile, orbit) if tile and start else ()
    return Take(
        id=str(item["id"]),
        view=view,
        baseline=known if known is not None else -1.0,
        made=_iso(found.get("s2:generation_time") or part.get("made") or ""),
        sequence=int(found.get("s2:sequence") or found.get("sentinel:sequence") or 0),
        outline=outline,
        experimental=experimental(baseline_of(item)),
    )


def product(item: Mapping[str, Any]) -> re.Match[str] | None:
    """The parts of the Sentinel-2 product's name that an item carries, None when it has none."""
    found = item["properties"]
    names = (found.get("s2:product_uri"), found.get("sentinel:product_id"), item["id"])
    return next((m for name in names if (m := PRODUCT.match(str(name or "")))), None)


BASELINES = ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version")
"""Fields that state a processing baseline, in the order in which they are believed: of the extension
for Sentinel-2, of Earth Search v0, and of the processing extension, which others fill too."""

APPLIED = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
"""Fields that say whether the radiometric offset is removed: of Earth Search v1, and of its v0."""


def baseline_of(item: Mapping[str, Any]) -> str:
    """The processing baseline as declared, else as the product's name has it ("05.11"), else "".

    The version of another sensor's processing is none.

    Args:
        item: with `id`, `properties`, and `collection` where it has one.
    """
    named = product(item)
    sentinel = named or family(str(item.get("collection") or ""), ()) == "sentinel-2"
    for field in BASELINES if sentinel else BASELINES[:-1]:
        declared = str(item["properties"].get(field) or "")
        if baseline_number(declared) is not None:
            return declared
    text = named["baseline"] if named else None
    return f"{text[:2]}.{text[2:]}" if text else ""


def offset_applied(properties: Mapping[str, Any]) -> bool | None:
    """Whether an item says that the radiometric offset is removed from its numbers; None: it does not."""
    stated = (properties.get(field) for field in APPLIED)
    return next((flag for flag in stated if isinstance(flag, bool)), None)


def _tile(found: Mapping[str, Any]) -> str:
    """The MGRS tile by whichever field the catalogue has for it, `33UVP`."""
    code = found.get("s2:mgrs_tile") or str(found.get("grid:code") or "").removeprefix("MGRS-")
    if code:
        return str(code).removeprefix("T").lstrip("0")
    for prefix in ("mgrs", "sentinel"):
        names = ("utm_zone", "latitude_band", "grid_square")
        parts = [found.get(f"{prefix}:{name}") for name in names]
        if all(part is not None for part in parts):
            return "".join(map(str, parts)).lstrip("0")
    return ""


def _second(text: Any) -> str:
    return _iso(text)[:19]


def _iso(text: Any) -> str:
    """A time as ISO text in UTC, "" when it is none."""
    try:
        return parse_time(str(text)).isoformat() if text else ""
    except ValueError:
        return ""
