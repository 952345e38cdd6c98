"""One synthetic pixel for each branch of the decision tree, and one on each side of its thresholds."""

import numpy as np
import pytest

from transforms.crops.hollstein import BANDS, CIRRUS, CLEAR, CLOUD, SHADOW, SNOW, classify

GROUND = dict.fromkeys(BANDS, 0.2)
"""Bright enough in B8A to be no shadow; each branch below changes what its rule names."""

BRANCHES = {
    "cloud by the red edge": (
        CLOUD,
        {"B03": 0.35, "B05": 0.4, "B11": 0.2, "B10": 0.0, "B06": 0.30, "B07": 0.32},
    ),
    "cloud by B01": (
        CLOUD,
        {"B03": 0.35, "B05": 0.4, "B11": 0.3, "B10": 0.01, "B01": 0.31, "B06": 0.3, "B07": 0.3},
    ),
    "clear: bright, no cirrus, dark in B01": (
        CLEAR,
        {"B03": 0.35, "B05": 0.4, "B11": 0.3, "B10": 0.01, "B01": 0.29},
    ),
    "thin cirrus over dark ground": (
        CIRRUS,
        {"B03": 0.1, "B8A": 0.3, "B02": 0.1, "B10": 0.01, "B09": 0.1},
    ),
    "clear: B10 tells of no cirrus": (
        CLEAR,
        {"B03": 0.1, "B8A": 0.3, "B02": 0.1, "B10": 0.005, "B09": 0.1},
    ),
    "clear: B09 tells of no cirrus": (
        CLEAR,
        {"B03": 0.1, "B8A": 0.3, "B02": 0.1, "B10": 0.01, "B09": 0.2},
    ),
    "thick cirrus": (
        CIRRUS,
        {"B03": 0.35, "B05": 0.4, "B11": 0.2, "B10": 0.0, "B06": 0.32, "B07": 0.32},
    ),
    "shadow, blue": (SHADOW, {"B03": 0.05, "B8A": 0.1, "B07": 0.04, "B09": 0.03, "B11": 0.05}),
    "clear: dark and dry in the infrared": (
        CLEAR,
        {"B03": 0.05, "B8A": 0.1, "B07": 0.04, "B09": 0.03, "B11": 0.2},
    ),
    "shadow, green": (SHADOW, {"B03": 0.1, "B8A": 0.1, "B07": 0.04, "B09": 0.08, "B11": 0.05}),
    "water, which is clear": (
        CLEAR,
        {"B03": 0.1, "B8A": 0.01, "B07": 0.02, "B09": 0.02, "B11": 0.005},
    ),
    "shadow on snow": (SHADOW, {"B03": 0.4, "B05": 0.4, "B11": 0.05, "B01": 0.5}),
    "clear: snow too dark to call": (CLEAR, {"B03": 0.4, "B05": 0.5, "B11": 0.05, "B01": 0.5}),
    "snow": (SNOW, {"B03": 0.8, "B05": 0.8, "B11": 0.1}),
}


@pytest.mark.parametrize(("kind", "pixel"), BRANCHES.values(), ids=BRANCHES)
def test_each_branch(kind: int, pixel: dict[str, float]) -> None:
    """The pixel that was made for a branch comes out of it."""
    found = classify({name: np.array([value]) for name, value in (GROUND | pixel).items()})
    assert found.tolist() == [kind]


def test_all_branches_at_once() -> None:
    """An array is judged pixel by pixel, and keeps its shape."""
    pixels = [GROUND | pixel for _, pixel in BRANCHES.values()]
    grids = {name: np.array([p[name] for p in pixels]).reshape(2, 7) for name in BANDS}
    found = classify(grids)
    assert found.shape == (2, 7)
    assert found.dtype == np.uint8
    assert found.ravel().tolist() == [kind for kind, _ in BRANCHES.values()]


def test_nothing_divides_by_zero() -> None:
    """Without light in B10, B11 and B09 there is neither cirrus nor a warning."""
    with np.errstate(all="raise"):
        found = classify({name: np.zeros((2, 2)) for name in BANDS})
    assert set(found.ravel().tolist()) <= {CLEAR, SHADOW}


def test_a_missing_band_is_named() -> None:
    """Level-2A has no B10: the tree cannot be asked."""
    with pytest.raises(KeyError, match="B10"):
        classify({name: np.zeros(1) for name in BANDS if name != "B10"})
