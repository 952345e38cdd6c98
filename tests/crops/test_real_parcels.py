"""Real registers on patches: every parcel's pixels carry its own crop, and cover what it covers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

from catalogs.sources.crop_codes import open_codes
from catalogs.sources.parcels import open_parcels
from catalogs.sources.terms import Override
from parcel_world import DATA, REAL
from schemas.samples import Image, Sample
from schemas.windows import Grid, Window, from_lonlat
from schemas.zones import crs_for
from transforms.context import Context
from transforms.crops.coverage import counts, exact, whole
from transforms.crops.declared import unpacked
from transforms.crops.join import Join
from transforms.crops.labels import Labels, parcels_of

pytestmark = REAL

PX = 183
FILES = {
    "catalonia": ("es_cat*", 0.9),
    "austria": ("at_*", 0.9),
    "netherlands": ("nl_*", 0.5),
}
"""File of a register, and the share of its parcels that must have a class of the FAO ICC."""


@pytest.fixture(scope="module", params=FILES)
def register(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(context, the register's parcels, least share with a class)."""
    pattern, least = FILES[request.param]
    found = sorted(Path(DATA / "lpis_samples").glob(pattern))
    if not found:
        pytest.skip(f"no file {pattern}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARTHLOOM_CACHE", str(tmp_path_factory.mktemp("cache")))
        parcels = open_parcels(found[0], Override())
        codes = open_codes(DATA / "taxonomies", Override())
    ctx = Context(sources={"parcels": parcels, "codes": codes})
    return ctx, pa.concat_tables(parcels.batches()), least


def patches(rows: pa.Table) -> Iterator[Sample]:
    """A patch around every tenth parcel, in its own zone, on whole tens of metres."""
    for row in rows.to_pylist()[::10]:
        crs = crs_for(row["lon"], row["lat"])
        x, y = (
            float(v[0]) for v in from_lonlat(crs, np.array([row["lon"]]), np.array([row["lat"]]))
        )
        left, top = (round(x / 10) - PX // 2) * 10.0, (round(y / 10) + PX // 2) * 10.0
        window = Window(Grid(crs, (10.0, 0.0, left, 0.0, -10.0, top), PX, PX), 10.0)
        yield Sample(f"p-{row['key']}", row["lon"], row["lat"], window, facts={"year": row["year"]})


def test_labels_of_real_parcels(register: Any) -> None:
    """Areas agree in sum, classes are those of the map of codes, and coverage adds up to the area."""
    ctx, rows, least = register
    mapped = {r["key"]: r for r in ctx.sources["codes"].map(rows).to_pylist()}
    assert np.mean([r["s4a_code"] != 998 for r in mapped.values()]) >= least
    drawn, area, seen = 0.0, 0.0, 0
    for one in patches(rows):
        Join().across([one], ctx)
        assert one.window is not None
        on = one.window.grid
        one.images["image"] = Image(
            np.zeros((1, PX, PX), np.uint16), ("B02",), on, 0, np.ones((PX, PX), bool)
        )
        Labels()(one, ctx)
        classes, numbers, _ = one.images["labels"].array
        table, shapes = parcels_of(one)
        box = shapely.box(*on.bounds())
        inside = shapely.area(shapely.intersection(shapes, box))
        covered = counts(exact(shapes, on), len(table)) * 100
        assert np.allclose(covered, inside, rtol=1e-5, atol=0.5)
        drawn += float(counts(whole(numbers), len(table)).sum()) * 100
        area += float(shapely.area(shapely.intersection(shapely.union_all(shapes), box)))
        for number, key in enumerate(table["key"].to_pylist(), start=1):
            own = np.unique(classes[numbers == number]).tolist()
            assert own in ([], [mapped[key]["s4a_code"]])
            seen += bool(own)
        assert unpacked(one.facts["_numbers"])["parcel"].to_pylist() == table["key"].to_pylist()
    assert seen >= 10
    assert drawn == pytest.approx(area, rel=0.03)
