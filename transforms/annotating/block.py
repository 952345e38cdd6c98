"""A block of `annotate`: what was made is read, models say what they say, a table and its record follow."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.files import atomic
from schemas.recipes import Recipe, name_of
from schemas.samples import Sample
from schemas.scenes import Scene
from schemas.tables import PLACE, facts_schema, member_columns, vector
from transforms.annotating.members import Members, Payload
from transforms.annotating.steps import Outcome, Ready, load, take
from transforms.blocks import OUTCOME, Paths, fail_point, pixel_members, retries_of
from transforms.commits import Commit, committed
from transforms.context import Context
from transforms.planning.rows import column, from_table

ABOUT = b"earthloom.annotate"
"""Key of a table's metadata: what computed it, and the questions that services were asked."""


def annotated_schema(recipe: Recipe) -> pa.Schema:
    """An annotated block: `key`, the facts of `annotate`, what became of each row of the block.

    `outcome` is null where `make` had lost the row already; on a row that is `made`, `code` and
    `message` are those of a fault that something stands in for.
    """
    return pa.schema([("key", pa.string()), *facts_schema(recipe, ("annotate",)), *OUTCOME])


@dataclass
class Block:
    """A made block under way.

    Attributes:
        keys: of every row.
        rows: places of the samples among them.
        samples: those that were made.
        ready: for each step, what gives each sample's preparation.
    """

    name: str
    keys: list[str]
    rows: list[int]
    samples: list[Sample]
    payload: Payload
    ready: list[list[Ready]]


class Annotator:
    """A process's models, and the blocks that it annotates with them."""

    def __init__(
        self,
        recipe: Recipe,
        ctx: Context,
        made: Path,
        out: Path,
        scenes: Mapping[str, Scene] | None = None,
    ) -> None:
        """Load every step's model.

        Args:
            recipe: its annotate steps are run.
            ctx: folders of models, captioner, device.
            made: folder of the made blocks.
            out: folder of the tables.
            scenes: those that samples name, by key.

        Raises:
            LoomError: a model is missing, or does not fit.
        """
        self.recipe, self.ctx, self.made, self.out = recipe, ctx, made, out
        self.scenes = scenes or {}
        self.models = [load(step, ctx) for step in recipe.annotate]
        self.threads = ThreadPoolExecutor(max(2, ctx.threads))
        self.coming: dict[str, Future[Block]] = {}

    def expect(self, name: str) -> None:
        """Begin to read and prepare a block, so that its first batch is ready when it is annotated."""
        if name not in self.coming:
            self.coming[name] = Future()
            try:
                self.coming[name].set_result(self._opened(name))
            except BaseException as error:  # carried to who annotates the block
                self.coming[name].set_exception(error)

    def annotate(
        self, name: str, digest: str, later: Callable[[Callable[[], Commit]], object] | None = None
    ) -> None:
        """Annotate a block, or find it annotated. Doing it again leaves the same bytes.

        Args:
            name: of the block.
            digest: that the commit record must carry.
            later: takes the closing work, see `transforms.making.make_block`.
        """
        out = Paths(self.out, name)
        standing = committed(out.record, out.sidecar, digest)
        if standing is None:
            self.expect(name)
            block = self.coming[name].result()
            self.ctx.journal.clear()
            try:
                outcomes = self._run(block)
            finally:
                block.payload.close()
            table = self._table(block, outcomes, retries_of(out))
            close = partial(commit, table, out, digest, outcomes)
        else:
            close = partial(_same, standing)
        self.coming.pop(name, None)
        if later is None:
            close()
        else:
            later(close)

    def _opened(self, name: str) -> Block:
        """Read a block's rows, and begin what its steps prepare."""
        paths = Paths(self.made, name)
        pixels = pixel_members(self.recipe)
        facts = [
            n for n in facts_schema(self.recipe, ("plan", "make")).names if n not in PLACE.names
        ]
        wanted = {need for step in self.recipe.annotate for need in step.needs}
        places = [column for ext in pixels for column in member_columns(ext)]
        columns = [*PLACE.names, *(f for f in facts if f in wanted), "outcome", *places]
        table = pq.read_table(paths.sidecar, columns=columns)
        rows = [i for i, o in enumerate(table["outcome"].to_pylist()) if o == "made"]
        kept = table.take(pa.array(rows, pa.int64()))
        where = {ext: [kept[c].to_pylist() for c in member_columns(ext)] for ext in pixels}
        payload = Payload(paths.payload)
        samples = from_table(kept.select([n for n in columns if n not in {"outcome", *places}]),
                             self.scenes)  # fmt: skip
        for i, sample in enumerate(samples):
            spots = {ext: (begin[i], size[i]) for ext, (begin, size) in where.items()}
            sample.members = Members(payload, spots)
        ready = [
            self._prepared(step, model, samples)
            for step, model in zip(self.recipe.annotate, self.models, strict=True)
        ]
        return Block(name, table["key"].to_pylist(), rows, samples, payload, ready)

    def _prepared(self, step: Any, model: Any, samples: Sequence[Sample]) -> list[Ready]:
        if not hasattr(step, "prepare"):
            return [_nothing] * len(samples)
        work = [self.threads.submit(step.prepare, s, model, self.ctx) for s in samples]
        return [future.result for future in work]

    def _run(self, block: Block) -> dict[int, Outcome]:
        """What became of each sample, by its row."""
        found = {row: Outcome() for row in block.rows}
        left = list(range(len(block.samples)))
        for step, model, ready in zip(self.recipe.annotate, self.models, block.ready, strict=True):
            outcomes = take(
                step, [block.samples[i] for i in left], [ready[i] for i in left], model, self.ctx
            )
            for i, outcome in zip(left, outcomes, strict=True):
                if outcome.drop is not None or outcome.instead is not None:
                    found[block.rows[i]] = outcome
            left = [i for i, o in zip(left, outcomes, strict=True) if o.drop is None]
        return found

    def _table(self, block: Block, outcomes: dict[int, Outcome], retries: int) -> pa.Table:
        schema = annotated_schema(self.recipe)
        samples: list[Sample | None] = [None] * len(block.keys)
        for row, sample in zip(block.rows, block.samples, strict=True):
            samples[row] = sample if outcomes[row].drop is None else None
        arrays = [column(block.keys, pa.string())]
        for item in facts_schema(self.recipe, ("annotate",)):
            # Parquet cannot be read back with a missing list of fixed length; such a row never ships.
            missing = [0.0] * item.type.list_size if vector(item.type) else None
            values = [s.facts.get(item.name, missing) if s else missing for s in samples]
            arrays.append(column(values, item.type))
        told = [_told(outcomes.get(row), retries) for row in range(len(block.keys))]
        for i, item in enumerate(OUTCOME):
            arrays.append(column([row[i] for row in told], item.type))
        about = {"computed": self.computed(), "asked": self._asked()}
        text = json.dumps(about, sort_keys=True, separators=(",", ":")).encode()
        return pa.Table.from_arrays(arrays, schema=schema.with_metadata({ABOUT: text}))

    def computed(self) -> dict[str, Any]:
        """By the first fact that a step gives: where and with what its model computes."""
        return {
            next(iter(step.gives)): {"step": name_of(step), **model.computed}
            for step, model in zip(self.recipe.annotate, self.models, strict=True)
            if hasattr(model, "computed")
        }

    def _asked(self) -> list[dict[str, Any]]:
        return sorted(self.ctx.journal, key=lambda entry: (entry["sample"], entry["request"]))


def _nothing() -> None:
    """The preparation of a step that prepares nothing."""


def _same(standing: Commit) -> Commit:
    """A block that stands already needs no closing."""
    return standing


def _told(outcome: Outcome | None, retries: int) -> tuple[Any, ...]:
    """The row of `OUTCOME`."""
    if outcome is None:
        return (None, None, None, None, None, retries)
    if (drop := outcome.drop) is not None:
        return (drop.outcome, drop.step, drop.code, drop.message, drop.retryable, retries)
    if (fault := outcome.instead) is not None:
        return ("made", outcome.step, fault.code, fault.message, fault.retryable, retries)
    return ("made", None, None, None, False, retries)


def commit(table: pa.Table, out: Paths, digest: str, outcomes: dict[int, Outcome]) -> Commit:
    """Write the table, synced and moved into place, and last the commit record."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    data = sink.getvalue()
    with atomic(out.sidecar) as stream:
        stream.write(data)
    fail_point("before-annotated", out.id)
    drops = [o.drop for o in outcomes.values() if o.drop is not None]
    failed = [d for d in drops if d.outcome == "failed"]
    spared = [o.instead for o in outcomes.values() if o.drop is None and o.instead is not None]
    record = Commit(
        plan=digest,
        rows=len(outcomes),
        shipped=len(outcomes) - len(drops),
        rejected=len(drops) - len(failed),
        failed=len(failed),
        retryable=sum(d.retryable for d in failed) + sum(f.retryable for f in spared),
        bytes=data.size,
        checksum=f"{crc32(data):08x}",
        spared=len(spared),
    )
    record.write(out.record)
    return record
