"""Masks: every class and bit of the product guides, and shares by counting."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pixel_world import band, grid, scene
from schemas.masks import (
    ALPHA,
    CFMASK,
    CLOUD,
    HLS_FMASK,
    LEGENDS,
    QA_PIXEL,
    SCL,
    Legend,
    legend_of,
)
from transforms.clouds import fractions, kinds, surer
from transforms.imagery.choice import choose_bands


def kind(number: int, legend: Legend) -> set[str]:
    """What a single pixel is."""
    array = np.array([[number]], np.uint16 if number > 255 else np.uint8)
    found = kinds(array, legend, np.ones((1, 1), bool))
    return {name for name, where in found.items() if where is not None and where.all()}


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, "nodata"), (1, "nodata"), (2, ""), (3, "shadow"), (4, ""), (5, ""), (6, ""), (7, ""),
     (8, "cloud"), (9, "cloud"), (10, "cloud"), (11, "snow")],
)  # fmt: skip
def test_scene_classification(number: int, expected: str) -> None:
    assert kind(number, SCL) == ({expected} if expected else set())


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0b0, set()), (0b1, {"cloud"}), (0b10, {"cloud"}), (0b100, set()), (0b1000, {"shadow"}),
     (0b10000, {"snow"}), (0b100000, set()), (0b11000000, set()), (0b1010, {"cloud", "shadow"}),
     (255, {"nodata"}), (0b11100100, set())],
)  # fmt: skip
def test_hls_fmask_bits(number: int, expected: set[str]) -> None:
    assert kind(number, HLS_FMASK) == expected


def test_hls_clear_values_are_those_of_the_crop_chips() -> None:
    """Bits 0, 1, 3 and 4 unset, whatever the others: sixteen values."""
    clear = [n for n in range(256) if not kind(n, HLS_FMASK)]
    assert clear == [n for n in range(256) if not n & 0b11011] and len(clear) == 16


@pytest.mark.parametrize(
    ("number", "expected"),
    # 21824 clear land, 22280 cloud of high confidence, 23888 shadow, 30048 snow, 21952 water, 1 fill,
    # 21826 dilated cloud, 54596 cirrus: values of the Landsat 8-9 Level 2 product guide, table 6-3
    [(21824, set()), (22280, {"cloud"}), (23888, {"shadow"}), (30048, {"snow"}), (21952, set()),
     (1, {"nodata"}), (21826, set()), (54596, {"cloud"})],
)  # fmt: skip
def test_landsat_values_of_the_guide(number: int, expected: set[str]) -> None:
    assert kind(number, QA_PIXEL) == expected


@pytest.mark.parametrize("bit", range(16))
def test_landsat_single_bits(bit: int) -> None:
    expected = {0: {"nodata"}, 2: {"cloud"}, 3: {"cloud"}, 4: {"shadow"}, 5: {"snow"}}
    found = kinds(np.array([[1 << bit]], np.uint16), QA_PIXEL, np.ones((1, 1), bool))
    told = {n for n, where in found.items() if where is not None and where.all()}
    assert told == expected.get(bit, set())


@pytest.mark.parametrize(
    ("level", "asked", "cloud"),
    [
        (1, 3, False),
        (2, 3, False),
        (2, 2, True),
        (3, 2, True),
        (1, 2, False),
        (1, 1, True),
        (0, 1, False),
    ],
)
def test_landsat_confidence(level: int, asked: int, cloud: bool) -> None:
    assert ("cloud" in kind((level << 8) | 1 << 15, surer(QA_PIXEL, asked))) is cloud
    assert surer(SCL, 1) is SCL, "a mask without confidence has none to ask for"


@pytest.mark.parametrize(
    ("number", "legend", "expected"),
    [(0, CFMASK, set()), (1, CFMASK, set()), (2, CFMASK, {"shadow"}), (3, CFMASK, {"snow"}),
     (4, CFMASK, {"cloud"}), (255, CFMASK, {"nodata"}), (0, CLOUD, set()), (1, CLOUD, {"cloud"}),
     (255, CLOUD, {"nodata"}), (0, ALPHA, {"nodata"}), (255, ALPHA, set())],
)  # fmt: skip
def test_other_masks(number: int, legend: Legend, expected: set[str]) -> None:
    assert kind(number, legend) == expected


def test_which_mask_is_which() -> None:
    assert legend_of("sentinel-2-l2a", "SCL") is SCL is legend_of("sentinel-2-l2a", "scl")
    assert legend_of("hls2-s30", "Fmask") is HLS_FMASK is legend_of("HLSL30_2.0", "Fmask")
    assert legend_of("landsat-espa", "fmask") is CFMASK
    assert legend_of("landsat-c2-l2", "qa_pixel") is QA_PIXEL
    assert legend_of("naip", "alpha") is ALPHA
    assert legend_of("sentinel-2-l2a", "B04") is None
    assert {legend.name for legend in LEGENDS.values()} == set(LEGENDS)


@pytest.mark.parametrize("extra", ["qa_aerosol", "SCL", "AOT", "qa_radsat", "saa"])
def test_products_are_taken_only_where_asked_for(extra: str) -> None:
    """Where none of the wanted bands is there, all pictures are taken, and no flags."""
    told = scene((band("own", "x"), band(extra, "y")), grid(10, 16), collection="hls2-s30")
    assert [b.name for b in choose_bands(told, ("red",))] == ["own"]
    assert [b.name for b in choose_bands(told, (extra,))] == [extra]


@given(
    arrays(np.uint8, (3, 6, 6), elements=st.integers(0, 12)),
    arrays(bool, (3, 6, 6)),
)
def test_fractions_against_counting(mask: Any, there: Any) -> None:
    """Shares of all pixels, one by one."""
    found = fractions([kinds(m, SCL, t) for m, t in zip(mask, there, strict=True)])
    count = dict.fromkeys(("cloud", "shadow", "snow", "nodata", "valid"), 0)
    for number, seen in zip(mask.ravel().tolist(), there.ravel().tolist(), strict=True):
        name = (
            "nodata" if not seen or number in (0, 1)
            else "cloud" if number in (8, 9, 10)
            else {3: "shadow", 11: "snow"}.get(number)
        )  # fmt: skip
        count["valid"] += name in (None, "snow")
        if name:
            count[name] += 1
    for name, number in count.items():
        assert found[name] == pytest.approx(number / mask.size)
