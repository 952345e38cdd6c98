"""One walk over the packed rows that gathers all that statistics, STAC and the card need."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalogs.geoparquet import sides
from catalogs.releases import writers
from catalogs.releases.bands import EVERY, Totals, add_bands, groups
from catalogs.releases.conversations import count_questions
from catalogs.releases.extents import Extent
from catalogs.releases.sorting import batches, parquets
from catalogs.releases.times import Clock
from schemas.meanings import TEXTS
from schemas.near import parse
from schemas.release import Staging
from schemas.spacing import circles
from schemas.tables import array, samples_schema

LENGTH_CAP = 2000  # characters; longer texts count as this long


@dataclass
class Shard:
    """What one shard holds; `start` and `end` are microseconds since 1970 UTC."""

    name: str
    split: str
    samples: int = 0
    extent: Extent = field(default_factory=Extent)
    start: int | None = None
    end: int | None = None
    undated: int = 0


@dataclass
class Survey:
    """Counts and small columns of a packed dataset.

    Attributes:
        columns: of the samples table.
        shards: by file name, in order.
        extent: of all samples.
        labels: samples by label and split ("" is no label).
        bands: totals over training samples by group and band, see `bands.groups`.
        years: samples by each year of their scenes ("unknown" when none is dated), by split.
        gsd: samples by metres for a pixel, one decimal.
        lengths: histogram of characters (index = length) by text column.
        licences: samples by licence of their pixels.
        licence_years: years of acquisition by licence of the pixels.
        attributions: samples by credit line.
        writers: samples by (writer, why no model's text was taken) by column, see `writers`.
        grids: samples by (crs, width, height).
        splits: names of the splits; `codes` point into it.
        codes: split of each sample, shape (n,), in row order.
        xyz, radius_m: circumscribed circles, see `schemas.spacing`.
        questions: questions by split and kind; empty when the recipe asks none.
        vectors: of each column that a rule on likeness reads, shape (n, d).
        phash, comparable: see `schemas.near`; empty when the recipe makes no `phash`.
    """

    columns: list[str]
    shards: dict[str, Shard] = field(default_factory=dict)
    extent: Extent = field(default_factory=Extent)
    labels: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(Counter))
    bands: Totals = field(default_factory=dict)
    years: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    gsd: Counter[str] = field(default_factory=Counter)
    lengths: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    licences: Counter[str] = field(default_factory=Counter)
    licence_years: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    attributions: Counter[str] = field(default_factory=Counter)
    writers: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)
    grids: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    splits: list[str] = field(default_factory=list)
    codes: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    xyz: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))
    radius_m: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    questions: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    phash: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    comparable: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, bool))
    vectors: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)

    @property
    def samples(self) -> dict[str, int]:
        """Samples by split, larger splits of learning first: train, val, test, then others."""
        found: Counter[str] = Counter()
        for shard in self.shards.values():
            found[shard.split] += shard.samples
        usual = {"train": 0, "val": 1, "validation": 1, "test": 2}
        return dict(sorted(found.items(), key=lambda item: (usual.get(item[0], 9), item[0])))


def survey(rows: Path, staging: Staging, clock: Clock) -> Survey:
    """Walk the packed rows once, batch by batch."""
    recipe = staging.recipe
    group = groups(staging.scenes, recipe)
    schema = samples_schema(recipe)
    found = Survey(columns=schema.names)
    texts = [f.name for f in schema if f.name.startswith(TEXTS) and f.type == pa.string()]
    facts = [*texts, *(["phash"] if "phash" in schema.names else [])]
    facts += ["questions"] if "questions" in schema.names else []
    facts += [recipe.label] if recipe.label else []
    columns = ["split", "shard", "crs", "transform", "width", "height", "gsd_m", "scene_ids"]
    facts += [name for pair in writers.columns(recipe).items() for name in pair if name]
    columns += ["license", "attribution", "bbox", "band_stats", *dict.fromkeys(facts)]
    parts: list[tuple[list[str], npt.NDArray[np.float64], npt.NDArray[np.float64]]] = []
    hashes = []
    alike = [rule.column for rule in recipe.pack.keep if rule.takes.startswith("vector")]
    columns += alike
    vectors: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in alike}
    for batch in batches(parquets(rows), columns, rows=4096):
        if not batch.num_rows:
            continue
        _count(found, batch, recipe.label)
        _span(found, batch, clock)
        if "questions" in facts:
            count_questions(batch, found.questions)
        writers.count(batch, recipe, found.writers)
        for name in texts:
            _lengths(found, name, batch.column(name))
        scenes = batch.column("scene_ids").to_pylist()
        add_bands(
            found.bands, batch, [group.get(ids[0], EVERY) if ids else EVERY for ids in scenes]
        )
        parts.append((batch.column("split").to_pylist(), *_circles(batch)))
        if "phash" in schema.names:
            hashes.append(parse(batch.column("phash").to_pylist()))
        for name in alike:
            vectors[name].append(array(pa.chunked_array([batch.column(name)])))
    found.splits = sorted({split for part in parts for split in set(part[0])})
    if parts:
        code = {name: number for number, name in enumerate(found.splits)}
        found.codes = np.array([code[name] for part in parts for name in part[0]], np.int64)
        found.xyz = np.concatenate([part[1] for part in parts])
        found.radius_m = np.concatenate([part[2] for part in parts])
    if hashes:
        found.phash = np.concatenate([h for h, _ in hashes])
        found.comparable = np.concatenate([ok for _, ok in hashes])
    found.vectors = {name: np.concatenate(each) for name, each in vectors.items() if each}
    found.shards = dict(sorted(found.shards.items()))
    return found


def _circles(batch: pa.RecordBatch) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    affine = batch.column("transform").flatten().to_numpy(zero_copy_only=False).reshape(-1, 6)
    return circles(
        batch.column("crs").to_pylist(),
        affine,
        batch.column("width").to_numpy(),
        batch.column("height").to_numpy(),
    )


def _count(found: Survey, batch: pa.RecordBatch, label: str) -> None:
    table = pa.Table.from_batches([batch])
    names = batch.column(label) if label else pa.array([""] * batch.num_rows)
    table = table.append_column("__label", pc.fill_null(pc.cast(names, pa.string()), ""))
    for row in table.group_by(["__label", "split"]).aggregate([([], "count_all")]).to_pylist():
        found.labels[row["__label"]][row["split"]] += row["count_all"]
    for name, counter in (("license", found.licences), ("attribution", found.attributions)):
        for entry in pc.value_counts(batch.column(name)).to_pylist():
            counter[entry["values"] or ""] += entry["counts"]
    metres = pc.drop_null(pc.round(batch.column("gsd_m"), 1))
    for entry in pc.value_counts(metres).to_pylist():
        found.gsd[str(entry["values"])] += entry["counts"]
    for row in (
        table.group_by(["crs", "width", "height"]).aggregate([([], "count_all")]).to_pylist()
    ):
        found.grids[row["crs"], row["width"], row["height"]] += row["count_all"]


def _span(found: Survey, batch: pa.RecordBatch, clock: Clock) -> None:
    start, end, known = clock.spans(batch.column("scene_ids"))
    west, south, east, north = sides(batch.column("bbox"))
    found.extent.add(west, south, east, north)
    splits = np.array(batch.column("split").to_pylist(), dtype=object)
    terms = np.array(batch.column("license").to_pylist(), dtype=object)
    for row in np.flatnonzero(~known).tolist():
        found.years[splits[row]]["unknown"] += 1
    for row, year in clock.years(batch.column("scene_ids")):
        found.years[splits[row]][year] += 1
        found.licence_years[terms[row]].add(year)
    names = np.array(batch.column("shard").to_pylist(), dtype=object)
    for name in dict.fromkeys(names):
        rows = np.flatnonzero(names == name)
        shard = found.shards.setdefault(name, Shard(name, splits[rows[0]]))
        shard.samples += len(rows)
        shard.extent.add(west[rows], south[rows], east[rows], north[rows])
        shard.undated += int((~known[rows]).sum())
        dated = rows[known[rows]]
        if len(dated):
            low, high = int(start[dated].min()), int(end[dated].max())
            shard.start = low if shard.start is None else min(shard.start, low)
            shard.end = high if shard.end is None else max(shard.end, high)


def _lengths(found: Survey, name: str, column: pa.Array) -> None:
    sizes = pc.fill_null(pc.utf8_length(column), 0).to_numpy(zero_copy_only=False)
    counts = np.bincount(np.minimum(sizes, LENGTH_CAP), minlength=LENGTH_CAP + 1)
    found.lengths[name] = found.lengths.get(name, np.zeros(LENGTH_CAP + 1, np.int64)) + counts
