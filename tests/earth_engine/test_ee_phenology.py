"""MCD12Q2 on Earth Engine: the same answers as from the rasters that the service computes from."""

import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

sys.path.insert(0, str(Path(__file__).parents[1] / "seasons"))

from catalogs.sources.phenology import open_phenology
from catalogs.sources.terms import Override
from earth_engine_server import Refusal, World
from earth_engine_world import affine, collection
from phenology_files import CORNER, middles, write, year_of_layers
from schemas.errors import SourceError
from schemas.phenology import summarise

MCD12Q2 = "MODIS/061/MCD12Q2"
SHAPE = (20, 30)


def put(world: World, folder: Path, year: int, code: str = "SR-ORG:6974") -> Path:
    """A product year with holes, as the service states it."""
    rng = np.random.default_rng(year)
    offsets = np.array([100.0, 150, 230, 300]) + rng.integers(-20, 20, (*SHAPE, 1))
    offsets[rng.random(SHAPE) < 0.5] = np.nan
    layers = year_of_layers(year, offsets, SHAPE)
    layers |= year_of_layers(year, np.full((*SHAPE, 4), np.nan), SHAPE, cycle=2)
    layers["NumCycles"] = np.ones(SHAPE, np.int16)
    layers["QA_Overall_1"] = np.zeros(SHAPE, np.int16)
    (folder / "years").mkdir(exist_ok=True)
    path = write(folder / "years" / f"MCD12Q2_{year}.tif", layers)
    name = f"{MCD12Q2}/{year}_01_01"
    grid = {
        "crsCode": code, "affineTransform": affine(CORNER),
        "dimensions": {"width": SHAPE[1], "height": SHAPE[0]},
    }  # fmt: skip
    kind = {"precision": "INT", "range": {"min": -32768, "max": 32767}}
    world.assets[name] = {
        "type": "IMAGE",
        "name": f"projects/earthengine-public/assets/{name}",
        "id": name,
        "startTime": f"{year}-01-01T00:00:00Z",
        "bands": [{"id": key, "dataType": kind, "grid": grid} for key in layers],
        "geometry": None,
    }
    world.rasters[name] = path
    return path


def test_the_service_and_its_rasters_say_the_same(served: World, tmp_path: Path) -> None:
    collection(served, MCD12Q2)
    for year in (2020, 2021, 2022):
        put(served, tmp_path, year)
    with rasterio.open(tmp_path / "years" / "MCD12Q2_2020.tif") as file:
        assert not file.crs.to_epsg()
    there = open_phenology(Path("earth-engine"), Override())
    here = open_phenology(tmp_path / "years", Override())
    assert there.years == here.years == (2020, 2021, 2022)
    lon, lat = middles(SHAPE)
    theirs, ours = (summarise(source.at(lon, lat)) for source in (there, here))
    assert 0.5 < ours.known.mean() < 1
    for name in ("offsets", "years", "left_out", "cycle", "n_cycles"):
        np.testing.assert_array_equal(getattr(theirs, name), getattr(ours, name))
    gone = np.flatnonzero(~ours.known)
    for one, other in zip(
        there.nearest(lon[gone], lat[gone]), here.nearest(lon[gone], lat[gone]), strict=True
    ):
        if isinstance(one, np.ndarray):
            np.testing.assert_allclose(one, other, rtol=1e-9)
        else:
            np.testing.assert_array_equal(one.offsets, other.offsets)
    name = next(name for name in served.assets if name.endswith("2022_01_01"))
    served.assets[name]["updateTime"] = "2024-05-01T00:00:00Z"
    again = open_phenology(Path("earth-engine"), Override()).about.checksum
    assert there.about.checksum and there.about.checksum != again  # so that plans are made anew
    assert "LP DAAC" in there.about.attribution or "Land Processes" in there.about.attribution


def test_a_year_is_one_small_request(served: World, tmp_path: Path) -> None:
    """All layers of the box around the points at once."""
    collection(served, MCD12Q2)
    for year in (2021, 2022):
        put(served, tmp_path, year)
    source = open_phenology(Path("earth-engine"), Override())
    lon, lat = middles(SHAPE)
    source.at(lon[[33, 66]], lat[[33, 66]])
    asked = [request.body["grid"]["dimensions"] for request in served.sent("computePixels")]
    assert asked == [{"width": 4, "height": 2}] * 2  # pixels (1, 3) and (2, 6)


def test_a_service_is_not_asked_across_continents(served: World, tmp_path: Path) -> None:
    """A place far from any plant has no phenology, unless a distance is asked for."""
    collection(served, MCD12Q2)
    put(served, tmp_path, 2021)
    source = open_phenology(Path("earth-engine"), Override())
    far = np.array([20.0]), np.array([-72.0])
    found, km = source.nearest(*far)
    assert not found.known.any() and np.isinf(km).all() and not served.sent("computePixels")
    assert source.nearest(*far, max_km=20_000)[0].known.all()
    assert "within 500 km" in source.about.notes[0]


def test_what_the_service_may_answer(served: World, tmp_path: Path) -> None:
    collection(served, MCD12Q2)
    with pytest.raises(SourceError, match=r"--phenology earth-engine: .* holds no image"):
        open_phenology(Path("earth-engine"), Override())
    put(served, tmp_path, 2021)
    bands = served.assets[f"{MCD12Q2}/2021_01_01"]["bands"]
    served.assets[f"{MCD12Q2}/2021_01_01"]["bands"] = [b for b in bands if b["id"] != "Dormancy_1"]
    with pytest.raises(SourceError, match="lacks 2021 Dormancy_1"):
        open_phenology(Path("earth-engine"), Override())
    served.assets[f"{MCD12Q2}/2021_01_01"]["bands"] = bands
    source = open_phenology(Path("earth-engine"), Override())
    served.refuse("computePixels", *[Refusal(403, "Permission denied.")] * 20)
    with pytest.raises(SourceError, match="Permission denied"):
        source.at(*(side[:1] for side in middles(SHAPE)))
