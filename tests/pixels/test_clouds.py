"""Clouds of a chip: measured, refused, hidden, and what is left in composites and stacks."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixel_world import band, chip, cut, grid, measured, scene, write
from schemas.errors import Fault, Reject
from schemas.scenes import Part, Scene
from schemas.windows import Grid
from transforms.clouds import Clear, Fractions, Hide
from transforms.composites import Merge
from transforms.context import Context
from transforms.imagery import valid_pixels


def two(tmp_path: Path, scl: Any, name: str = "SCL", **more: Any) -> Scene:
    """A scene of 10 m with a mask of 20 m."""
    fine = write(tmp_path / "f.tif", np.full((24, 24), 500, np.uint16), grid(10, 24), 0)
    mask = write(tmp_path / f"{name}.tif", np.asarray(scl, np.uint8), grid(20, 12))
    return scene((band("B04", fine), band(name, mask, 20, dtype="uint8")), grid(10, 24), **more)


def test_fault_43_a_fully_cloudy_patch_of_a_clear_tile(tmp_path: Path) -> None:
    """The scene says 10 percent; what counts is the chip."""
    scl = np.full((12, 12), 4)
    scl[:6, :6] = 9
    told = two(tmp_path, scl, cloud=10.0)
    over = chip(told, bands=("B04",), window=cut(told.grid, 1, 1, 10, 10))
    facts = measured(over)
    assert facts["cloud_patch"] == 1.0 and facts["valid_patch"] == 0.0
    assert facts["cloud_mask"] == "scl"
    with pytest.raises(Reject) as caught:
        Clear(0.5)(over, Context(seed=0))
    assert caught.value.code == "cloudy_patch" and "1.000" in caught.value.message
    beside = chip(told, bands=("B04",), window=cut(told.grid, 12, 12, 12, 12))
    assert measured(beside)["cloud_patch"] == 0.0
    assert Clear(0.0)(beside, Context(seed=0)) is beside


def test_a_mask_is_repeated_not_interpolated(tmp_path: Path) -> None:
    scl = np.random.default_rng(1).integers(0, 12, (12, 12))
    told = chip(two(tmp_path, scl), bands=("B04",), mask=True, resampling="cubic")
    kept = told.images["mask"]
    np.testing.assert_array_equal(kept.array[0], scl.repeat(2, 0).repeat(2, 1))
    assert kept.bands == ("SCL",) and kept.grid == told.images["image"].grid
    assert set(np.unique(kept.array)) <= set(np.unique(scl)), "no class that was not there"


def test_a_scene_without_a_mask_gives_nulls(tmp_path: Path) -> None:
    told = two(tmp_path, np.zeros((12, 12)), name="other")
    sample = chip(told, bands=("B04",), mask=True)
    facts = measured(sample)
    assert facts["cloud_mask"] == "" and "mask" not in sample.images
    assert all(facts[f"{n}_patch"] is None for n in ("cloud", "shadow", "snow", "nodata", "valid"))
    assert Clear(0.0)(sample, Context(seed=0)) is sample
    with pytest.raises(Reject) as caught:
        Clear(0.0, unknown=False)(sample, Context(seed=0))
    assert caught.value.code == "no_mask"


def test_alpha_knows_nothing_of_clouds(tmp_path: Path) -> None:
    alpha = np.full((12, 12), 255)
    alpha[:3] = 0
    facts = measured(chip(two(tmp_path, alpha, "alpha", collection="naip"), bands=("B04",)))
    assert facts["cloud_patch"] is None and facts["nodata_patch"] == 0.25


def test_fault_48_a_mask_half_a_pixel_off(tmp_path: Path) -> None:
    told = two(tmp_path, np.zeros((12, 12)))
    a, b, c, d, e, f = grid(20, 12).transform
    off = Grid("EPSG:32633", (a, b, c + 5, d, e, f), 12, 12)
    moved = write(tmp_path / "moved.tif", np.zeros((12, 12), np.uint8), off)
    told = replace(told, bands=(told.bands[0], replace(told.bands[1], href=moved)))
    with pytest.raises(Fault) as caught:
        measured(chip(told, bands=("B04",)))
    assert caught.value.code == "misaligned"


GROUND = {4: 500, 9: 9000, 3: 60, 11: 8000}
"""Stored number of pixels by their class: plants, cloud, shadow, snow."""


def dates(folder: Path, *classes: Any) -> tuple[Scene, ...]:
    """Scenes of 12 x 12 pixels with their classification, each class with a number of its own."""
    made, place = [], grid(10, 12)
    folder.mkdir(exist_ok=True)
    for t, scl in enumerate(classes):
        scl = np.broadcast_to(np.asarray(scl, np.uint8), (12, 12))
        dn = np.vectorize(GROUND.__getitem__)(scl).astype(np.uint16)
        hrefs = [
            write(folder / f"{t}{name}.tif", array, place, 0)
            for name, array in (("dn", dn), ("scl", scl))
        ]
        bands = (band("B04", hrefs[0]), band("SCL", hrefs[1], dtype="uint8"))
        made.append(scene(bands, place, id=f"s{t}", cloud=float(40 * t)))
    return tuple(made)


def test_a_composite_without_clouds(tmp_path: Path) -> None:
    """Two dates of three are cloud; hidden, they make no pixel of the composite."""
    half = np.full((12, 12), 9)
    half[:6] = 3
    told = dates(tmp_path, 4, 9, half)
    for method in ("median", "medoid"):
        clouded = Merge(method)(chip(*told, bands=("B04",)), Context(seed=0)).images["image"]
        assert (clouded.array[0, 6:] == 9000).all(), "so it would be"
        hidden = Hide()(chip(*told, bands=("B04",)), Context(seed=0))
        assert hidden.facts["hidden_share"] == pytest.approx(2 / 3)
        assert hidden.facts["nodata_share"] == pytest.approx(2 / 3)
        stack = hidden.images["image"]
        assert valid_pixels(stack.array[1], stack.nodata).sum() == 0, "files say it too"
        merged = Merge(method)(hidden, Context(seed=0))
        assert (merged.images["image"].array == 500).all() and merged.images["image"].valid.all()
        assert (merged.images["source"].array == 0).all()
        assert merged.facts["nodata_share"] == 0.0


def test_what_is_hidden_is_what_was_asked_for(tmp_path: Path) -> None:
    scl = np.full((12, 12), 4)
    scl[:3], scl[3:6], scl[6:9] = 9, 3, 11
    told = dates(tmp_path, scl)
    for asked, rows in (
        (("cloud",), [0, 1, 2]), (("shadow", "snow"), [3, 4, 5, 6, 7, 8]),
        (("cloud", "shadow"), [0, 1, 2, 3, 4, 5]),
    ):  # fmt: skip
        found = Hide(asked)(chip(*told, bands=("B04",)), Context(seed=0))
        gone = sorted(set(np.argwhere(~found.images["image"].valid)[:, 0].tolist()))
        assert gone == rows and found.facts["hidden_share"] == len(rows) / 12
    step = Hide()
    assert list(step.reads(chip(*told))) == [told[0].bands[1]]
    assert list(step.parts(chip(*told))) == [Part((told[0].bands[1],), told[0], (0, 0, 12, 12))]


def test_hiding_without_a_mask_says_so(tmp_path: Path) -> None:
    whole = chip(two(tmp_path, np.zeros((12, 12)), name="other"), bands=("B04",))
    found = Hide()(whole, Context(seed=0))
    assert found.facts["hidden_share"] is None and found.images["image"].valid.all()
    with pytest.raises(Reject) as caught:
        Hide(unknown=False)(whole, Context(seed=0))
    assert caught.value.code == "no_mask"
    for wrong in ({"kinds": ("haze",)}, {"kinds": ()}, {"legend": "nothing"}, {"confidence": 0}):
        with pytest.raises(ValueError, match="clouds"):
            Hide(**wrong)  # type: ignore[arg-type]


def test_shares_of_a_composite_are_those_of_its_pixels(tmp_path: Path) -> None:
    """By the mask of the date that each comes from, not of all that were looked at."""
    told = dates(tmp_path, 4, 9, 9)
    facts = measured(Merge("clearest")(chip(*told, bands=("B04",)), Context(seed=0)))
    assert facts["cloud_patch"] == 0.0 and facts["cloud_patch_worst"] == 0.0
    assert facts["valid_patch"] == 1.0 and facts["nodata_patch"] == 0.0
    half = np.full((12, 12), 4)
    half[:3], half[3:5] = 9, 3
    sample = chip(*dates(tmp_path / "b", half, 9), bands=("B04",))
    sample.images["image"].valid[0, 9:] = False
    sample.images["image"].valid[:, 11] = False
    facts = measured(Merge("first")(sample, Context(seed=0)))
    assert facts["cloud_patch"] == pytest.approx((3 + 2) / 12), "rows 0 to 2, and 9 and 10 of cloud"
    assert facts["shadow_patch"] == pytest.approx(2 / 12)
    assert facts["nodata_patch"] == pytest.approx(1 / 12)
    assert facts["valid_patch"] == pytest.approx(4 / 12)


def test_each_date_of_a_stack_is_measured_where_it_is_valid(tmp_path: Path) -> None:
    """A pixel without data is no cloud on its own date, and stays one on the other."""
    sample = chip(*dates(tmp_path, 9, 9), bands=("B04",))
    sample.images["image"].valid[1, :6] = False
    facts = measured(sample)
    assert facts["cloud_patch"] == 0.75 and facts["nodata_patch"] == 0.25
    assert facts["cloud_patch_worst"] == 1.0


def test_the_gates_arguments() -> None:
    for wrong in ({"confidence": 4}, {"legend": "nothing"}):
        with pytest.raises(ValueError, match=r"clouds\.Fractions"):
            Fractions(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_cloud"):
        Clear(10)
