"""Composites against the slowest way of making them: pixel by pixel."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixel_world import WHEN, band, grid, scene
from schemas.errors import Fault
from schemas.samples import Image, Sample
from transforms.composites import Merge, first_valid, least_cloudy, median, medoid
from transforms.context import Context
from transforms.imagery import valid_pixels

KINDS = ["uint8", "uint16", "int16", "float32"]
stacks = st.builds(
    lambda seed, dates, bands, kind, share: (
        np.random.default_rng(seed).integers(0, 200, (dates, bands, 4, 5)).astype(kind),
        np.random.default_rng(seed + 1).random((dates, 4, 5)) < share,
        np.random.default_rng(seed + 2).integers(0, 4, dates).astype(float),
    ),
    st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 4), st.sampled_from(KINDS),
    st.sampled_from([0.2, 0.7, 1.0]),
)  # fmt: skip


def pixels(valid: Any) -> Any:
    """(y, x, the dates on which it is valid)."""
    for y, x in np.ndindex(valid.shape[1:]):
        yield y, x, [t for t in range(len(valid)) if valid[t, y, x]]


@settings(deadline=None)
@given(stacks)
def test_first_and_clearest(stack: tuple[Any, Any, Any]) -> None:
    array, valid, cloud = stack
    cloud[0] = np.nan
    for (found, source), order in (
        (first_valid(array, valid, 7), range(len(array))),
        (least_cloudy(array, valid, cloud, 7),
         sorted(range(len(array)), key=lambda t: (np.isnan(cloud[t]), cloud[t], t))),
    ):  # fmt: skip
        assert found.dtype == array.dtype
        for y, x, dates in pixels(valid):
            best = next((t for t in order if t in dates), -1)
            assert source[y, x] == best
            expected = array[best, :, y, x] if best >= 0 else 7
            np.testing.assert_array_equal(found[:, y, x], expected)


@settings(deadline=None)
@given(stacks)
def test_median(stack: tuple[Any, Any, Any]) -> None:
    array, valid, _ = stack
    found, source = median(array, valid, 7)
    assert found.dtype == array.dtype
    for y, x, dates in pixels(valid):
        if not dates:
            assert source[y, x] == -1 and (found[:, y, x] == 7).all()
            continue
        values = np.sort(array[dates, :, y, x].astype(float), axis=0)
        n = len(values)
        middle = (values[(n - 1) // 2] + values[n // 2]) / 2
        expected = np.rint(middle) if array.dtype.kind in "ui" else middle
        np.testing.assert_array_equal(found[:, y, x], expected)
        apart = [np.abs(array[t, :, y, x] - middle).sum() for t in dates]
        assert source[y, x] == dates[int(np.argmin(apart))]


@settings(deadline=None)
@given(stacks)
def test_medoid(stack: tuple[Any, Any, Any]) -> None:
    array, valid, _ = stack
    found, source = medoid(array, valid, 7)
    for y, x, dates in pixels(valid):
        if not dates:
            assert source[y, x] == -1 and (found[:, y, x] == 7).all()
            continue
        spectra = array[dates, :, y, x].astype(float)
        total = [np.sqrt(((spectra - one) ** 2).sum(axis=1)).sum() for one in spectra]
        taken = dates.index(int(source[y, x]))
        assert total[taken] == pytest.approx(min(total), rel=1e-9, abs=1e-9)
        np.testing.assert_array_equal(found[:, y, x], array[source[y, x], :, y, x])


def test_fault_47_a_median_passes_over_nan() -> None:
    array = np.full((3, 1, 1, 1), 2.0, np.float32)
    array[0] = np.nan
    valid = np.ones((3, 1, 1), bool)
    valid[0] = False
    assert median(array, valid)[0].item() == 2.0
    assert medoid(array, valid)[0].item() == 2.0


def test_a_median_resists_one_cloud() -> None:
    clear = np.full((5, 3, 8, 8), 400, np.uint16)
    clear[2] = 9000
    found, source = median(clear, np.ones((5, 8, 8), bool))
    assert (found == 400).all() and (source == 0).all()
    assert (medoid(clear, np.ones((5, 8, 8), bool))[0] == 400).all()


def sample(dates: int) -> Sample:
    place = grid(10, 4)
    array = np.arange(dates * 2 * 16, dtype=np.uint16).reshape(dates, 2, 4, 4) + 1
    valid = np.ones((dates, 4, 4), bool)
    valid[0, 0, 0] = False
    valid[:, 1, 1] = False
    image = Image(array, ("a", "b"), place, 0, valid, times=(WHEN,) * dates)
    bands = (band("a", "x"), band("b", "y"))
    scenes = tuple(scene(bands, place, id=str(t), cloud=float(10 - t)) for t in range(dates))
    return Sample("w1", 15, 48, None, scenes, {"image": image})


@pytest.mark.parametrize("method", ["first", "clearest", "median", "medoid"])
def test_merge_makes_one_image(method: str) -> None:
    before = sample(3).images["image"]
    found = Merge(method)(sample(3), Context(seed=0))
    image, source = found.images["image"], found.images["source"]
    assert image.array.shape == (2, 4, 4) and not image.stacked and image.times == ()
    assert image.array.dtype == np.uint16 and image.nodata == 0
    assert not image.valid[1, 1] and image.valid.sum() == 15
    assert (image.array[:, 1, 1] == 0).all() and source.array[0, 1, 1] == -1
    if method == "first":
        assert source.array[0, 0, 0] == 1 and source.array[0, 0, 1] == 0
    if method == "clearest":
        np.testing.assert_array_equal(image.array[:, 0, 0], before.array[2, :, 0, 0])


@pytest.mark.parametrize(
    ("kind", "nodata", "dates", "expected"),
    [
        ("int16", 0, [[-3], [3]], [1]),
        ("uint16", 65535, [[65534], [65535]], [65534]),
        ("uint8", 0, [[0, 0, 9], [0, 9, 0], [9, 0, 0]], [1, 1, 1]),
        ("uint8", 0, [[0, 9, 9], [0, 9, 9]], [0, 9, 9]),
    ],
)
def test_a_median_is_never_taken_for_nodata(
    kind: str, nodata: float, dates: list[list[int]], expected: list[int]
) -> None:
    """Whoever reads the file finds every pixel valid that the image calls valid."""
    array = np.array(dates, kind)[:, :, None, None]
    names = tuple("abc"[: array.shape[1]])
    valid = np.ones((len(dates), 1, 1), bool)
    image = Image(array, names, grid(10, 1), nodata, valid, times=(WHEN,) * len(dates))
    merged = Merge("median")(Sample("m", 0, 0, images={"image": image}), Context(seed=0))
    found = merged.images["image"]
    assert found.array.ravel().tolist() == expected
    assert found.valid.all() and valid_pixels(found.array, nodata).all()


def test_a_median_that_cannot_be_told_from_nodata_is_none() -> None:
    array = np.array([-3.0, 3.0], np.float32).reshape(2, 1, 1, 1)
    image = Image(array, ("a",), grid(10, 1), 0.0, np.ones((2, 1, 1), bool), times=(WHEN,) * 2)
    merged = Merge("median")(Sample("m", 0, 0, images={"image": image}), Context(seed=0))
    assert not merged.images["image"].valid.any()
    assert merged.images["source"].array.item() == -1 and merged.facts["nodata_share"] == 1.0


@pytest.mark.parametrize("method", ["first", "clearest", "median", "medoid"])
def test_the_share_of_nodata_is_that_of_the_composite(method: str) -> None:
    told = sample(3)
    told.facts["nodata_share"] = 1.0 - float(told.images["image"].valid.mean())
    found = Merge(method)(told, Context(seed=0))
    assert found.facts["nodata_share"] == 1 / 16, "the one pixel that no date has"


def test_merge_needs_a_stack() -> None:
    one = sample(1)
    one.images["image"] = one.images["image"].date(0)
    with pytest.raises(Fault) as caught:
        Merge()(one, Context(seed=0))
    assert caught.value.code == "no_stack"
    with pytest.raises(ValueError, match="mean"):
        Merge("mean")
