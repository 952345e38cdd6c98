"""The same ground tells the same reflectance, whatever catalogue and baseline it comes from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

import pixel_world
from pixel_world import DATA, band, chip, grid, scene, write
from schemas.sensors import baseline_number, convention, experimental, reflective, scaling
from transforms.imagery import Find, remove_offset
from transforms.imagery.radiometry import dark_level, suspect

PLACE = grid(10, 24)
RNG = np.random.default_rng(5)
TRUE = np.where(RNG.random((24, 24)) < 0.05, 0.0, RNG.uniform(0, 0.9, (24, 24)))
"""Reflectance."""


def stored(offset: int) -> Any:
    """A product's numbers: reflectance x 10,000 + offset, at least 1 (0 is nodata)."""
    return np.maximum(np.rint(TRUE * 10_000) + offset, 1).astype(np.uint16)


CASES = [
    # provider, collection, baseline, flag, offset in the file
    ("planetary-computer", "sentinel-2-l2a", "02.12", None, 0),
    ("planetary-computer", "sentinel-2-l2a", "03.01", None, 0),
    ("planetary-computer", "sentinel-2-l2a", "04.00", None, 1000),
    ("planetary-computer", "sentinel-2-l2a", "05.11", None, 1000),
    ("earth-search", "sentinel-2-l2a", "02.12", False, 0),
    ("earth-search", "sentinel-2-l2a", "03.01", None, 0),
    ("earth-search", "sentinel-2-l2a", "05.11", True, 0),
    ("earth-search", "sentinel-2-l2a", "05.11", False, 1000),
    ("earth-search", "sentinel-2-l2a", "04.00", None, 1000),
    ("earth-search", "sentinel-2-c1-l2a", "05.00", None, 1000),
    ("earth-search", "sentinel-2-c1-l2a", "05.00", True, 1000),
    ("earth-engine", "COPERNICUS/S2_SR_HARMONIZED", "05.11", None, 0),
    ("earth-engine", "COPERNICUS/S2_SR", "05.11", None, 1000),
    ("", "sentinel-2-l2a", "N0511", None, 1000),
    ("", "sentinel-2-l1c", "02.05", None, 0),
]


@pytest.mark.parametrize(("provider", "collection", "baseline", "flag", "offset"), CASES)
def test_fault_45_every_convention_tells_the_same_reflectance(
    provider: str, collection: str, baseline: str, flag: bool | None, offset: int, tmp_path: Path
) -> None:
    href = write(tmp_path / "b.tif", stored(offset), PLACE, 0)
    told = scene(
        (band("B04", href, common="red"),), PLACE, provider=provider, collection=collection,
        baseline=baseline, offset_applied=flag,
    )  # fmt: skip
    found = chip(told)
    facts, image = found.facts, found.images["image"]
    assert image.valid.all() and image.array.dtype == np.uint16
    assert np.abs(image.array[0].astype(int) - stored(0).astype(int)).max() <= 1
    assert facts["radiometric_convention"] == "dn_pre04"
    assert facts["offset_applied"] == -offset
    physical = image.array[0] * facts["scale"] + facts["offset"]
    np.testing.assert_allclose(physical, TRUE, atol=1.01e-4)


def test_fault_45_a_reprocessed_scene_of_2019_carries_the_offset(tmp_path: Path) -> None:
    """The date says nothing: both were taken on the same day, one processed anew."""
    old = write(tmp_path / "old.tif", stored(0), PLACE, 0)
    new = write(tmp_path / "new.tif", stored(1000), PLACE, 0)
    when = pixel_world.WHEN.replace(year=2019)
    first = chip(scene((band("B04", old),), PLACE, baseline="02.13", datetime=when))
    again = chip(
        scene((band("B04", new),), PLACE, baseline="05.00", datetime=when,
              collection="sentinel-2-c1-l2a")
    )  # fmt: skip
    one, two = (s.images["image"].array.astype(int) for s in (first, again))
    assert np.abs(one - two).max() <= 1
    assert again.facts["offset_applied"] == -1000


@pytest.mark.parametrize(
    ("baseline", "test"),
    [("99.99", True), ("N9999", True), ("05.11", False), ("", False), ("x", False)],
)
def test_fault_45_experimental_baselines_are_dropped(baseline: str, test: bool) -> None:
    from schemas.errors import Reject
    from schemas.samples import Sample
    from transforms.context import Context

    assert experimental(baseline) is test

    class Source:
        def over(self, lon: float, lat: float) -> list[Any]:
            return [scene((band("B04", "x"),), PLACE, baseline=baseline, cloud=1.0)]

    sample, ctx = Sample("w1", 15, 48), Context(sources={"imagery": Source()})
    if not test:
        assert len(list(Find()(sample, ctx))) == 1
        return
    with pytest.raises(Reject) as caught:
        list(Find()(sample, ctx))
    assert caught.value.code == "experimental_baseline"


def test_unknown_baseline_is_told_as_unknown(tmp_path: Path) -> None:
    href = write(tmp_path / "b.tif", stored(0), PLACE, 0)
    facts = chip(scene((band("B04", href),), PLACE, baseline="")).facts
    assert facts["radiometric_convention"] == "as_stored" and facts["offset_applied"] == 0
    assert (facts["scale"], facts["offset"]) == (1e-4, None)


@pytest.mark.parametrize(
    ("text", "number"), [("05.10", 5.1), ("N0510", 5.1), ("0301", 3.01), ("", None), ("v2", None)]
)
def test_baselines_as_people_write_them(text: str, number: float | None) -> None:
    assert baseline_number(text) == number


@pytest.mark.parametrize(
    ("collection", "name", "common", "scale", "offset"),
    [
        ("landsat-c2-l2", "red", "red", 2.75e-5, -0.2),
        ("landsat-c2l2-sr", "B4", "red", 2.75e-5, -0.2),
        ("LANDSAT/LC08/C02/T1_L2", "SR_B4", "red", 2.75e-5, -0.2),
        ("landsat-c2-l2", "lwir11", "lwir11", 0.00341802, 149.0),
        ("landsat-c2-l2", "qa_pixel", "qa_pixel", 1.0, 0.0),
        ("landsat-c2-l2", "ST_B10", "lwir11", 0.00341802, 149.0),
        ("hls2-s30", "B04", "red", 1e-4, 0.0),
        ("HLSL30_2.0", "B05", "nir08", 1e-4, 0.0),
        ("naip", "red", "red", 1.0, 0.0),
        ("sentinel-5p-l2-netcdf", "no2", "no2", 1.0, 0.0),
        ("sentinel-1-grd", "vv", "vv", 1.0, 0.0),
    ],
)
def test_scaling_of_other_collections(
    collection: str, name: str, common: str, scale: float, offset: float
) -> None:
    """Values of the product guides named in `schemas.sensors.RULES`."""
    rule = convention(collection)
    assert rule.offset == 0 and rule.name == "as_stored"
    assert scaling(rule, name, common) == (scale, offset)


def test_what_an_item_declares_stands_where_no_rule_does() -> None:
    assert scaling(convention("my-collection"), "b1", "b1", (0.5, 3.0)) == (0.5, 3.0)
    declared = scaling(convention("sentinel-2-l2a", "05.11", True), "red", "red", (1e-4, -0.1))
    assert declared == (1e-4, 0.0), "Earth Search declares an offset that is gone already"


@pytest.mark.parametrize("name", ["emis", "trad", "cdist", "qa", "st_qa", "atran", "qa_aerosol"])
@pytest.mark.parametrize("collection", ["landsat-c2-l2", "landsat-c2l2-st", "hls2-l30"])
def test_products_beside_the_bands_keep_what_items_declare(collection: str, name: str) -> None:
    """Emissivity, radiance, distances and angles have scales of their own (USGS LSDS-1619, table 6-1)."""
    assert scaling(convention(collection), name, name, (1e-4, 0.5)) == (1e-4, 0.5)
    assert scaling(convention(collection), name) == (1.0, 0.0)


@pytest.mark.parametrize(
    "name", ["cloud", "snow", "MSK_CLDPRB", "QA60", "cs_cdf", "AOT", "new_one"]
)
def test_fault_45_no_offset_is_taken_from_what_is_no_reflectance(name: str, tmp_path: Path) -> None:
    """Probabilities and flags of a scene with offset, known to us or not."""
    dn, share = (np.full((24, 24), value, np.uint16) for value in (3000, 80))
    hrefs = [write(tmp_path / f"{n}.tif", a, PLACE) for n, a in (("r", dn), ("s", share))]
    bands = (band("B04", hrefs[0], common="red"), band(name, hrefs[1], common=name.lower()))
    told = scene(
        bands, PLACE, collection="sentinel-2-c1-l2a", baseline="05.11", provider="earth-search"
    )
    array = chip(told).images["image"].array
    assert (array[0] == 2000).all() and (array[1] == 80).all()


def test_every_band_of_the_sensors_is_reflective() -> None:
    """Under the names of ESA, of STAC and of Earth Engine (no leading zero, SR_B)."""
    for number in (*range(1, 10), 11, 12):
        assert reflective(f"B{number:02d}") and reflective(f"B{number}")
    for number in range(1, 8):
        assert reflective(f"SR_B{number}")
    for name in ("B8A", "B10", "coastal", "nir", "nir08", "nir09", "rededge", "rededge1", "swir22"):
        assert reflective(name)
        assert reflective("x", name)
    assert not reflective("B10", "lwir11") and not reflective("B11", "lwir12")


def test_masks_keep_their_numbers(tmp_path: Path) -> None:
    """No offset is taken from classes, water vapour or aerosol."""
    scl = RNG.integers(0, 12, (24, 24)).astype(np.uint16)
    hrefs = [write(tmp_path / f"{n}.tif", a, PLACE) for n, a in (("r", stored(1000)), ("s", scl))]
    told = scene(
        (band("B04", hrefs[0], common="red"), band("SCL", hrefs[1])), PLACE, baseline="05.11"
    )
    found = chip(told)
    np.testing.assert_array_equal(found.images["image"].array[1], scl)
    assert found.images["image"].array[0].max() <= 9001
    assert found.facts["scale"] is None, "bands of different scales have none in common"
    assert not reflective("SCL") and reflective("B04", "red")


@given(
    st.lists(st.integers(0, 65535), min_size=1, max_size=30), st.sampled_from([-1000, 0]),
    st.sampled_from([0, None, 65535]),
)  # fmt: skip
def test_fault_45_offset_never_wraps_and_never_makes_nodata(
    numbers: list[int], offset: int, nodata: int | None
) -> None:
    array = np.array(numbers, np.uint16)
    found = remove_offset(array, offset, nodata)
    assert found.dtype == array.dtype
    for before, after in zip(numbers, found.tolist(), strict=True):
        if before == nodata:
            assert after == nodata
        elif offset:
            assert after == max(before + offset, 1 if nodata == 0 else 0)
        else:
            assert after == before


BANDS = ("blue", "green", "red", "nir")


def test_an_offset_never_wraps_upwards() -> None:
    """A number that would leave its type stops at the type's end."""
    found = remove_offset(np.array([0, 1, 64_535, 65_000], np.uint16), 1000, 0)
    assert found.tolist() == [0, 1001, 65_535, 65_535]


def ground(kind: str) -> Any:
    """(band, y, x) DN without offset of a kind of ground, 64 x 64, with noise."""
    means = {
        "forest": (250, 450, 300, 3200), "lake": (500, 450, 300, 120), "desert": (1500, 2200, 3000, 3600),
        "cloud": (5200, 5100, 5000, 5050), "snow": (9000, 8900, 8700, 7000), "town": (1300, 1500, 1700, 2300),
    }[kind]  # fmt: skip
    noise = np.random.default_rng(3).normal(0, 30, (4, 64, 64))
    return np.clip(np.array(means)[:, None, None] + noise, 1, None)


@pytest.mark.parametrize("kind", ["forest", "lake"])
def test_fault_45_dark_ground_tells_a_wrong_flag(kind: str) -> None:
    dn, valid = ground(kind), np.ones((64, 64), bool)
    level = {o: dark_level(dn + o, BANDS, valid) for o in (0, 1000)}
    assert suspect(level[0]) is False
    assert suspect(level[1000]) is True, "said to be removed, and still there"
    assert suspect(dark_level(dn, BANDS, valid, -1000)) is True, "removed twice"
    assert suspect(dark_level(dn + 1000, BANDS, valid, -1000)) is False


@pytest.mark.parametrize("kind", ["desert", "cloud", "snow", "town"])
@pytest.mark.parametrize("offset", [0, 1000])
def test_bright_ground_tells_nothing(kind: str, offset: int) -> None:
    level = dark_level(ground(kind) + offset, BANDS, np.ones((64, 64), bool))
    assert suspect(level) in (None, False)


def test_fault_45_a_wrong_flag_is_recorded_and_suspected(tmp_path: Path) -> None:
    dn = np.rint(ground("lake") + 1000).astype(np.uint16)
    place = grid(10, 64)
    href = write(tmp_path / "x.tif", dn, place, 0)
    bands = tuple(band(n, href, index=i + 1) for i, n in enumerate(BANDS))
    facts = {
        flag: chip(scene(bands, place, baseline="05.11", offset_applied=flag)).facts
        for flag in (True, False)
    }
    assert facts[True]["offset_applied"] == 0 and facts[True]["offset_suspect"] is True
    assert facts[False]["offset_applied"] == -1000 and facts[False]["offset_suspect"] is False


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside the repository")
@pytest.mark.parametrize(
    "name", ["20170613T101031_87_48", "20170617T113321_36_85", "20170617T113321_4_55"]
)
def test_fault_45_real_fields_and_woods(name: str) -> None:
    """Summer patches of 2017, baseline 02.05: no offset, and 1000 more or less are noticed."""
    folder = DATA / "bigearthnet_s1_s2" / "S2" / f"S2A_MSIL2A_{name}"
    arrays = []
    for number in ("02", "03", "04", "08"):
        with rasterio.open(folder / f"{folder.name}_B{number}.tif") as source:
            arrays.append(source.read(1).astype(int))
    dn, valid = np.array(arrays), np.ones((120, 120), bool)
    assert suspect(dark_level(dn, BANDS, valid)) is False
    assert suspect(dark_level(dn + 1000, BANDS, valid)) is True
    assert suspect(dark_level(dn, BANDS, valid, -1000)) is True
