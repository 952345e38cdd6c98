"""The world's GEDI granules: the layout of release 002, the world's biomass in every good shot."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import h5py
import numpy as np
import pytest
from pyproj import Geod

from catalogs.world import gedi, truth
from catalogs.world.sentinel2 import PASSES
from catalogs.world.sites import SITES


@pytest.fixture(scope="module")
def granules(world):
    """L4A beams by granule: {name: {beam: {dataset: values}}}."""
    found = {}
    for path in sorted(world.role("shots").glob("GEDI04_A_*.h5")):
        with h5py.File(path) as file:
            found[path.name] = {
                beam: {k: v[()] for k, v in group.items() if isinstance(v, h5py.Dataset)}
                | {k: group["land_cover_data"][k][()] for k in ("pft_class", "urban_proportion")}
                for beam, group in file.items()
                if beam.startswith("BEAM")
            }
    return found


@pytest.fixture(scope="module")
def shots(granules):
    """All shots of all granules: {dataset: values}."""
    beams = [beam for granule in granules.values() for beam in granule.values()]
    return {name: np.concatenate([beam[name] for beam in beams]) for name in beams[0]}


def test_granules_have_the_layout_of_release_two(world):
    names = sorted(p.name for p in world.role("shots").glob("*.h5"))
    assert len(names) == 8
    beams = []
    for path in sorted(world.role("shots").glob("GEDI04_A_*.h5")):
        with h5py.File(path) as file:
            assert file.attrs["license"] == "CC0-1.0" and "GENERATED" in file.attrs["title"]
            assert file["ANCILLARY/model_data"].shape == (35,)
            here = [name for name in file if name.startswith("BEAM")]
            beams.append(len(here))
            for beam in here:
                group, listed = file[beam], []
                group.visititems(
                    lambda name, thing, listed=listed: (
                        listed.append(name) if isinstance(thing, h5py.Dataset) else None
                    )
                )
                assert len(listed) == 183 and sum("/" not in name for name in listed) == 29
                full = int(beam[4:], 2) >= 5
                assert group.attrs["description"].startswith("Full" if full else "Coverage")
                assert group["shot_number"].dtype == np.uint64
                assert group["agbd"].dtype == np.float32 and group["agbd"].attrs["_FillValue"] < 0
                assert group["lat_lowestmode"].dtype == group["delta_time"].dtype == np.float64
                assert group["l4_quality_flag"].dtype == np.uint8
                assert h5py.check_string_dtype(group["predict_stratum"].dtype)
                assert group["xvar"].shape == (group["agbd"].size, 4)
    assert sorted(beams) == [7, 8, 8, 8]


def test_shot_numbers_are_digits_of_orbit_beam_and_index(granules):
    seen = set()
    for name, beams in granules.items():
        orbit = int(name.split("_O")[1][:5])
        for beam, values in beams.items():
            for number in values["shot_number"][::40]:
                digits = f"{int(number):018d}"
                assert int(digits[:5]) == orbit and int(digits[5:7]) == int(beam[4:], 2)
                assert digits[7] == "0" and digits[8:10] == "02"
            seen |= set(values["shot_number"].tolist())
    assert len(seen) == sum(v["agbd"].size for beams in granules.values() for v in beams.values())


def test_a_shot_has_the_biomass_of_its_footprint(world, shots):
    ran = shots["agbd"] != -9999
    truly = truth.biomass(world, shots["lon_lowestmode"], shots["lat_lowestmode"])
    assert ran.sum() > 3000 and (~ran).sum() > 50
    assert shots["agbd"][ran] == pytest.approx(truly[ran], rel=1e-6, abs=1e-5)
    assert (shots["agbd_se"][ran] > 0).all()
    assert (shots["agbd_pi_lower"] <= shots["agbd"]).all()
    assert (shots["agbd"] <= shots["agbd_pi_upper"]).all()
    assert (shots["algorithm_run_flag"] == ran).all()
    woods = np.isin(shots["pft_class"], (1, 4)) & ran
    assert np.median(shots["agbd"][woods]) > 120 > 10 > np.median(shots["agbd"][ran & ~woods])


def test_the_model_in_the_granule_gives_its_biomass(world):
    """Relative height of the L2A granule, parameters of the L4A granule, biomass of the shot."""
    for path in sorted(world.role("shots").glob("GEDI04_A_*.h5")):
        other = next(world.role("shots").glob(f"GEDI02_A_{path.name[9:41]}*"))
        with h5py.File(path) as file, h5py.File(other) as heights:
            model = file["ANCILLARY/model_data"][0]
            for beam in (name for name in file if name.startswith("BEAM")):
                numbers, rh = heights[beam]["shot_number"][()], heights[beam]["rh"][()]
                assert (numbers == file[beam]["shot_number"][()]).all()
                assert rh.dtype == np.float32 and rh.shape[1] == 101
                assert (np.diff(rh, axis=1) >= -1e-5).all()
                agbd = file[beam]["agbd"][()]
                ran = agbd != -9999
                mean = model["par"][0] + model["par"][1] * np.sqrt(rh[:, 98].astype(float) + 100)
                told = model["bias_correction_value"] * mean**2
                assert agbd[ran] == pytest.approx(told[ran], rel=1e-3, abs=0.01)


def test_flags_are_mixed(shots):
    for name in ("l2_quality_flag", "l4_quality_flag", "surface_flag", "algorithm_run_flag"):
        assert 0.005 < (shots[name] == 0).mean() < 0.3, name
    assert 0.02 < (shots["degrade_flag"] > 0).mean() < 0.12
    assert 0.9 <= shots["sensitivity"].min() < 0.95 < shots["sensitivity"].max() <= 0.99
    assert (shots["solar_elevation"] > 0).any() and (shots["solar_elevation"] < 0).any()
    assert (shots["urban_proportion"] >= 50).any()


def test_beams_are_600_m_apart_with_a_shot_every_60_m(granules):
    geod = Geod(ellps="WGS84")
    for beams in granules.values():
        steps, firsts = [], []
        for values in beams.values():
            lon, lat = values["lon_lowestmode"], values["lat_lowestmode"]
            steps.append(geod.inv(lon[:-1], lat[:-1], lon[1:], lat[1:])[2])
            firsts.append((values["delta_time"][0], lon, lat))
        assert np.median(np.concatenate(steps)) == pytest.approx(60, abs=0.1)
        azimuth, _, _ = geod.inv(
            firsts[0][1][0], firsts[0][2][0], firsts[0][1][-1], firsts[0][2][-1]
        )
        across = []
        for _, lon, lat in firsts:
            there, _, far = geod.inv(firsts[0][1][0], firsts[0][2][0], lon[0], lat[0])
            across.append(far * np.sin(np.radians(there - azimuth)))
        for low, high in pairwise(across):
            assert (high - low) / 600 == pytest.approx(round((high - low) / 600), abs=0.05)
            assert high > low


def test_most_shots_follow_a_pass_within_60_days_and_some_follow_none(shots):
    """The passes are those of the scene that the shot lies in."""
    gaps = []
    for lon, lat, seconds in zip(
        shots["lon_lowestmode"], shots["lat_lowestmode"], shots["delta_time"], strict=True
    ):
        site = min(SITES, key=lambda s: abs(s.lon - lon) + abs(s.lat - lat))
        when = datetime(2018, 1, 1, tzinfo=UTC) + timedelta(seconds=float(seconds))
        passes = [datetime.fromisoformat(f"{p.day}T10:15:59+00:00") for p in PASSES[site.epsg]]
        gaps.append(min(((when - p).days for p in passes if p <= when), default=None))
    assert 500 < gaps.count(None) < 1200
    assert max(gap for gap in gaps if gap is not None) <= 60


def test_the_granules_are_the_same_bytes_again(world, tmp_path):
    gedi.gather([truth.place(world, SITES[0].id)], tmp_path, [])
    for path in sorted(tmp_path.iterdir()):
        assert path.read_bytes() == (world.role("shots") / path.name).read_bytes(), path.name
