"""Real granules of release 001 over the Cerrado: L2A and L2B, 301 shots of 7 beams, and stands."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from catalogs.sources.gedi import Shots, look, open_shots
from schemas.errors import SourceError
from schemas.mgrs import epsg, tiles
from schemas.windows import from_lonlat
from transforms.context import Context
from transforms.footprints import Shots as Start

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "gedi_brazil_cerrado"
L2A = "GEDI02_A_2019108080338_O01964_T05337_02_001_01_sub.h5"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(
        not FOLDER.exists(), reason="the real granules are not beside the repository"
    ),
]
COLUMNS = ("rh98", "rh50", "l2_quality_flag", "l2b_quality_flag", "sensitivity", "pai", "cover")


@pytest.fixture(scope="module")
def source() -> Shots:
    return open_shots(FOLDER)


@pytest.fixture(scope="module")
def shots(source: Shots) -> pa.Table:
    return pa.concat_tables(source.shots(None, COLUMNS))


def by_hand(name: str, dataset: str) -> Any:
    """A dataset of all beams, read one by one."""
    with h5py.File(FOLDER / name) as file:
        return np.concatenate([file[b][dataset][:] for b in sorted(file) if b.startswith("BEAM")])


def test_what_they_are(source: Shots) -> None:
    """Detected by names inside: release 001, 7 of 8 beams, 301 shots each."""
    found = {g.layout.product: g for g in source.granules}
    assert {name: g.layout.version for name, g in found.items()} == {"L2A": "V1", "L2B": "V1"}
    for granule in found.values():
        assert granule.missing == ("BEAM0000",)
        assert sum(granule.beams.values()) == 301
        assert granule.orbit == 1964 == granule.name.orbit
    assert source.about.notes[0].startswith("2 of 16 GEDI beams are absent")
    assert source.about.datetime == "2019-04-18"


def test_shots_are_joined_by_number(shots: pa.Table) -> None:
    """Heights of L2A and cover of L2B, equal to what is read by hand and joined by a dictionary."""
    numbers = by_hand(L2A, "shot_number")
    assert numbers.dtype == np.uint64 and len(set(numbers.tolist())) == 301
    assert sorted(shots["shot_number"].to_pylist()) == sorted(numbers.tolist())
    rh = dict(zip(numbers.tolist(), by_hand(L2A, "rh")[:, 98].tolist(), strict=True))
    second = L2A.replace("02_A", "02_B")
    order = by_hand(second, "shot_number").tolist()
    pai = dict(zip(order, by_hand(second, "pai").tolist(), strict=True))
    for row in shots.to_pylist():
        assert row["rh98"] == rh[row["shot_number"]]
        assert row["pai"] == (None if pai[row["shot_number"]] == -9999 else pai[row["shot_number"]])
    assert shots["sensed"][0].as_py().date().isoformat() == "2019-04-18"


def test_quality(shots: pa.Table) -> None:
    """The product's own flag and the sensitivity, counted independently."""
    good = by_hand(L2A, "quality_flag") == 1
    sharp = by_hand(L2A, "sensitivity") > np.float32(0.95)
    kept = shots.filter(pc.equal(shots["l2_quality_flag"], 1))
    assert len(kept) == int(good.sum())
    both = kept.filter(pc.greater(kept["sensitivity"], float(np.float32(0.95))))
    assert len(both) == int((good & sharp).sum())
    assert 0 < len(both) < len(kept) <= 301


def test_an_area_of_it(source: Shots, shots: pa.Table) -> None:
    bounds = (-44.13, -13.74, -44.12, -13.73)
    some = pa.concat_tables(source.shots(bounds, COLUMNS))
    lon, lat = shots["lon"].to_numpy(), shots["lat"].to_numpy()
    keep = (lon >= -44.13) & (lon <= -44.12) & (lat >= -13.74) & (lat <= -13.73)
    assert some.equals(shots.filter(pa.array(keep))) and 0 < len(some) < 301


def test_footprints_in_stands(shots: pa.Table) -> None:
    """Circles of 25 m in the local UTM zone meet the stands as geopandas says."""
    import geopandas
    import shapely

    lon, lat = shots["lon"].to_numpy(), shots["lat"].to_numpy()
    zone = {epsg(tile) for tile in tiles(lon, lat).tolist()}
    assert zone == {32723}
    stands = geopandas.read_file(FOLDER / "stands_cerrado.shp")
    assert len(stands) == 8
    x, y = from_lonlat("EPSG:32723", lon, lat)
    circles = shapely.buffer(shapely.points(x, y), 12.5, quad_segs=32)
    polygons = stands.to_crs(32723).geometry.to_numpy()
    circle, stand = shapely.STRtree(polygons).query(circles, predicate="intersects")
    own = sorted(zip(shots["shot_number"].to_numpy()[circle].tolist(), stand.tolist(), strict=True))

    frame = geopandas.GeoDataFrame(
        {"shot": by_hand(L2A, "shot_number").astype(object)},
        geometry=geopandas.points_from_xy(
            by_hand(L2A, "lon_lowestmode"), by_hand(L2A, "lat_lowestmode")
        ),
        crs=4326,
    )
    frame = frame.to_crs(frame.estimate_utm_crs())
    frame["geometry"] = frame.buffer(12.5, quad_segs=32)
    joined = geopandas.sjoin(frame, stands.to_crs(frame.crs), predicate="intersects")
    independent = sorted(zip(joined["shot"].tolist(), joined["index_right"].tolist(), strict=True))
    assert own == independent
    assert len(own) > 20
    whole = shapely.contains(polygons[stand], circles[circle])
    inner = geopandas.sjoin(frame, stands.to_crs(frame.crs), predicate="within")
    assert int(whole.sum()) == len(inner)


def test_biomass_wants_another_product(source: Shots) -> None:
    with pytest.raises(SourceError, match="biomass wants L4A granules"):
        next(Start().scan(Context(sources={"shots": source}), lambda drop: None))


def test_a_single_granule() -> None:
    assert look(FOLDER / L2A).beams["BEAM0101"] == 73
    assert len(pa.concat_tables(open_shots(FOLDER / L2A).shots(None, ("rh100",)))) == 301
