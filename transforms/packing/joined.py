"""A block's rows as `pack` sees them: what was made, with what models have said of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.errors import BuildError
from transforms.blocks import OUTCOME


@dataclass(frozen=True)
class Rows:
    """The tables of one block.

    Attributes:
        made: its sidecar.
        annotated: its annotations, None where the recipe has no annotate steps.
    """

    made: Path
    annotated: Path | None = None

    @property
    def block(self) -> str:
        """Name of the block."""
        return self.made.stem

    def count(self) -> int:
        """Rows, made or lost."""
        return int(pq.read_metadata(self.made).num_rows)

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows in block order, all columns or some; with all comes `_act`, which lost the row.

        A row that `make` has made and `annotate` has lost carries the latter's outcome.

        Raises:
            BuildError: the two tables are not of the same rows.
        """
        if self.annotated is None:
            table = pq.read_table(self.made, columns=columns and list(columns))
            return table if columns else _acts(table, pa.array([False] * len(table)))
        made, further = pq.read_schema(self.made).names, pq.read_schema(self.annotated).names
        facts = [n for n in further if n not in OUTCOME.names and n != "key"]
        wanted = list(columns) if columns else [*made, *(n for n in facts if n not in made)]
        told = [n for n in OUTCOME.names if n in wanted]
        first = [n for n in made if n in wanted and n not in facts]
        table = pq.read_table(self.made, columns=_each("key", *first))
        given = [n for n in facts if n in wanted]
        other = pq.read_table(self.annotated, columns=_each("key", "outcome", *told, *given))
        if not table["key"].equals(other["key"]):
            raise BuildError(
                f"{self.annotated.name}: annotates other rows than {self.made.name} holds; "
                "please report this as a bug"
            )
        lost = pc.fill_null(pc.not_equal(other["outcome"], "made"), False)
        for name in told:
            merged = pc.if_else(lost, other[name], table[name])
            table = table.set_column(table.column_names.index(name), OUTCOME.field(name), merged)
        for name in given:
            table = table.append_column(other.schema.field(name), other[name])
        return table.select(wanted) if columns else _acts(table.select(wanted), lost)


def _each(*names: str) -> list[str]:
    return list(dict.fromkeys(names))


def _acts(table: pa.Table, lost: pa.Array | pa.ChunkedArray) -> pa.Table:
    acts = pc.if_else(lost, pa.scalar("annotate"), pa.scalar("make"))
    return table.append_column("_act", acts)
