"""Features of an OSM file, block by block, in one process."""

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from catalogs.sources.osm_drops import OnDrop, each
from catalogs.sources.osm_files import as_pbf
from catalogs.sources.osm_rows import NODE, RELATION, WAY, Maker, placed
from catalogs.sources.osm_table import gathered
from catalogs.sources.pbf_file import Pbf
from catalogs.sources.ragged import Ints
from schemas.errors import SourceError, UsageError
from schemas.windows import Bounds


def features(
    path: Path,
    keys: Collection[str] | None,
    bbox: Bounds | None = None,
    batch_rows: int = 20_000,
    *,
    on_drop: OnDrop,
) -> Iterator[pa.RecordBatch]:
    """One row for every object with at least one of `keys`: nodes, ways, then relations.

    A closed way is an area or a line by `osm_tags.is_area`, never both; relations of type
    multipolygon and boundary are areas. Every other object asked for goes to `on_drop`, so that
    rows and drops together are the objects with one of `keys` (where no `bbox` is given).

    Args:
        keys: None for every object with a tag that may leave the reader.
        bbox: (west, south, east, north); rows whose own bounding box is centred in it are kept.
        batch_rows: a batch is handed out when it has this many rows; the last block of the file
            that went into it may make it some thousands longer.

    Raises:
        SourceError: the file is damaged, or no OSM file.
        UsageError: no keys.
    """

    def lost(drops: pa.Table) -> None:
        for drop in each(drops):
            on_drop(drop)

    with as_pbf(path) as pbf:
        yield from gathered(blocks(pbf, Maker(asked(keys), lost)), bbox, batch_rows)


def asked(keys: Collection[str] | None) -> frozenset[str] | None:
    """The keys that objects are asked for by.

    Raises:
        UsageError: there are none.
    """
    if keys is not None and not keys:
        raise UsageError("no OSM keys asked for: name at least one, e.g. building")
    return None if keys is None else frozenset(keys)


def blocks(pbf: Pbf, maker: Maker) -> Iterator[pa.RecordBatch]:
    """Rows of a whole file.

    Raises:
        SourceError: it is damaged, or not in the order that it declares.
    """
    holding, mixed = relations_of(pbf)
    maker.wanted = needed(pbf, maker, holding)
    everything = range(len(pbf))
    if mixed:  # some ways may come before their nodes
        for block in pbf.blocks(everything):
            for kind, things in block.groups:
                if kind == NODE:
                    maker.nodes.add(things.id, placed(things))
    met, first = NODE, holding[0] if holding else len(pbf)
    for index, block in enumerate(pbf.blocks(everything)):
        texts = maker.texts(block.strings)
        for kind, things in block.groups:
            met = max(met, kind)
            if not mixed and (kind < met or (kind == RELATION and index < first)):
                raise unsorted(pbf)
            if kind == NODE:
                yield from maker.points(things, texts)
                if not mixed:
                    maker.nodes.add(things.id, placed(things))
            elif kind == WAY:
                yield from maker.ways(things, texts)
    for block in pbf.blocks(holding):
        texts = maker.texts(block.strings)
        for kind, things in block.groups:
            if kind == RELATION:
                yield from maker.relations(things, texts)


def unsorted(pbf: Pbf) -> SourceError:
    """What is said of a file that declares an order which it does not have."""
    return SourceError(f"{pbf.path} is not in the order it declares: run `osmium sort`")


def relations_of(pbf: Pbf) -> tuple[list[int], bool]:
    """The blocks with relations, and whether types are mixed.

    A file that declares itself sorted ends with its relations and is read from there only.
    """
    holding: list[int] = []
    later: set[int] = set()
    mixed = False
    for index in reversed(range(len(pbf))):
        kinds = pbf.kinds(index)
        mixed |= len(kinds) > 1 or bool(later and min(later) < max(kinds, default=NODE))
        later |= kinds
        if RELATION in kinds:
            holding.append(index)
        elif pbf.header.ordered:
            break
    return holding[::-1], mixed


def needed(pbf: Pbf, maker: Maker, holding: list[int]) -> Ints:
    """Ids of the ways that relations need, ascending."""
    found = [np.empty(0, np.int64)]
    for block in pbf.blocks(holding):
        texts = maker.texts(block.strings)
        for kind, things in block.groups:
            if kind == RELATION:
                found.append(maker.needed(things, texts))
    return np.unique(np.concatenate(found))
