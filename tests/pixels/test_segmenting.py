"""Cloud and shadow by a network: when it is asked, what it is shown, and what follows from its mask."""

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixel_world import DATA, band, chip, cut, grid, scene, write
from schemas.errors import UsageError
from schemas.masks import NO_DATA, UNASKED
from schemas.samples import Sample
from schemas.scenes import Scene
from transforms import cloud_network, segmenting
from transforms.clouds import Fractions, Hide
from transforms.composites import Merge
from transforms.context import Context
from transforms.segmenting import Clouds

NAMES = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir"}
LAND, CLOUD, SHADOW = 1500, 7000, 200
installed = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("ukis_csmask", "onnxruntime")),
    reason="needs the extra `clouds`",
)


@dataclass
class Threshold:
    """Instead of a network: bright is cloud, dark is shadow; remembers what it was shown."""

    level: str
    count: int
    shown: list[Any]

    @property
    def bands(self) -> tuple[str, ...]:
        return segmenting.SIX[: self.count]

    @property
    def name(self) -> str:
        return f"threshold {self.count} {self.level}"

    def classes(self, reflectance: Any) -> Any:
        self.shown.append(reflectance)
        mean = reflectance.mean(axis=0)
        return np.where(mean > 0.4, 1, np.where(mean < 0.05, 2, 0)).astype(np.uint8)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the network was shown, in order."""
    seen: list[Any] = []
    monkeypatch.setattr(segmenting, "network", lambda level, n: Threshold(level, n, seen))
    return seen


def picture() -> Any:
    """60 x 60 pixels: cloud in 12 x 12, shadow in 6 x 12, no data in 3 x 60."""
    found = np.full((60, 60), LAND, np.uint16)
    found[12:24, 12:24], found[30:36, 12:24], found[57:60] = CLOUD, SHADOW, 0
    return found


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Scene]:
    def make(
        name: str, pixels: Any, mask: Any = None, collection: str = "sentinel-2-l2a", **more: Any
    ) -> Scene:
        place = grid(10.0, 60)
        bands = [band(n, write(tmp_path / f"{name}_{n}.tif", pixels, place, 0), common=c, nodata=0.0)
                 for n, c in NAMES.items()]  # fmt: skip
        if mask is not None:
            href = write(tmp_path / f"{name}_scl.tif", mask, grid(20.0, 30), 0)
            bands.append(band("SCL", href, 20.0, dtype="uint8", nodata=0.0))
        return scene(tuple(bands), place, id=name, collection=collection,
                     baseline="02.09", **more)  # fmt: skip

    return make


def segmented(*scenes: Scene, **settings: Any) -> Sample:
    return Clouds(**settings)(chip(*scenes), Context())


def test_facts_are_those_of_the_truth(build: Callable[..., Scene], shown: list[Any]) -> None:
    sample = Fractions()(segmented(build("a", picture())), Context())
    facts, image = sample.facts, sample.images["segmented"]
    assert facts["cloud_patch"] == pytest.approx(144 / 3600)
    assert facts["shadow_patch"] == pytest.approx(72 / 3600)
    assert facts["nodata_patch"] == pytest.approx(180 / 3600)
    assert facts["valid_patch"] == pytest.approx(1 - (144 + 72 + 180) / 3600)
    assert facts["cloud_patch_worst"] == facts["cloud_patch"] and facts["snow_patch"] is None
    assert (facts["cloud_mask"], facts["cloud_network"]) == ("ukis_csmask", "threshold 4 l2a")
    expected = np.where(picture() == CLOUD, 1, np.where(picture() == SHADOW, 2, 0))
    expected[57:] = NO_DATA
    np.testing.assert_array_equal(image.array[0], expected)
    assert shown[0].shape == (4, 20, 20), "30 m"
    np.testing.assert_allclose(shown[0][0, 0], LAND / 1e4, atol=1e-6)


def test_equal_truth_gives_the_facts_of_a_scene_classification(
    build: Callable[..., Scene], shown: list[Any]
) -> None:
    small = picture()[::2, ::2]
    scl = np.select([small == CLOUD, small == SHADOW, small == 0], [9, 3, 0], 4).astype(np.uint8)
    own = Fractions()(segmented(build("a", picture(), scl)), Context())
    assert own.facts["cloud_mask"] == "scl" and own.facts["cloud_network"] == "" and not shown
    assert (own.images["segmented"].array == UNASKED).all()
    ours = Fractions()(segmented(build("b", picture(), scl), every=True), Context())
    assert (ours.facts["cloud_mask"], len(shown)) == ("ukis_csmask", 1), ours.facts
    for name in ("cloud", "shadow", "valid"):
        assert ours.facts[f"{name}_patch"] == pytest.approx(own.facts[f"{name}_patch"], abs=0.021)


@pytest.mark.parametrize(
    ("collection", "level"),
    [("sentinel-2-l1c", "l1c"), ("sentinel-2-l2a", "l2a"), ("COPERNICUS/S2_SR_HARMONIZED", "l2a"),
     ("COPERNICUS/S2_HARMONIZED", "l1c"), ("landsat-c2-l2", "l2a"), ("my-pictures", "")],
)  # fmt: skip
def test_levels_by_collection(
    collection: str, level: str, build: Callable[..., Scene], shown: list[Any]
) -> None:
    made = build("a", picture(), collection=collection)
    found = Clouds()._network(made, tuple(NAMES.values()))
    assert (found.level if found else "") == level
    assert Clouds(level="l1c")._network(made, tuple(NAMES.values())).level == "l1c"


def test_six_bands_where_there_are_six_and_none_where_one_is_missing(
    build: Callable[..., Scene], shown: list[Any]
) -> None:
    made = build("a", picture())
    assert Clouds()._network(made, segmenting.SIX).count == 6
    assert Clouds()._network(made, ("nir08", "red", "green", "blue")).count == 4
    assert Clouds()._network(made, ("red", "green", "blue")) is None
    sample = Fractions()(Clouds()(chip(made, bands=("red", "green")), Context()), Context())
    assert sample.facts["cloud_patch"] is None and sample.facts["cloud_mask"] == "" and not shown


def test_each_date_by_its_own_mask_and_hidden_before_a_composite(
    build: Callable[..., Scene], shown: list[Any]
) -> None:
    clear = np.full((60, 60), LAND, np.uint16)
    scl = np.full((30, 30), 4, np.uint8)
    scl[20:, :] = 9
    sample = segmented(build("a", picture()), build("b", clear, scl))
    assert len(shown) == 1
    told = Fractions()(sample, Context()).facts
    assert told["cloud_mask"] == "ukis_csmask,scl"
    assert told["cloud_patch"] == pytest.approx((144 / 3600 + 1 / 3) / 2)
    hidden = Hide()(sample, Context())
    gone = ~hidden.images["image"].valid
    np.testing.assert_array_equal(gone[0], picture() != LAND)
    np.testing.assert_array_equal(gone[1], np.arange(60)[:, None].repeat(60, 1) >= 40)
    merged = Merge("median")(hidden, Context())
    assert Fractions()(merged, Context()).facts["cloud_patch"] == 0
    held = merged.images["image"]
    assert (held.array[:, held.valid] == LAND).all()


def test_numbers_that_nobody_explains_are_not_shown(
    build: Callable[..., Scene], shown: list[Any]
) -> None:
    sample = segmented(build("a", picture(), collection="my-pictures"), level="l2a")
    assert not shown and sample.facts["cloud_network"] == ""


def test_settings_and_a_missing_package_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="level='l3': must be l1c, l2a or empty"):
        Clouds(level="l3")
    cloud_network._loaded.cache_clear()
    monkeypatch.setattr(cloud_network, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'earthloom\[clouds\]'"):
        cloud_network.network("l2a", 4)


@installed
@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside the repository")
class TestReal:
    """The winter scene of Brandenburg, Level-1C, which has no scene classification."""

    def scene(self) -> Scene:
        from test_real_resolutions import whole_scene

        folder = DATA / "brandenburg_s2_osm" / "IMG_DATA"
        names = ("B02", "B03", "B04", "B08", "B11", "B12")
        files = {n: folder / f"T33UUU_20170216T102101_{n}.jp2" for n in names}
        told = whole_scene(files, "sentinel-2-l1c", baseline="02.04")
        common = dict(zip(names, segmenting.SIX, strict=True))
        return replace(told, bands=tuple(replace(b, common=common[b.name]) for b in told.bands))

    @pytest.mark.parametrize("count", [4, 6])
    def test_the_mask_is_that_of_the_package(self, count: int) -> None:
        from ukis_csmask.mask import CSmask

        told = self.scene()
        window = cut(told.grid, 0, 0, 768, 768)
        sample = chip(told, window=window, bands=segmenting.SIX[:count])
        found = Fractions()(Clouds()(sample, Context()), Context())
        image = sample.images["image"]
        small = image.array.reshape(count, 256, 3, 256, 3).mean(axis=(2, 4)) / 1e4
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mask = CSmask(
                np.moveaxis(small, 0, -1).astype(np.float32), list(segmenting.SIX[:count]), "l1c",
                nodata_value=0, intra_op_num_threads=1, inter_op_num_threads=1,
                providers=["CPUExecutionProvider"],
            )  # fmt: skip
        expected = mask.csm[..., 0].repeat(3, 0).repeat(3, 1)
        assert (found.images["segmented"].array[0] == expected).mean() > 0.999
        assert found.facts["cloud_patch"] == pytest.approx((expected == 1).mean(), abs=1e-3)
        assert found.facts["shadow_patch"] == pytest.approx((expected == 2).mean(), abs=1e-3)
        assert found.facts["cloud_patch"] > 0.01, "the scene has some cloud"
        assert f"model_{count}b_l1c" in found.facts["cloud_network"]
