"""Three ways to split the patches: everywhere alike, or trained in one country and tested in another.

specs/sen4agrinet.md, splits. Scenario 1 mixes all. In scenario 2 the country with several years trains
and the other tests; in scenario 3 the other trains, and the first tests in a year not trained on.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.files import atomic, write_json
from catalogs.sources.crop_codes import UNMAPPED
from schemas.errors import BuildError, UsageError
from schemas.recipes import at_least
from schemas.spacing import circles
from transforms.context import Context
from transforms.crops.declared import unpacked
from transforms.neighbours import within_buffer

NAMES = ("scenario_1", "scenario_2", "scenario_3")

SPLITS = ("train", "val", "test")

TABLE = pa.schema([("key", pa.string()), *((name, pa.string()) for name in NAMES)])
"""`train`, `val` or `test`; "" where a patch has no place in a scenario."""


@dataclass(frozen=True, slots=True)
class Patches:
    """What a scenario looks at, one entry for each patch.

    Attributes:
        keys, splits, countries, tiles: of the patches; splits by place.
        years: likewise.
        xyz, radius: circles around them, as `schemas.spacing.circles` gives them.
    """

    keys: list[str]
    splits: list[str]
    countries: list[str]
    tiles: list[str]
    years: list[int]
    xyz: npt.NDArray[np.float64]
    radius: npt.NDArray[np.float64]


def roles(
    countries: Sequence[str], years: Sequence[int], many: str = "", one: str = ""
) -> tuple[str, str]:
    """(the country with the most years, the one with the second most); ties by patches, then name.

    "" where there is none.

    Args:
        countries, years: of the patches.
        many, one: the countries that are meant, "" for one of the others.

    Raises:
        BuildError: no patch is of a country that is meant.
    """
    patches = Counter(countries)
    spans = {c: len({y for o, y in zip(countries, years, strict=True) if o == c}) for c in patches}
    order = sorted((c for c in patches if c), key=lambda c: (-spans[c], -patches[c], c))
    for name, meant in (("many", many), ("one", one)):
        if meant and meant not in order:
            raise BuildError(
                f"crops.Scenarios.{name}={meant}: no patch is of that country, they are of "
                f"{', '.join(sorted(order)) or 'none'}"
            )
    others = iter([c for c in order if c not in (many, one)])
    return many or next(others, ""), one or next(others, "")


def assign(found: Patches, many: str, one: str, buffer_m: float) -> dict[str, list[str]]:
    """The split of each patch in each scenario, "" where it has none.

    The training side gives its places of `val` and `test` to validation. No tile is on both sides,
    and no patch of training or validation lies nearer than the buffer to one of the test: those are
    left out. In scenario 3 years of training are not tested. Without a second country there is neither.

    Args:
        found: the patches.
        many: country with several years.
        one: the other one.
        buffer_m: metres between footprints.
    """
    if not (many and one):
        nowhere = [""] * len(found.keys)
        return {NAMES[0]: list(found.splits), NAMES[1]: nowhere, NAMES[2]: nowhere}
    held = {year for year, c in zip(found.years, found.countries, strict=True) if c == one}
    second = [
        _side(split, country == many, country == one)
        for split, country in zip(found.splits, found.countries, strict=True)
    ]
    third = [
        _side(split, country == one, country == many and year not in held)
        for split, country, year in zip(found.splits, found.countries, found.years, strict=True)
    ]
    return {
        "scenario_1": list(found.splits),
        "scenario_2": _apart(second, found, buffer_m),
        "scenario_3": _apart(third, found, buffer_m),
    }


def _side(split: str, trains: bool, tests: bool) -> str:
    if tests:
        return "test"
    return ("train" if split == "train" else "val") if trains else ""


def _apart(splits: list[str], found: Patches, buffer_m: float) -> list[str]:
    """Without patches of training and validation in a tile of the test, or near one of its patches."""
    tested = {tile for tile, split in zip(found.tiles, splits, strict=True) if split == "test"}
    kept = [
        "" if split != "test" and tile in tested else split
        for tile, split in zip(found.tiles, splits, strict=True)
    ]
    names = np.array(kept, object)
    lower = np.flatnonzero((names == "train") | (names == "val"))
    near = within_buffer(found.xyz, found.radius, lower, np.flatnonzero(names == "test"), buffer_m)
    for row in near:
        kept[int(row)] = ""
    return kept


def common_classes(splits: Sequence[str], classes: Sequence[frozenset[int]]) -> list[int]:
    """Classes that training and test both have: their intersection, without unmapped crops; rising.

    Args:
        splits: of the patches.
        classes: of the parcels in each.
    """
    sides = []
    for side in ("train", "test"):
        own = (c for c, split in zip(classes, splits, strict=True) if split == side)
        sides.append(frozenset().union(*own))
    return sorted((sides[0] & sides[1]) - {UNMAPPED, 0})


def class_weights(counts: Mapping[int, int]) -> dict[int, float]:
    """N / (classes * count) for each class that occurs, N the sum of the counts."""
    known = {code: count for code, count in sorted(counts.items()) if count > 0}
    total = sum(known.values())
    return {code: total / (len(known) * count) for code, count in known.items()}


def read(rows: Iterator[pa.Table]) -> tuple[Patches, list[dict[int, tuple[int, int]]]]:
    """Patches, and (parcels, pixels) by class of each."""
    tables, counts = [], []
    names = ("key", "split", "country", "patch_tile", "year", "crs", "transform", "width", "height")
    for batch in rows:
        tables.append(batch.select(names))
        counts += [_counted(data) for data in batch["_numbers"].to_pylist()]
    whole = pa.concat_tables(tables)
    affine = np.asarray(whole["transform"].combine_chunks().flatten()).reshape(-1, 6)
    xyz, radius = circles(
        whole["crs"].to_pylist(), affine, whole["width"].to_numpy(), whole["height"].to_numpy()
    )
    keys, splits, countries, tiles = (
        [value or "" for value in whole[name].to_pylist()] for name in names[:4]
    )
    years = whole["year"].to_pylist()
    return Patches(keys, splits, countries, tiles, years, xyz, radius), counts


def _counted(data: bytes | None) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    if data is not None:
        table = unpacked(data)
        for label, pixels in zip(
            table["label"].to_pylist(), table["pixels"].to_pylist(), strict=True
        ):
            parcels, before = found.get(label, (0, 0))
            found[label] = (parcels + 1, before + pixels)
    return found


def report(
    splits: dict[str, list[str]], found: Patches, counts: list[dict[int, tuple[int, int]]]
) -> dict[str, Any]:
    """What `scenarios.json` says of each scenario: sides, counts, common classes and their weights."""
    classes = [frozenset(code for code, (_, pixels) in own.items() if pixels) for own in counts]
    result: dict[str, Any] = {}
    for name, own in splits.items():
        common = common_classes(own, classes)
        parcels, pixels = Counter[int](), Counter[int]()
        for split, of in zip(own, counts, strict=True):
            for code in common if split == "train" else ():
                parcels[code] += of.get(code, (0, 0))[0]
                pixels[code] += of.get(code, (0, 0))[1]
        result[name] = {
            "patches": {side: own.count(side) for side in SPLITS} | {"left_out": own.count("")},
            "sides": {side: _sides(own, found, side) for side in SPLITS},
            "classes": common,
            "weights_by_pixels": class_weights(pixels),
            "weights_by_parcels": class_weights(parcels),
        }
    return result


def _sides(splits: list[str], found: Patches, side: str) -> list[str]:
    """`COUNTRY-YEAR` of the patches of a side."""
    own = zip(splits, found.countries, found.years, strict=True)
    return sorted({f"{country}-{year}" for split, country, year in own if split == side})


NEEDS = ("split", "country", "patch_tile", "year", "_numbers")


@dataclass(frozen=True)
class Scenarios:
    """`scenarios.parquet`: the split of each patch in the three scenarios.

    Attributes:
        many: country with several years (Catalonia in the original); "": the one with the most.
        one: the other country (France in the original); "": the one with the second most.
        buffer_km: least distance between patches of the two sides.
    """

    many: str = ""
    one: str = ""
    buffer_km: float = 5.0
    name: str = field(default="scenarios.parquet", init=False)
    about: str = field(
        default="train, val or test of each patch in scenarios 1 (all mixed), 2 and 3 (one country "
        'trains, another tests); "" where it has no place',
        init=False,
    )
    needs: tuple[str, ...] = field(default=NEEDS, init=False)

    def __post_init__(self) -> None:
        """Refuse a distance below nothing, and one country for both."""
        at_least("crops.Scenarios.buffer_km", self.buffer_km, 0)
        if self.many and self.many == self.one:
            raise UsageError(
                f"crops.Scenarios.many and one are both {self.one}: name two countries, or one of them"
            )

    def write(self, rows: Iterator[pa.Table], target: Path, ctx: Context) -> None:
        """Write the table, and beside it `scenarios.json`: classes, weights and counts.

        Raises:
            BuildError: as `roles`.
        """
        found, counts = read(rows)
        many, one = roles(found.countries, found.years, self.many, self.one)
        splits = assign(found, many, one, self.buffer_km * 1000)
        columns = [
            pa.array(found.keys, pa.string()),
            *(pa.array(splits[n], pa.string()) for n in NAMES),
        ]
        with atomic(target) as stream:
            pq.write_table(pa.Table.from_arrays(columns, schema=TABLE), stream, compression="zstd")
        told = report(splits, found, counts)
        for name in NAMES[1:]:
            told[name]["buffer_m"] = self.buffer_km * 1000
        for name in NAMES:
            if empty := [side for side in ("train", "test") if side not in splits[name]]:
                told[name]["note"] = f"no patch is on the side of {' and '.join(empty)}"
        write_json(target.with_suffix(".json"), told)
