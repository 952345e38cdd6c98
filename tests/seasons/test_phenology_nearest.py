"""The nearest pixel with usable phenology: for places without any of their own."""

from pathlib import Path

import numpy as np
import pytest

from phenology_files import (
    BASE,
    field,
    kilometres,
    middles,
    one_valid,
    opened,
    write,
    year_of_layers,
)
from schemas.errors import SourceError
from schemas.phenology import summarise


@pytest.mark.parametrize("place", [(0, 0), (1, 1), (2, 1)])
def test_one_usable_pixel_fills_the_other_eight(tmp_path: Path, place: tuple[int, int]) -> None:
    """Check 4."""
    source = one_valid(tmp_path, [place])
    lon, lat = middles((3, 3))
    direct = summarise(source.at(lon, lat)).known
    number = place[0] * 3 + place[1]
    assert np.flatnonzero(direct).tolist() == [number]
    summary, km = source.nearest(lon, lat)
    np.testing.assert_array_equal(summary.offsets, np.tile(BASE + number, (9, 1)))
    assert (km[~direct] > 0).all() and km[number] < 1e-6
    np.testing.assert_allclose(
        km, kilometres(lon, lat, lon[number], lat[number]), rtol=1e-9, atol=1e-8
    )


def test_of_equally_near_pixels_the_first_counts(tmp_path: Path) -> None:
    """Check 4: in whatever order the points are asked for."""
    source = one_valid(tmp_path, [(1, 0), (1, 2), (0, 0)])
    lon, lat = middles((3, 3))
    middle = np.array([4, 4])
    for _ in range(2):
        summary, _ = source.nearest(lon[middle], lat[middle])
        assert summary.offsets[:, 0].tolist() == [BASE[0] + 3] * 2
    every = source.nearest(lon, lat)[0].offsets
    back = source.nearest(lon[::-1], lat[::-1])[0].offsets[::-1]
    np.testing.assert_array_equal(every, back)


def test_the_nearest_of_many_equals_a_plain_search(tmp_path: Path) -> None:
    """Usable pixels scattered over chunks, points inside and far outside of the raster."""
    shape = (520, 530)
    offsets = np.full((*shape, 4), np.nan)
    rng = np.random.default_rng(5)
    rows, cols = rng.integers(0, 520, 40), rng.integers(300, 530, 40)
    offsets[rows, cols] = field((40, 1), 9)[:, 0]
    write(tmp_path / "sparse_2021.tif", year_of_layers(2021, offsets, shape))
    source = opened(tmp_path)
    lon, lat = middles(shape)
    usable = np.flatnonzero(~np.isnan(offsets[..., 0].ravel()))
    asked_lon = np.concatenate([rng.uniform(lon.min() - 3, lon.max() + 3, 200), [178.0, -60.0]])
    asked_lat = np.concatenate([rng.uniform(lat.min() - 3, lat.max() + 3, 200), [-80.0, 0.0]])
    summary, km = source.nearest(asked_lon, asked_lat)
    away = kilometres(asked_lon[:, None], asked_lat[:, None], lon[usable], lat[usable])
    np.testing.assert_allclose(km, away.min(axis=1), rtol=1e-9)
    expected = offsets.reshape(-1, 4)[usable[away.argmin(axis=1)]]
    np.testing.assert_array_equal(summary.offsets, expected)


def test_a_limit_ends_the_search(tmp_path: Path) -> None:
    """Pixels beyond it are as good as not there, and nobody reads them."""
    source = one_valid(tmp_path, [(0, 0)])
    lon, lat = middles((3, 3))
    free = source.nearest(lon, lat)[1]
    summary, km = source.nearest(lon, lat, 0.7)
    near = free <= 0.7
    assert 1 < near.sum() < 9
    np.testing.assert_array_equal(summary.known, near)
    np.testing.assert_array_equal(km, np.where(near, free, np.inf))
    far = source.nearest(np.array([-60.0]), np.array([0.0]), 100)
    assert not far[0].known[0] and np.isinf(far[1][0])


def test_a_broken_order_is_filled_from_beside(tmp_path: Path) -> None:
    """Check 3: what is out of order never gets out."""
    offsets = field((3, 3))
    offsets[1, 1] = [200, 150, 250, 300]
    offsets[0, 0] = [10, 100, 200, 375]  # dormancy after the next greenup
    write(tmp_path / "b_2021.tif", year_of_layers(2021, offsets, (3, 3)))
    source = opened(tmp_path)
    lon, lat = middles((3, 3))
    own = summarise(source.at(lon, lat))
    assert np.flatnonzero(~own.known).tolist() == [0, 4]
    assert own.left_out.tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 0]
    filled, km = source.nearest(lon, lat)
    assert filled.known.all() and km[[0, 4]].min() > 0.3 and km[[0, 4]].max() < 0.6


def test_a_raster_without_a_usable_pixel_is_one_clear_error(tmp_path: Path) -> None:
    source = one_valid(tmp_path, [])
    with pytest.raises(SourceError, match=r"--phenology .*: no pixel has the four dates .* 2021"):
        source.nearest(np.array([11.0]), np.array([48.0]))
