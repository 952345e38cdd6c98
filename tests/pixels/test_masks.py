"""Masks as fractions: every class and bit of the product guides, and real masks."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pixel_world import DATA, band, chip, grid, scene, write
from schemas.errors import Reject
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
from schemas.samples import Sample
from schemas.scenes import Band, Part, Scene
from schemas.windows import Grid
from transforms.clouds import Clear, Fractions, Hide, fractions, kinds, surer
from transforms.composites import Merge
from transforms.context import Context
from transforms.imagery import valid_pixels
from transforms.imagery.choice import choose_bands

real = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside the repository"),
]


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


def measured(told: Sample, **settings: Any) -> dict[str, Any]:
    return Fractions(**settings)(told, Context(seed=0)).facts


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
    from pixel_world import cut

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
    from schemas.errors import Fault

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


def opened(path: Path, name: str, **more: Any) -> tuple[Band, Grid]:
    with rasterio.open(path) as source:
        t = source.transform
        place = Grid(
            source.crs.to_string(), (t.a, t.b, t.c, t.d, t.e, t.f), source.width, source.height
        )
        return band(
            name, str(path), t.a, dtype=source.dtypes[0], nodata=source.nodata, **more
        ), place


def jolanda() -> Iterator[tuple[Scene, Any]]:
    """Scenes of NDVI at 10 m with SCL at 20 m that begins one fine row above, and the SCL itself."""
    folder = DATA / "jolanda_s2_ndvi_scl_fields"
    for path in sorted((folder / "NDVI").glob("*.tif")):
        mask = folder / "SCL" / path.name.replace("NDVI_10", "SCL_10")
        first, place = opened(path, "NDVI")
        second, _ = opened(mask, "SCL")
        when = datetime.strptime(path.name.split("_")[1], "%Y%m%d").replace(tzinfo=UTC)
        with rasterio.open(mask) as source:
            yield scene((first, second), place, id=path.stem, datetime=when), source.read(1)


class TestReal:
    pytestmark = real

    def test_jolanda(self) -> None:
        """60 dates; every fine pixel takes the class of the 20 m pixel that holds it."""
        seen = set()
        for told, scl in jolanda():
            facts = measured(chip(told, bands=("NDVI",)))
            fine = scl.repeat(2, 0).repeat(2, 1)[1:8, :25]  # SCL begins 10 m further north
            seen |= set(np.unique(fine).tolist())
            assert facts["cloud_patch"] == pytest.approx(np.isin(fine, (8, 9, 10)).mean())
            assert facts["shadow_patch"] == pytest.approx((fine == 3).mean())
            assert facts["resampled"] == "", "only the mask was"
        assert {4, 5, 8, 9} <= seen

    def test_jolanda_as_a_stack(self) -> None:
        scenes, masks = zip(*jolanda(), strict=True)
        told = chip(*scenes, bands=("NDVI",), mask=True)
        assert told.images["image"].array.shape == (60, 1, 7, 25)
        assert told.images["mask"].array.shape == (60, 1, 7, 25)
        facts = measured(told)
        fine = np.array([m.repeat(2, 0).repeat(2, 1)[1:8, :25] for m in masks])
        cloud = np.isin(fine, (8, 9, 10)) & told.images["image"].valid
        assert facts["cloud_patch"] == pytest.approx(cloud.mean(), abs=1e-9)
        assert facts["cloud_patch_worst"] == 1.0
        with pytest.raises(Reject):
            Clear(0.9, worst=True)(told, Context(seed=0))

    def test_landsat_time_series(self) -> None:
        """63 scenes with classes of CFmask; fill of the images and fill of the masks agree."""
        folder = DATA / "landsat_timeseries_p035r032"
        cloudy = 0
        for path in sorted(p for p in folder.iterdir() if p.is_dir()):
            files = {
                p.stem.rsplit("_", 1)[-1]: p for p in path.iterdir() if p.suffix in (".tif", ".vrt")
            }
            names = sorted(files)
            mask = next(n for n in names if "fmask" in n.lower())
            made = [opened(files[n], "fmask" if n == mask else n) for n in names]
            told = scene(
                tuple(b for b, _ in made), made[0][1], collection="landsat-espa", id=path.name
            )
            sample = chip(told, bands=tuple(n for n in names if n != mask))
            facts = measured(sample)
            with rasterio.open(files[mask]) as source:
                classes = source.read(1)
            valid = sample.images["image"].valid
            assert facts["cloud_mask"] == "cfmask"
            assert facts["cloud_patch"] == pytest.approx(((classes == 4) & valid).mean())
            assert facts["nodata_patch"] == pytest.approx(((classes == 255) | ~valid).mean())
            cloudy += facts["cloud_patch"] > 0.5
        assert cloudy > 5

    def test_slovenia(self) -> None:
        """68 dates in one file, a mask of 0 and 1; legend and band are said by the recipe."""
        folder = DATA / "slovenia_s2_eopatch"
        when = datetime(2015, 7, 11, tzinfo=UTC)
        ndvi, place = opened(folder / "ndvi_68dates.tif", "ndvi")
        mask, _ = opened(folder / "cloudmask_68dates.tif", "cloudmask")
        with rasterio.open(folder / "cloudmask_68dates.tif") as source:
            truth = source.read()
        scenes = [
            scene((replace(ndvi, index=k), replace(mask, index=k)), place, id=str(k),
                  collection="s2-local", datetime=when + timedelta(days=k))
            for k in range(1, 69)
        ]  # fmt: skip
        told = chip(*scenes, bands=("ndvi",))
        image = told.images["image"]
        assert image.array.shape == (68, 1, 101, 100)
        facts = measured(told, mask="cloudmask", legend="cloud")
        assert facts["cloud_patch"] == pytest.approx(((truth == 1) & image.valid).mean(), abs=1e-9)
        assert facts["shadow_patch"] is None
