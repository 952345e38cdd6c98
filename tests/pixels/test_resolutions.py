"""Bands of 10, 20 and 60 m on one grid: the right pixel, and never a value that nobody measured."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from catalogs.sources.imagery import open_imagery
from catalogs.sources.terms import Override
from pixel_world import DATA, band, chip, cut, grid, scene, write
from schemas.errors import Fault, Reject
from schemas.samples import Sample
from schemas.scenes import Scene
from schemas.windows import Grid, Window
from transforms.imagery import Read, read_pixels
from transforms.resampling import cover, nearest, onto

real = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not beside the repository"),
]
RNG = np.random.default_rng(2)


def noise(side: int, kind: str = "uint16") -> Any:
    return RNG.integers(1, 4000, (side, side)).astype(kind)


@pytest.fixture
def three(tmp_path: Path) -> tuple[Scene, dict[str, Any]]:
    """A scene of 120, 60 and 20 pixels a side, and its numbers."""
    arrays = {"B04": noise(120), "B11": noise(60), "B01": noise(20)}
    sides = {"B04": 10.0, "B11": 20.0, "B01": 60.0}
    bands = tuple(
        band(n, write(tmp_path / f"{n}.tif", a, grid(sides[n], len(a)), 0), sides[n])
        for n, a in arrays.items()
    )
    return scene(bands, grid(10, 120)), arrays


def repeat(array: Any, factor: int) -> Any:
    return array.repeat(factor, axis=0).repeat(factor, axis=1)


@pytest.mark.parametrize(
    "place", [(0, 0, 120, 120), (7, 13, 50, 41), (119, 119, 1, 1), (3, 2, 5, 1)]
)
def test_fault_44_three_resolutions_on_the_finest_grid(
    place: tuple[int, int, int, int], three: tuple[Scene, dict[str, Any]]
) -> None:
    """Windows that begin within a coarse pixel too: each fine pixel repeats the one it lies in."""
    told, arrays = three
    found = chip(told, window=cut(told.grid, *place))
    image = found.images["image"]
    col, row, width, height = place
    expected = np.stack([arrays["B04"], repeat(arrays["B11"], 2), repeat(arrays["B01"], 6)])
    np.testing.assert_array_equal(image.array, expected[:, row : row + height, col : col + width])
    assert image.array.dtype == np.uint16 and image.valid.all()
    assert found.facts["resampled"] == "B11:20->10 nearest,B01:60->10 nearest"
    assert image.grid == told.grid.cut(*place)


def test_fault_44_a_scenes_own_grid_is_never_resampled(three: tuple[Scene, dict[str, Any]]) -> None:
    told, arrays = three
    found = chip(told, bands=("B04",), resampling="cubic")
    np.testing.assert_array_equal(found.images["image"].array[0], arrays["B04"])
    assert found.facts["resampled"] == ""


def test_fault_44_coarse_bands_alone_stay_on_their_own_grid(
    three: tuple[Scene, dict[str, Any]],
) -> None:
    """Whole pixels within the planned window, and the row of the sample says so."""
    told, arrays = three
    planned = cut(told.grid, 7, 13, 50, 41)
    found = chip(told, window=planned, bands=("B11", "B01"), resampling="bilinear")
    image = found.images["image"]
    assert found.window is not None and found.window.grid == image.grid
    assert image.grid.transform[0] == 20 and found.window.gsd == pytest.approx(20, rel=2e-3)
    assert image.grid.transform[2] % 20 == 0 == image.grid.transform[5] % 20
    np.testing.assert_array_equal(image.array[0], arrays["B11"][7:27, 4:28])
    west, south, east, north = image.grid.bounds()
    outer = planned.grid.bounds()
    assert outer[0] <= west and outer[1] <= south and east <= outer[2] and north <= outer[3]
    assert found.facts["resampled"] == "B01:60->20 bilinear"


@pytest.mark.parametrize(("gsd", "side"), [(20.0, 20.0), (60.0, 60.0), (30.0, 30.0), (5.0, 5.0)])
def test_fault_44_a_gsd_that_is_asked_for(
    gsd: float, side: float, three: tuple[Scene, dict[str, Any]]
) -> None:
    told, arrays = three
    found = chip(told, window=cut(told.grid, 7, 13, 100, 100), gsd=gsd, resampling="average")
    image = found.images["image"]
    assert abs(image.grid.transform[0]) == side
    assert all(corner % side == 0 for corner in image.grid.bounds())
    if gsd == 20.0:
        assert found.facts["resampled"] == "B04:10->20 average,B01:60->20 average"
        mean = arrays["B04"].reshape(60, 2, 60, 2).mean(axis=(1, 3))
        left, top = (
            (image.grid.transform[2] - 399_960) / 20,
            (5_300_040 - image.grid.transform[5]) / 20,
        )
        part = mean[int(top) :, int(left) :][: image.grid.height, : image.grid.width]
        np.testing.assert_allclose(image.array[0], part, atol=0.51)


def test_a_window_without_a_whole_coarse_pixel_is_rejected(three: tuple[Scene, Any]) -> None:
    told, _ = three
    with pytest.raises(Reject) as caught:
        chip(told, window=cut(told.grid, 1, 1, 10, 10), bands=("B01",))
    assert caught.value.code == "too_small"


@pytest.mark.parametrize("method", ["bilinear", "cubic"])
def test_fault_44_kernels_agree_with_a_warped_file(
    method: str, three: tuple[Scene, dict[str, Any]]
) -> None:
    """The window of a chip has the pixels that warping the whole file has there."""
    told, _ = three
    found = chip(told, window=cut(told.grid, 31, 17, 60, 55), resampling=method)
    for place, name in ((1, "B11"), (2, "B01")):
        href = next(b.href for b in told.bands if b.name == name)
        with rasterio.open(href) as source, WarpedVRT(
            source, crs=source.crs, transform=Affine(*told.grid.transform), width=120, height=120,
            resampling=Resampling[method],
        ) as warped:  # fmt: skip
            expected = warped.read(1)[17:72, 31:91].astype(int)
        assert np.abs(found.images["image"].array[place].astype(int) - expected).max() <= 1


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["bilinear", "cubic", "average"]), st.integers(0, 2**32 - 1),
    st.sampled_from(["uint8", "uint16", "int16", "float32"]), st.integers(2, 6),
)  # fmt: skip
def test_fault_44_nodata_is_never_averaged_into_data(
    method: str, seed: int, kind: str, factor: int
) -> None:
    """Constant ground with holes of another value comes out constant, whatever the kernel."""
    rng = np.random.default_rng(seed)
    source, target = grid(10.0 * factor, 8), grid(10, 8 * factor)
    missing = rng.random((1, 8, 8)) < 0.3
    array = np.where(missing, 0, 77).astype(kind)
    found, gone = onto(array, source, target, method, missing)
    assert found.dtype == kind and (found[~gone] == 77).all()
    if method != "average":
        np.testing.assert_array_equal(gone[0], repeat(missing[0], factor))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 7),
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(1, 30),
    st.integers(1, 30),
)
def test_fault_44_nearest_by_index_is_repetition(
    factor: int, col: int, row: int, width: int, height: int
) -> None:
    source = grid(10.0 * factor, 12)
    array = np.arange(144, dtype=np.int32).reshape(12, 12)
    target = grid(10, 12 * factor).cut(col, row, width, height)
    found, inside = nearest(array, source, target)
    big = np.full((200, 200), 0)
    big[: 12 * factor, : 12 * factor] = repeat(array, factor)
    shown = np.zeros((200, 200), bool)
    shown[: 12 * factor, : 12 * factor] = True
    np.testing.assert_array_equal(found, big[row : row + height, col : col + width])
    np.testing.assert_array_equal(inside, shown[row : row + height, col : col + width])
    box = cover(source, target)
    if box is not None:
        part, within = nearest(
            array[box[1] :, box[0] :][: box[3], : box[2]], source.cut(*box), target
        )
        np.testing.assert_array_equal(part, found)
        np.testing.assert_array_equal(within, inside)


def test_fault_44_types_and_nodata_of_bands_differ(tmp_path: Path) -> None:
    """The chip's type holds all, and its nodata value stands for each band's own."""
    place = grid(10, 8)
    one = np.full((8, 8), 40_000, np.uint16)
    two = np.full((8, 8), -5, np.int16)
    one[0, 0], two[0, 1] = 0, -9999
    told = scene(
        (band("a", write(tmp_path / "a.tif", one, place, 0)),
         band("b", write(tmp_path / "b.tif", two, place, -9999), dtype="int16")), place,
        collection="other",
    )  # fmt: skip
    image = chip(told).images["image"]
    assert image.array.dtype == np.int32
    assert image.array[0, 1, 1] == 40_000 and image.array[1, 1, 1] == -5
    assert image.nodata == 0 and image.array[1, 0, 1] == 0
    assert image.valid.sum() == 62 and not image.valid[0, :2].any()


def test_fault_44_bands_in_any_order(three: tuple[Scene, dict[str, Any]]) -> None:
    told, arrays = three
    image = chip(told, bands=("B01", "B04")).images["image"]
    assert image.bands == ("B01", "B04")
    np.testing.assert_array_equal(image.array[1], arrays["B04"])


def test_the_first_of_several_bands_of_a_name_counts(tmp_path: Path) -> None:
    """Planetary Computer's picture repeats the names of the bands it is made of."""
    place = grid(10, 8)
    dn = write(tmp_path / "b.tif", noise(8), place, 0)
    seen = write(tmp_path / "v.tif", noise(8, "uint8"), place)
    bands = (band("B04", dn, common="red"), band("B04", seen, common="red", dtype="uint8"))
    for name in ("B04", "red"):
        assert chip(scene(bands, place), bands=(name,)).images["image"].array.dtype == np.uint16


def code(told: Scene, **settings: Any) -> str:
    with pytest.raises(Fault) as caught:
        chip(told, **settings)
    return caught.value.code


@pytest.mark.parametrize("shift", [5.0, -5.0, 10.5, 3.0])
@pytest.mark.parametrize("side", [10.0, 20.0, 60.0])
def test_fault_48_half_a_pixel_off(shift: float, side: float, tmp_path: Path) -> None:
    """A mask or band that lies between the scene's pixels is refused."""
    px = int(120 / side * 10)
    a, b, c, d, e, f = grid(side, px).transform
    off = Grid("EPSG:32633", (a, b, c + shift, d, e, f), px, px)
    good = write(tmp_path / "g.tif", noise(120), grid(10, 120), 0)
    bad = write(tmp_path / "b.tif", noise(px), off, 0)
    told = scene((band("B04", good), band("SCL", bad, side)), grid(10, 120))
    assert code(told) == "misaligned"


def test_fault_48_the_file_is_not_where_the_catalogue_says(tmp_path: Path) -> None:
    """A coarse band one fine pixel off nests, but the catalogue knows better."""
    a, b, c, d, e, f = grid(20, 60).transform
    off = Grid("EPSG:32633", (a, b, c + 10, d, e, f), 60, 60)
    good = write(tmp_path / "g.tif", noise(120), grid(10, 120), 0)
    moved = band("B11", write(tmp_path / "b.tif", noise(60), off, 0), 20)
    told = scene((band("B04", good), moved), grid(10, 120))
    chip(told)
    stated = replace(moved, place=(60, 60, *grid(20, 60).transform))
    assert code(replace(told, bands=(told.bands[0], stated))) == "misaligned"
    short = replace(moved, place=(61, 60, *off.transform))
    assert code(replace(told, bands=(told.bands[0], short))) == "band_mismatch"
    true = replace(moved, place=(60, 60, *off.transform))
    chip(replace(told, bands=(told.bands[0], true)))


def test_fault_48_a_declared_shift_is_honoured(tmp_path: Path) -> None:
    """Landsat's 15 m pixels lie around the corners of the 30 m ones: their centres decide."""
    fine = Grid("EPSG:32633", (15.0, 0, 0.0 + 300_007.5, 0, -15.0, 5_000_007.5 - 15), 40, 40)
    coarse = Grid("EPSG:32633", (30.0, 0, 300_000.0, 0, -30.0, 5_000_000.0), 20, 20)
    numbers = noise(20)
    hrefs = [
        write(tmp_path / "p.tif", noise(40), fine, 0),
        write(tmp_path / "r.tif", numbers, coarse, 0),
    ]
    red = band("red", hrefs[1], 30, place=(20, 20, *coarse.transform))
    told = scene((band("pan", hrefs[0], 15), red), fine, collection="landsat-c2-l1")
    image = chip(told).images["image"]
    xs = 300_007.5 + 15 * (np.arange(40) + 0.5)
    ys = 4_999_992.5 - 15 * (np.arange(40) + 0.5)
    cols, rows = ((xs - 300_000) // 30).astype(int), ((5_000_000 - ys) // 30).astype(int)
    inside = (rows[:, None] < 20) & (cols[None] < 20)
    expected = np.where(
        inside, numbers[np.minimum(rows, 19)[:, None], np.minimum(cols, 19)[None]], 0
    )
    np.testing.assert_array_equal(image.array[1], expected)
    np.testing.assert_array_equal(image.valid, inside)


@pytest.mark.parametrize("factor", [1.005, 1.2])
def test_fault_44_pixels_of_another_size_than_stated(factor: float, tmp_path: Path) -> None:
    place = grid(10 * factor, 120)
    told = scene((band("B04", write(tmp_path / "x.tif", noise(120), place, 0)),), grid(10, 120))
    assert code(told) == "misaligned"


def test_fault_44_another_crs(tmp_path: Path) -> None:
    other = Grid("EPSG:32632", grid(20, 60).transform, 60, 60)
    good = write(tmp_path / "g.tif", noise(120), grid(10, 120), 0)
    bad = write(tmp_path / "b.tif", noise(60), other, 0)
    assert code(scene((band("B04", good), band("B11", bad, 20)), grid(10, 120))) == "band_mismatch"


def test_fault_44_masks_of_coarse_files_are_not_interpolated(tmp_path: Path) -> None:
    """A file's own mask counts where its pixels are resampled too."""
    coarse, valid = np.full((60, 60), 500, np.uint16), np.ones((60, 60), bool)
    valid[10:20, 30:40] = False
    coarse[~valid] = 9000
    good = write(tmp_path / "g.tif", noise(120), grid(10, 120))
    href = write(tmp_path / "m.tif", coarse, grid(20, 60))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(href, "r+") as target:
        target.write_mask(valid)
    told = scene((band("B04", good), band("B11", href, 20)), grid(10, 120))
    for method in ("nearest", "bilinear", "cubic"):
        image = chip(told, resampling=method).images["image"]
        np.testing.assert_array_equal(image.valid, repeat(valid, 2))
        assert (image.array[1][image.valid] == 500).all()


def whole_scene(files: dict[str, Path], collection: str, **more: Any) -> Scene:
    """A scene of real files, one band each, on the grid of its finest one."""
    bands, grids = [], []
    for name, path in files.items():
        with rasterio.open(path) as source:
            t = source.transform
            grids.append(
                Grid(
                    source.crs.to_string(),
                    (t.a, t.b, t.c, t.d, t.e, t.f),
                    source.width,
                    source.height,
                )
            )
            bands.append(band(name, str(path), t.a, dtype=source.dtypes[0], nodata=source.nodata))
    finest = min(grids, key=lambda g: g.transform[0])
    return scene(tuple(bands), finest, collection=collection, **more)


class TestReal:
    pytestmark = real

    def test_fault_44_all_thirteen_bands_of_brandenburg(self) -> None:
        folder = DATA / "brandenburg_s2_osm" / "IMG_DATA"
        names = [
            "B01",
            "B02",
            "B03",
            "B04",
            "B05",
            "B06",
            "B07",
            "B08",
            "B8A",
            "B09",
            "B10",
            "B11",
            "B12",
        ]
        files = {n: folder / f"T33UUU_20170216T102101_{n}.jp2" for n in names}
        told = whole_scene(files, "sentinel-2-l1c", baseline="02.04")
        window = cut(told.grid, 601, 203, 517, 301)
        found = chip(told, window=window)
        image = found.images["image"]
        assert image.array.shape == (13, 301, 517) and image.valid.all()
        assert all(corner % 10 == 0 for corner in image.grid.bounds())
        assert str(found.facts["resampled"]).count("20->10") == 6
        assert str(found.facts["resampled"]).count("60->10") == 3
        for place, name in enumerate(names):
            with rasterio.open(files[name]) as source:
                factor = int(source.transform.a // 10)
                expected = repeat(source.read(1), factor)[203:504, 601:1118]
                np.testing.assert_array_equal(image.array[place], expected)
                with WarpedVRT(
                    source, crs=source.crs, transform=Affine(*told.grid.transform),
                    width=told.grid.width, height=told.grid.height, resampling=Resampling.nearest,
                ) as warped:  # fmt: skip
                    np.testing.assert_array_equal(warped.read(1)[203:504, 601:1118], expected)

    def test_fault_44_kernels_on_real_bands(self) -> None:
        folder = DATA / "brandenburg_s2_osm" / "IMG_DATA"
        files = {n: folder / f"T33UUU_20170216T102101_{n}.jp2" for n in ("B04", "B11", "B09")}
        told = whole_scene(files, "sentinel-2-l1c", baseline="02.04")
        image = chip(told, window=cut(told.grid, 333, 111, 200, 160), resampling="bilinear").images[
            "image"
        ]
        for place, name in ((1, "B11"), (2, "B09")):
            with rasterio.open(files[name]) as source, WarpedVRT(
                source, crs=source.crs, transform=Affine(*told.grid.transform),
                width=told.grid.width, height=told.grid.height, resampling=Resampling.bilinear,
            ) as warped:  # fmt: skip
                expected = warped.read(1)[111:271, 333:533].astype(int)
            assert np.abs(image.array[place].astype(int) - expected).max() <= 1
            near = image.array[place].astype(float)
            assert np.corrcoef(near.ravel(), expected.ravel())[0, 1] > 0.9999

    @pytest.mark.parametrize("pair", range(4))
    def test_fault_44_radar_and_optics_on_one_grid(self, pair: int) -> None:
        """Pairs of BigEarthNet: what Sentinel-1 and Sentinel-2 give has one transform."""
        root = DATA / "bigearthnet_s1_s2"
        optical = sorted((root / "S2").iterdir())[pair]
        radar = next(
            p
            for p in (root / "S1").iterdir()
            if p.name.endswith("_".join(optical.name.split("_")[3:]))
        )
        bands = {p.stem.rsplit("_", 1)[1]: p for p in sorted(optical.glob("*.tif"))}
        sar = {p.stem.rsplit("_", 1)[1]: p for p in sorted(radar.glob("*.tif"))}
        one = chip(whole_scene(bands, "sentinel-2-l2a", baseline="02.05")).images["image"]
        two = chip(whole_scene(sar, "sentinel-1-grd")).images["image"]
        assert one.grid.transform == two.grid.transform and one.grid.crs == two.grid.crs
        assert one.array.shape == (12, 120, 120) and two.array.shape == (2, 120, 120)
        assert two.array.dtype == np.float32 and two.array.mean() < 0, "decibels"
        with rasterio.open(bands["B11"]) as source:
            np.testing.assert_array_equal(
                one.array[one.bands.index("B11")], repeat(source.read(1), 2)
            )


def test_jpeg_2000_and_geotiff_read_alike(tmp_path: Path) -> None:
    array, place = noise(60), grid(20, 60)
    lossless = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}
    one = write(tmp_path / "x.tif", array, place)
    two = write(tmp_path / "x.jp2", array, place, **lossless)
    fine = write(tmp_path / "f.tif", noise(120), grid(10, 120))
    read = [
        chip(scene((band("B04", fine), band("B11", href, 20)), grid(10, 120))).images["image"].array
        for href in (one, two)
    ]
    np.testing.assert_array_equal(*read)


@pytest.mark.parametrize("declared", [True, False])
def test_fault_44_from_a_catalogue_on_disk(declared: bool, tmp_path: Path) -> None:
    """An item with assets of three resolutions, placed by the item or by its files alone."""
    arrays = {"B04": noise(120), "B11": noise(60), "B01": noise(20)}
    ring = [[13.6, 47.8], [13.7, 47.8], [13.7, 47.9], [13.6, 47.9], [13.6, 47.8]]
    assets = {}
    for name, side in (("B04", 10), ("B11", 20), ("B01", 60)):
        place = grid(side, len(arrays[name]))
        write(tmp_path / f"{name}.tif", arrays[name], place, 0)
        stated = {"proj:transform": place.transform, "proj:shape": [place.height, place.width]}
        assets[name] = {
            "href": f"{name}.tif", "type": "image/tiff; application=geotiff", "roles": ["data"],
            "gsd": side, **(stated if declared else {}),
        }  # fmt: skip
    item = {
        "type": "Feature", "stac_version": "1.0.0", "id": "x", "collection": "sentinel-2-l2a",
        "bbox": [13.6, 47.8, 13.7, 47.9], "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"datetime": "2022-06-01T10:00:00Z", "proj:epsg": 32633, "license": "CC0-1.0",
                       "s2:processing_baseline": "05.11"},
        "assets": assets, "links": [],
    }  # fmt: skip
    (tmp_path / "item.json").write_text(json.dumps(item))
    (told,) = open_imagery(str(tmp_path / "item.json"), Override()).scenes
    assert told.grid.transform == grid(10, 120).transform
    assert [bool(b.place) for b in told.bands] == [False, declared, declared]
    assert Scene.from_dict(json.loads(json.dumps(told.as_dict()))) == told
    image = chip(told, bands=("B04", "B11", "B01"), window=cut(told.grid, 5, 7, 100, 90)).images[
        "image"
    ]
    for place, (name, factor) in enumerate((("B04", 1), ("B11", 2), ("B01", 6))):
        expected = np.clip(repeat(arrays[name], factor)[7:97, 5:105].astype(int) - 1000, 1, None)
        np.testing.assert_array_equal(image.array[place], expected)


def test_another_projection_is_warped_to_the_right_place(tmp_path: Path) -> None:
    """`onto` between zones: each pixel's centre is looked up where it lies."""
    from schemas.zones import grid_for

    target = grid_for(12.0, 48.0, 10, 40)
    other = grid_for(11.99, 48.0, 10, 140)
    assert (target.crs, other.crs) == ("EPSG:32633", "EPSG:32632")
    box = cover(other, target)
    assert box is not None
    cols = np.arange(140)[None] * np.ones((140, 1))
    found, inside = nearest(cols, other, target)
    from schemas.windows import from_lonlat, to_lonlat

    a, _, c, _, e, f = target.transform
    lon, lat = to_lonlat(target.crs, np.array([c + 5.5 * a]), np.array([f + 7.5 * e]))
    xs, _ = from_lonlat(other.crs, lon, lat)
    assert found[7, 5] == np.floor((xs[0] - other.transform[2]) / 10) and inside[7, 5]


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match=r"resampling='lanczos'.*nearest"):
        Read(resampling="lanczos")
    with pytest.raises(ValueError, match="gsd"):
        Read(gsd=-1)


def test_gsd_in_degrees_is_refused(tmp_path: Path) -> None:
    place = Grid("EPSG:4326", (1e-4, 0, 10.0, 0, -1e-4, 50.0), 20, 20)
    told = scene((band("a", write(tmp_path / "x.tif", noise(20), place)),), place, collection="x")
    assert code(told, gsd=20.0) == "geographic_grid"
    sample = Sample("w", 10, 50, Window(place, 10.0), (told,))
    assert sample.window is not None
    assert read_pixels(told.bands, place, told).array.shape == (1, 20, 20)
