"""Distances between splits against brute force, across the antimeridian and with mixed sizes."""

import numpy as np
import pytest

from schemas import near, spacing
from schemas.windows import arcs, chords, unit_vectors


def scattered(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres around 180 degrees, radii of 100 to 3000 m, split codes -1 to 2."""
    rng = np.random.default_rng(seed)
    xyz = unit_vectors(rng.uniform(179, 181, n), rng.uniform(-1, 1, n))
    return xyz, rng.uniform(100, 3000, n), rng.integers(-1, 3, n)


@pytest.mark.parametrize("buffer_m", [-100.0, 0.0, 500.0])
@pytest.mark.parametrize("same_size", [True, False])
def test_every_sample_in_a_breach_is_named(buffer_m: float, same_size: bool) -> None:
    xyz, radius, splits = scattered(1200)
    radius = np.full(len(radius), 300.0) if same_size else radius
    pairs, gaps = spacing.breaches(xyz, radius, splits, buffer_m)
    apart = arcs(np.linalg.norm(xyz[:, None] - xyz[None], axis=2))
    apart -= radius[:, None] + radius[None]
    known = (splits[:, None] >= 0) & (splits[None] >= 0)
    bad = (apart < buffer_m) & known & (splits[:, None] != splits[None])
    wanted = {(int(i), int(splits[j])) for i, j in np.argwhere(bad)}
    named = {(int(i), int(splits[j])) for a, b in pairs for i, j in ((a, b), (b, a))}
    assert named == wanted
    assert all(bad[a, b] for a, b in pairs)
    np.testing.assert_allclose(gaps, apart[pairs[:, 0], pairs[:, 1]])
    assert (np.diff(gaps) >= 0).all()


def test_nearest_is_the_least_gap_of_every_two_splits() -> None:
    xyz, radius, splits = scattered(1200)
    apart = arcs(np.linalg.norm(xyz[:, None] - xyz[None], axis=2))
    apart -= radius[:, None] + radius[None]
    for (a, b), gap in spacing.nearest(xyz, radius, splits).items():
        assert gap == pytest.approx(apart[np.ix_(splits == a, splits == b)].min())


def test_circle_of_a_chip_holds_its_corners() -> None:
    affine = np.array([[10.0, 0, 500_000, 0, -10, 5_000_000]])
    _, radius = spacing.circles(["EPSG:32632"], affine, [64], [64])
    assert radius[0] == pytest.approx(320 * np.sqrt(2), rel=0.005)


def test_circles_do_not_mind_the_pole_or_the_date_line() -> None:
    polar = np.array([[10.0, 0, 2_000_000 - 320, 0, -10, 2_000_000 + 320]])
    xyz, radius = spacing.circles(["EPSG:32661"], polar, [64], [64])
    np.testing.assert_allclose(xyz[0], [0, 0, 1], atol=1e-6)
    assert radius[0] == pytest.approx(320 * np.sqrt(2), rel=0.02)


def test_look_alikes_are_those_of_brute_force() -> None:
    rng = np.random.default_rng(1)
    n = 1000
    phash = rng.integers(0, 2**63, n, dtype=np.uint64)
    phash[n // 2 :] = phash[: n // 2]
    for row in range(n // 2, n):
        for bit in rng.integers(0, 64, rng.integers(0, 7)):
            phash[row] ^= np.uint64(1) << np.uint64(bit)
    lon, lat = rng.uniform(179.5, 180.5, n), rng.uniform(-0.5, 0.5, n)
    lon[n // 2 :], lat[n // 2 :] = lon[: n // 2] + 0.15, lat[: n // 2] + 0.12
    xyz, splits, valid = unit_vectors(lon, lat), rng.integers(-1, 3, n), rng.random(n) > 0.1
    found = near.cross_split_pairs(phash, valid, splits, xyz)
    bits = np.bitwise_count(phash[:, None] ^ phash[None])
    close = np.linalg.norm(xyz[:, None] - xyz[None], axis=2) <= chords(25_000)
    use = valid & (splits >= 0)
    both = use[:, None] & use[None] & (splits[:, None] != splits[None]) & (bits <= 4) & close
    wanted = np.argwhere(np.triu(both))
    assert len(wanted) > 20
    np.testing.assert_array_equal(found, wanted)


def test_one_split_has_no_look_alikes_across() -> None:
    xyz = unit_vectors(np.zeros(4), np.zeros(4))
    zeros = np.zeros(4, np.int64)
    found = near.cross_split_pairs(zeros.astype(np.uint64), np.ones(4, bool), zeros, xyz)
    assert found.shape == (0, 2)


def test_hashes_parse_and_flat_pictures_are_left_out() -> None:
    hashes, valid = near.parse(["00000000000000ff", "", None])
    assert hashes[0] == 255
    assert valid.tolist() == [True, False, False]
