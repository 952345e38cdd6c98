"""What a release says of its parcels: their numbers in each patch, the mapping of crops, fiboa."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from catalogs.files import atomic, write_json
from catalogs.keys import Keys
from schemas.sources import About
from transforms.context import Context
from transforms.crops.declared import NUMBERS, unpacked, write_packed


@dataclass(frozen=True)
class Numbers:
    """`patch_parcels.parquet`: which parcel a number in a label raster means."""

    name: str = field(default="patch_parcels.parquet", init=False)
    about: str = field(
        default="one row for each parcel and patch: the parcel's number in the label raster, its key, "
        "declared crop, class and pixels",
        init=False,
    )
    needs: tuple[str, ...] = field(default=("_numbers",), init=False)

    def write(self, rows: Iterator[pa.Table], target: Path, ctx: Context) -> None:
        """Write the rows of all patches, in the order of their keys."""
        write_packed(rows, "_numbers", NUMBERS, target)


def shown(rows: Iterator[pa.Table]) -> Keys:
    """Keys of the parcels that shipped patches show."""
    found = Keys()
    for batch in rows:
        for data in batch["_numbers"].to_pylist():
            if data is not None:
                found.add(unpacked(data)["parcel"].to_pylist())
    return found


def declared(keys: Keys, ctx: Context) -> Iterator[pa.Table]:
    """Those parcels of the source, with the codes of their crops, in the source's order."""
    codes = ctx.sources["codes"]
    for batch in ctx.sources["parcels"].batches():
        kept = pa.array(keys.has(batch["key"].to_pylist()))
        if kept.true_count:
            yield codes.map(batch.filter(kept))


@dataclass(frozen=True)
class Parcels:
    """`parcels.parquet`: the parcels that the patches show, each once, as fiboa describes them."""

    name: str = field(default="parcels.parquet", init=False)
    about: str = field(
        default="the parcels that the patches show, each once: a fiboa table (GeoParquet) with the "
        "crop as declared, its HCAT and FAO ICC codes (native crops: crop_codes.csv)",
        init=False,
    )
    needs: tuple[str, ...] = field(default=("_numbers",), init=False)

    def write(self, rows: Iterator[pa.Table], target: Path, ctx: Context) -> None:
        """Write the table from the parcels' own source, and the list of native crops that it names."""
        from catalogs.releases.fiboa import CODE_LIST, write_code_list, write_fiboa

        source = ctx.sources["parcels"]
        abouts = getattr(source, "abouts", None) or (source.about,)

        def joined(name: str, between: str, more: tuple[About, ...] = ()) -> str:
            return between.join(dict.fromkeys(getattr(about, name) for about in (*abouts, *more)))

        codes = getattr(ctx.sources["codes"], "abouts", ())  # names of HCAT and FAO ICC are theirs
        facts = {
            "title": joined("title", "; "),
            "license": joined("licence", " AND ", codes),
            "attribution": joined("attribution", "; ", codes),
            "provider": joined("attribution", "; "),
        }
        keys = shown(rows)
        write_fiboa(declared(keys, ctx), target, facts)
        write_code_list(declared(keys, ctx), target.with_name(CODE_LIST))


@dataclass(frozen=True)
class Lost:
    """`parcel_drops.parquet`: rows of the registers that are no parcels."""

    name: str = field(default="parcel_drops.parquet", init=False)
    about: str = field(
        default="rows of all registers that are no parcels (file, row, id, reason): no sound outline, "
        "outside of where they should lie, or doubles",
        init=False,
    )
    needs: tuple[str, ...] = field(default=(), init=False)

    def write(self, rows: Iterator[pa.Table], target: Path, ctx: Context) -> None:
        """Write them as the source lists them."""
        import pyarrow.parquet as pq

        with atomic(target) as stream:
            pq.write_table(ctx.sources["parcels"].drops(), stream, compression="zstd")


@dataclass(frozen=True)
class Mapping:
    """`mapping.json`: how the declared crops were mapped, by count and by area."""

    name: str = field(default="mapping.json", init=False)
    about: str = field(
        default="how declared crops became classes: coverage by count and by area, codes without a "
        "class, conflicts, and the version of the code lists; how many rows the registers had and lost",
        init=False,
    )
    needs: tuple[str, ...] = field(default=("_numbers",), init=False)

    def write(self, rows: Iterator[pa.Table], target: Path, ctx: Context) -> None:
        """Write the report over the parcels that the patches show."""
        from catalogs.sources.crop_report import Tally

        tally = Tally(ctx.sources["codes"])
        for table in declared(shown(rows), ctx):
            tally.add(table)
        counts = dict(ctx.sources["parcels"].counts)
        write_json(target, {**tally.report(), "registers": counts})
