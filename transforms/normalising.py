"""Statistics of patches by which models bring their channels to a common scale: `normalisation.csv`.

The published statistics hold the fill of the radar mosaics (-83 dB) and bands that still carry the offset of
later processing baselines; ours leave fill out and are taken after the offset is, of the train split alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalogs.files import write_bytes
from schemas.biomass import MISSION_START, S2_BANDS, decibels, reflectance
from schemas.samples import Image, Sample
from schemas.sensors import L2A_BANDS
from transforms.context import Context
from transforms.footprints.around import plane

DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Variable:
    """A channel, or a fact of a sample.

    Attributes:
        group, name: as in the published table.
        width: of the bins from which percentiles of pixels are taken; 0 for facts, which are all kept.
        convention: what its numbers are.
    """

    group: str
    name: str
    width: float
    convention: str


PIXELS = (
    *(Variable("ALOS_bands", name, 0.05, "gamma0 in dB, fill left out") for name in ("HH", "HV")),
    *(
        Variable("S2_bands", name, 0.001, "reflectance, offset removed, fill left out")
        for name in S2_BANDS
    ),
    Variable("CH", "ch", 1.0, "metres, fill left out"),
    Variable("CH", "std", 1.0, "metres, fill left out"),
    Variable("DEM", "DEM", 1.0, "metres, fill left out"),
)
FACTS = (
    (Variable("Sentinel_metadata", "S2_vegetation_score", 0, "percent"), "s2_vegetation_score"),
    (
        Variable("Sentinel_metadata", "S2_date", 0, f"days since {MISSION_START:%Y-%m-%d}"),
        "datetime",
    ),
    (Variable("GEDI", "agbd", 0, "Mg/ha"), "agbd"),
    (Variable("GEDI", "agbd_se", 0, "Mg/ha"), "agbd_se"),
    (Variable("GEDI", "rh98", 0, "metres"), "rh98"),
    (Variable("GEDI", "date", 0, f"days since {MISSION_START:%Y-%m-%d}"), "sensed"),
)

SUMS = pa.schema(
    [
        ("name", pa.string()),
        ("count", pa.int64()),
        ("sum", pa.float64()),
        ("squares", pa.float64()),
        ("min", pa.float64()),
        ("max", pa.float64()),
        ("first", pa.int32()),  # number of the first bin: value / width, rounded
        ("bins", pa.list_(pa.int32())),
    ]
)
"""Of one patch: a row for each channel that it has."""


def channels(images: dict[str, Image]) -> dict[str, npt.NDArray[np.float32]]:
    """Pixels of a patch by channel in physical units `(y, x)`, NaN where there is no data."""
    found: dict[str, npt.NDArray[np.float32]] = {}
    image = images["image"]
    for name, common in zip(S2_BANDS, L2A_BANDS, strict=True):
        if common in image.bands:
            found[name] = reflectance(image.array[image.bands.index(common)])
    radar = images.get("palsar")
    if radar is not None:
        for name in ("HH", "HV"):
            if name.lower() in (lower := [band.lower() for band in radar.bands]):
                found[name] = decibels(radar.array[lower.index(name.lower())])
    for role, names in (("canopy", ("ch", "std")), ("dem", ("DEM",))):
        layer = images.get(role)
        if layer is not None:
            for place, name in enumerate(names[: len(layer.array)]):
                found[name] = plane(layer, place).astype(np.float32)
    return found


def sums_of(pixels: dict[str, npt.NDArray[np.float32]]) -> bytes:
    """`SUMS` of a patch as Arrow IPC."""
    width = {variable.name: variable.width for variable in PIXELS}
    rows = []
    for name, values in pixels.items():
        good = values[np.isfinite(values)].astype(np.float64)
        if not good.size:
            continue
        places = np.rint(good / width[name]).astype(np.int64)
        first = int(places.min())
        rows.append(
            {
                "name": name, "count": good.size, "sum": float(good.sum()),
                "squares": float((good * good).sum()), "min": float(good.min()),
                "max": float(good.max()), "first": first, "bins": np.bincount(places - first),
            }
        )  # fmt: skip
    arrays = [pa.array([row[f.name] for row in rows], f.type, from_pandas=False) for f in SUMS]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SUMS) as writer:
        writer.write_table(pa.Table.from_arrays(arrays, schema=SUMS))
    return bytes(sink.getvalue())


@dataclass(frozen=True)
class Sums:
    """What a patch adds to the statistics of the release, hidden: `_sums`."""

    needs: tuple[str, ...] = field(default=("image",), init=False)
    gives: dict[str, str] = field(default_factory=lambda: {"_sums": "binary"}, init=False)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        """The sample with its sums."""
        sample.facts["_sums"] = sums_of(channels(sample.images))  # type: ignore[assignment]
        return sample


@dataclass
class Tally:
    """Sums over many patches of one channel."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf
    first: int = 0
    bins: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, row: dict[str, Any]) -> None:
        """Take a row of `SUMS`."""
        self.count += row["count"]
        self.total += row["sum"]
        self.squares += row["squares"]
        self.low, self.high = min(self.low, row["min"]), max(self.high, row["max"])
        start, new = row["first"], np.asarray(row["bins"], np.int64)
        if not len(self.bins):
            self.first, self.bins = start, new
            return
        first = min(self.first, start)
        size = max(self.first + len(self.bins), start + len(new)) - first
        if first != self.first or size != len(self.bins):
            wider = np.zeros(size, np.int64)
            wider[self.first - first : self.first - first + len(self.bins)] = self.bins
            self.first, self.bins = first, wider
        self.bins[start - first : start - first + len(new)] += new

    def row(self, width: float) -> list[float]:
        """mean, std, min, max, p1, p99 (to the width of a bin)."""
        mean = self.total / self.count
        spread = max(self.squares / self.count - mean * mean, 0.0) ** 0.5
        upto = np.cumsum(self.bins)
        cuts = [
            (self.first + int(np.searchsorted(upto, q * self.count))) * width for q in (0.01, 0.99)
        ]
        return [mean, spread, self.low, self.high, *np.clip(cuts, self.low, self.high).tolist()]


HEAD = "group,variable,mean,std,min,max,p1,p99,count,convention\n"


@dataclass(frozen=True)
class Normalisation:
    """`normalisation.csv`: mean, std, min, max, 1st and 99th percentile of each channel, train split only.

    In the columns of the published table, with the number of pixels (or samples) and what they are.
    """

    name: str = field(default="normalisation.csv", init=False)
    about: str = field(
        default="mean, std, min, max, p1, p99 of each channel over the train split, fill left out",
        init=False,
    )
    needs: tuple[str, ...] = field(
        default=("_sums", *dict.fromkeys(fact for _, fact in FACTS), "split"), init=False
    )

    def write(self, rows: Iterator[pa.Table], target: Path, ctx: Context) -> None:
        """Write the table; a channel that no sample has is left out."""
        tallies: dict[str, Tally] = {}
        facts: dict[str, list[npt.NDArray[np.float64]]] = {fact: [] for _, fact in FACTS}
        for batch in rows:
            train = batch.filter(pc.equal(batch["split"], "train"))
            for blob in train["_sums"].to_pylist():
                with pa.ipc.open_stream(blob) as reader:
                    for row in reader.read_all().to_pylist():
                        tallies.setdefault(row["name"], Tally()).add(row)
            for _, fact in FACTS:
                facts[fact].append(_numbers(train[fact]))
        lines = [HEAD]
        for variable in PIXELS:
            if variable.name in tallies:
                tally = tallies[variable.name]
                lines.append(_line(variable, tally.row(variable.width), tally.count))
        for variable, fact in FACTS:
            values = np.concatenate([np.empty(0), *facts[fact]])
            if len(values):
                ends = [values.mean(), values.std(), values.min(), values.max()]
                cuts = np.percentile(values, (1, 99))
                lines.append(_line(variable, [*ends, *cuts], len(values)))
        write_bytes(target, "".join(lines).encode())


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """Values of a column that are there; times as whole days since the start of the mission."""
    column = column.drop_null()
    if pa.types.is_timestamp(column.type):
        start = int(MISSION_START.timestamp() * 1e6)
        micros = column.cast(pa.int64()).to_numpy() - start
        return np.asarray(np.floor_divide(micros, DAY_US), np.float64)
    return np.asarray(column.cast(pa.float64()).to_numpy())


def _line(variable: Variable, values: list[Any], count: int) -> str:
    numbers = ",".join(f"{float(value):.6g}" for value in values)
    text = f'"{variable.convention}"' if "," in variable.convention else variable.convention
    return f"{variable.group},{variable.name},{numbers},{count},{text}\n"
