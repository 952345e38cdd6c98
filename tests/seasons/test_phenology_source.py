"""Phenology read from rasters: the right pixel of every layout, in the right place, clear refusals."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from catalogs.sources.phenology import cubes, open_phenology
from catalogs.sources.phenology.rasters import Rasters
from catalogs.sources.terms import Override
from phenology_files import (
    BASE,
    CELL,
    CORNER,
    SINUSOIDAL,
    field,
    middles,
    one_valid,
    opened,
    write,
    year_of_layers,
)
from schemas.errors import SourceError
from schemas.phenology import new_year, summarise
from schemas.windows import to_lonlat


def test_each_point_gets_its_own_pixel(tmp_path: Path) -> None:
    """Over two chunks of reading, three years, in the product's projection."""
    shape = (270, 300)
    truth = {year: field(shape, year) for year in (2020, 2021, 2022)}
    for year, offsets in truth.items():
        write(tmp_path / f"MCD12Q2_061_{year}.tif", year_of_layers(year, offsets, shape))
    source = opened(tmp_path)
    assert source.years == (2020, 2021, 2022)
    lon, lat = middles(shape)
    rng = np.random.default_rng(0)
    picked = rng.permutation(len(lon))[:500]
    shift = rng.uniform(-0.4, 0.4, (2, 500)) * CELL / 111_000  # within the pixel still
    found = source.at(lon[picked] + shift[0], lat[picked] + shift[1])
    for place, year in enumerate(source.years):
        expected = truth[year].reshape(-1, 4)[picked] + int(new_year(year))
        np.testing.assert_array_equal(found.days[:, place, 0], expected)
    assert not found.valid[:, :, 1].any()
    outside = source.at(np.array([14.9, -60.0]), np.array([48.0, -20.0]))
    assert not outside.valid.any()


def test_years_of_another_extent_are_not_lost(tmp_path: Path) -> None:
    """The export of one year is a column wider than that of the others, on the same lattice."""
    wide, narrow = (6, 7), (6, 6)
    base = {year: np.zeros((*wide, 4)) + BASE + 10 * (year - 2019) for year in (2019, 2020, 2021)}
    for year, offsets in base.items():
        shape = narrow if year == 2019 else wide
        own = offsets[: shape[0], : shape[1]]
        if year == 2020:
            own[0, 0] = np.nan
        write(tmp_path / f"MCD12Q2_{year}.tif", year_of_layers(year, own, shape))
    source = opened(tmp_path)
    lon, lat = middles(wide)
    found = summarise(source.at(lon, lat))
    assert found.years.reshape(wide).tolist() == [[2, 3, 3, 3, 3, 3, 2]] + [[3] * 6 + [2]] * 5
    assert found.left_out.sum() == 0
    assert found.offsets.reshape(*wide, 4)[3, 3].tolist() == (BASE + 10).tolist()
    assert found.offsets.reshape(*wide, 4)[3, 6].tolist() == (BASE + 15).tolist()
    near, km = source.nearest(lon[8:9] + 1e-5, lat[8:9])
    assert near.years.tolist() == [3] and km[0] < 0.1
    assert any("2019; 2020, 2021" in note for note in source.about.notes)


def test_only_boxes_around_points_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two points in two corners of a large raster read two pixels of each layer."""
    shape = (600, 600)
    write(tmp_path / "MCD_2021.tif", year_of_layers(2021, field(shape), shape))
    source = opened(tmp_path)
    lon, lat = middles(shape)
    boxes, read = [], Rasters.read

    def watched(self: Rasters, box: Any) -> Any:
        boxes.append(box)
        return read(self, box)

    monkeypatch.setattr(Rasters, "read", watched)
    ends = np.array([0, len(lon) - 1])
    assert source.at(lon[ends], lat[ends]).valid[:, 0, 0].all()
    assert boxes == [(0, 0, 1, 1), (599, 599, 1, 1)]


def test_files_a_layer_and_year_are_the_same_as_one_a_year(tmp_path: Path) -> None:
    """AppEEARS counts cycles from 0 and names the layer and the year in the file's name."""
    shape = (12, 9)
    for folder in ("export", "appeears"):
        (tmp_path / folder).mkdir()
    for year in (2020, 2021):
        layers = year_of_layers(year, field(shape, year), shape)
        layers |= year_of_layers(year, field(shape, year) + 60, shape, cycle=2)
        layers["EVI_Amplitude_1"] = np.full(shape, 2000, np.int16)
        layers["EVI_Amplitude_2"] = (
            np.where(np.arange(9) > 4, 3000, 1000).repeat(12).reshape(9, 12).T
        )
        layers["EVI_Amplitude_2"] = layers["EVI_Amplitude_2"].astype(np.int16)
        layers["QA_Overall_1"] = np.zeros(shape, np.int16)
        layers["NumCycles"] = np.full(shape, 2, np.int16)
        write(tmp_path / "export" / f"MCD12Q2_{year}-0000000000-0000002048.tif", layers)
        for name, array in layers.items():
            plain = name if name == "NumCycles" else f"{name[:-2]}_{int(name[-1]) - 1}"
            file = f"MCD12Q2.061_{plain}_doy{year}001_aid0001.tif"
            write(tmp_path / "appeears" / file, {"": array})
    lon, lat = middles(shape)
    one, other = (opened(tmp_path / f).at(lon, lat) for f in ("export", "appeears"))
    for name in ("years", "days", "amplitude", "quality", "cycles"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    summary = summarise(one)
    assert summary.cycle.reshape(shape)[:, 5:].tolist() == [[2] * 4] * 12
    assert summary.cycle.reshape(shape)[:, :5].tolist() == [[1] * 5] * 12
    assert set(summary.n_cycles.tolist()) == {2}


def test_another_projection(tmp_path: Path) -> None:
    shape, transform = (8, 10), Affine(0.005, 0, -63.0, 0, -0.005, -17.0)
    layers = year_of_layers(2021, field(shape), shape)
    write(tmp_path / "south_2021.tif", layers, "EPSG:4326", transform)
    lon, lat = middles(shape, "EPSG:4326", transform)
    found = opened(tmp_path / "south_2021.tif").at(lon, lat)
    np.testing.assert_array_equal(found.days[:, 0, 0, 0], layers["Greenup_1"].ravel())


@pytest.mark.parametrize(
    ("name", "layers", "said"),
    [
        ("a_2021.tif", {"red": 1}, "no band is called as a layer of MCD12Q2"),
        ("a.tif", {"Greenup_1": 1}, "must hold the product year, once"),
        ("a_2019_2020.tif", {"Greenup_1": 1}, r"found 2019, 2020"),
        ("a_2021.tif", {"Greenup_1": 1, "Maturity_1": 1}, "2021 Senescence_1, 2021 Dormancy_1"),
    ],
)
def test_other_rasters_are_refused(
    tmp_path: Path, name: str, layers: dict[str, int], said: str
) -> None:
    write(tmp_path / name, {key: np.ones((2, 2), np.int16) for key in layers})
    with pytest.raises(SourceError, match=said):
        opened(tmp_path)


def test_a_layer_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    for name in ("one_2021.tif", "two_2021.tif"):
        write(tmp_path / name, year_of_layers(2021, field((2, 2)), (2, 2)))
    with pytest.raises(SourceError, match=r"of 2021 is in one_2021\.tif too"):
        opened(tmp_path)


def test_no_source_and_unknown_terms(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        opened(tmp_path / "none")
    with pytest.raises(SourceError, match="holds no GeoTIFF, CSV or Parquet"):
        opened(tmp_path)
    one_valid(tmp_path, [(0, 0)])
    with pytest.raises(
        SourceError, match=r"--phenology .*unknown licence 'mine'.*--license phenology="
    ):
        open_phenology(tmp_path, Override("mine"))


def test_what_it_says_of_itself(tmp_path: Path) -> None:
    source = one_valid(tmp_path, [(0, 0)])
    again = opened(tmp_path)
    assert source.about == again.about and len(source.about.checksum) == 64
    assert source.about.datetime == "2021-12-31" and "MCD12Q2" in source.about.attribution
    tile = write(tmp_path / "tiny_2022.tif", year_of_layers(2022, field((3, 3)), (3, 3)))
    assert opened(tmp_path).about.checksum != again.about.checksum
    assert opened(tile).about.size == tile.stat().st_size


def test_pixels_lie_where_the_sinusoidal_grid_has_them() -> None:
    """Tile h11v04's pixel that the real table names: x, y of its lower left corner."""
    x, y = -7297638.56, 4649343.11
    lon, lat = to_lonlat(SINUSOIDAL, np.array([x + CELL / 2]), np.array([y + CELL / 2]))
    assert abs(lat[0] - 41.813583) < 0.005 and abs(lon[0] + 88.052897) < 0.006
    grid = cubes.Grid(SINUSOIDAL, (CELL, 0.0, x, 0.0, -CELL, y + CELL), 1, 1)
    cols, rows, inside = cubes.places(grid, np.array([-88.052897]), np.array([41.813583]))
    assert (cols[0], rows[0], inside[0]) == (0, 0, True)
    assert CORNER.a == CELL
