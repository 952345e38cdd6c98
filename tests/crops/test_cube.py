"""Months of small scenes on disk: three resolutions, clouds, a missing month, Level-1C without a mask."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray

from parcel_world import grid
from schemas.errors import Reject
from schemas.samples import Sample
from schemas.scenes import Band, Scene
from schemas.windows import Window
from transforms.context import Context
from transforms.crops.cube import BANDS, Months
from transforms.crops.months import starts

SIDES = {"B02": 10, "B05": 20, "B01": 60}
PX = 60
CLOUD, CLEAR, SHADOW, NONE = 9, 4, 3, 0


def write(path: Path, array: NDArray[Any], side: float) -> str:
    """A single-band file at the corner of `grid`."""
    place = Affine(*grid(len(array), side).transform)
    profile = {"driver": "GTiff", "count": 1, "height": len(array), "width": len(array),
               "dtype": array.dtype.name, "crs": grid().crs, "transform": place, "nodata": 0}  # fmt: skip
    with rasterio.open(path, "w", **profile) as target:
        target.write(array, 1)
    return str(path)


def scene(
    folder: Path, day: str, arrays: dict[str, NDArray[Any]], scl: NDArray[Any] | None = None,
    **more: Any,
) -> Scene:  # fmt: skip
    """A scene of Sentinel-2 on a day; arrays on the bands' own pixels."""
    bands = []
    for name, array in arrays.items():
        side = PX * 10 // len(array)
        href = write(folder / f"{day}-{name}.tif", array.astype(np.uint16), side)
        bands.append(Band(name, href, dtype="uint16", nodata=0, gsd=side))
    if scl is not None:
        href = write(folder / f"{day}-SCL.tif", scl.astype(np.uint8), 20)
        bands.append(Band("SCL", href, dtype="uint8", nodata=0, gsd=20, common="scl"))
    known: dict[str, Any] = {
        "id": f"s{day}", "collection": "sentinel-2-l2a", "grid": grid(PX),
        "datetime": datetime.fromisoformat(day).replace(tzinfo=UTC),
        "footprint": "POLYGON ((0 0, 1 0, 1 1, 0 0))", "bands": tuple(bands), "licence": "CC0-1.0",
        "attribution": "", "baseline": "03.00", "display": (0.0, 3000.0),
    }  # fmt: skip
    return Scene(**{**known, **more})


def level(value: int) -> dict[str, NDArray[Any]]:
    """Three bands of one value and what is added to it."""
    return {name: np.full((PX * 10 // side,) * 2, value + side) for name, side in SIDES.items()}


def sky(value: int) -> NDArray[Any]:
    """A scene classification of one class."""
    return np.full((PX // 2, PX // 2), value)


def made(*scenes: Scene, year: int = 2021, **settings: Any) -> Sample:
    """A sample through `Months`."""
    one = Sample("p", 10.3, 48.1, Window(grid(PX), 10.0), scenes, facts={"year": year})
    return Months(**{"bands": tuple(SIDES), **settings})(one, Context())


def test_a_hand_made_year(tmp_path: Path) -> None:
    """1 January is kept, clouds are not seen, empty months lie on lines and are marked by 0."""
    half = sky(CLEAR)
    half[:, :15] = CLOUD
    half[:4, 20:] = SHADOW
    one = made(
        scene(tmp_path, "2021-01-01", level(1000), sky(CLEAR)),
        scene(tmp_path, "2021-01-31", level(1400), sky(CLEAR)),
        scene(tmp_path, "2021-03-15", level(2000), half),
        scene(tmp_path, "2021-05-01", level(3000), sky(CLEAR)),
        scene(tmp_path, "2021-05-09", level(9000), sky(CLOUD)),
    )
    image, count = one.images["image"], one.images["count"]
    assert image.array.shape == (12, 3, PX, PX)
    assert image.array.dtype == np.uint16
    assert image.bands == ("B02", "B05", "B01")
    assert [when.month for when in image.times if when] == list(range(1, 13))
    assert count.array.dtype == np.uint8
    clear, cloudy, shaded = (50, 50), (50, 3), (2, 50)
    assert count.array[:6, *clear].tolist() == [2, 0, 1, 0, 1, 0]
    assert count.array[:6, *cloudy].tolist() == [2, 0, 0, 0, 1, 0]
    assert count.array[:6, *shaded].tolist() == [2, 0, 0, 0, 1, 0]
    days = starts(2021)
    for place, known in ((clear, {0: 1210, 2: 2010, 4: 3010}), (cloudy, {0: 1210, 4: 3010})):
        line = np.interp(days[:5], days[list(known)], list(known.values()))
        assert image.array[:5, 0, *place].tolist() == np.rint(line).tolist()
    assert image.array[0, :, 5, 5].tolist() == [1210, 1220, 1260]
    assert one.facts["months_seen"] == 3
    assert one.facts["mask_by"] == "scl"
    assert one.facts["nodata_share"] == 0
    assert one.facts["gap_share"] == pytest.approx((count.array == 0).mean())
    assert one.facts["resampled"] == "B05:20->10 nearest,B01:60->10 nearest"


def test_check_5_coarse_pixels_are_repeated_from_the_same_corner(tmp_path: Path) -> None:
    """Of 366 fine pixels 183 and 61 coarse ones: each is a square of 2 and 6, none is mixed."""
    rng = np.random.default_rng(5)
    arrays = {n: rng.integers(1, 9000, (PX * 10 // s,) * 2) for n, s in SIDES.items()}
    image = made(scene(tmp_path, "2021-06-01", arrays, sky(CLEAR))).images["image"]
    for place, (name, side) in enumerate(SIDES.items()):
        factor = side // 10
        expected = arrays[name].repeat(factor, axis=0).repeat(factor, axis=1)
        assert np.array_equal(image.array[5, place], expected)
    assert [366 // (side // 10) for side in SIDES.values()] == [366, 183, 61]


def test_a_pixel_never_clear_is_nodata(tmp_path: Path) -> None:
    """In all months, and the share says so."""
    some = sky(CLEAR)
    some[:10] = CLOUD
    image = made(scene(tmp_path, "2021-06-01", level(1000), some)).images["image"]
    assert (image.array[:, :, :20] == 0).all()
    assert not image.valid[:, :20].any()
    assert (image.array[:, 0, 20:] == 1010).all()
    assert image.nodata == 0


def test_a_year_of_clouds_is_dropped(tmp_path: Path) -> None:
    """A patch of nothing is no sample."""
    with pytest.raises(Reject, match="too_few_months"):
        made(scene(tmp_path, "2021-06-01", level(1000), sky(CLOUD)))
    with pytest.raises(Reject, match="too_few_months"):
        made(scene(tmp_path, "2021-06-01", level(1000), sky(CLEAR)), least=2)


def test_the_offset_of_later_baselines_is_removed_before_the_median(tmp_path: Path) -> None:
    """Dates of both conventions are comparable."""
    one = made(
        scene(tmp_path, "2021-06-01", level(1000), sky(CLEAR)),
        scene(tmp_path, "2021-06-11", level(2400), sky(CLEAR), baseline="05.00",
              provider="planetary-computer"),
    )  # fmt: skip
    assert one.images["image"].array[5, 0, 0, 0] == 1210


def test_level_1c_is_judged_by_its_own_bands(tmp_path: Path) -> None:
    """Without a mask the decision tree looks for clouds."""
    ground = {name: np.full((PX, PX), 10 if name == "B10" else 2000) for name in BANDS}
    cloud = {**ground, "B03": np.full((PX, PX), 3500), "B05": np.full((PX, PX), 4000),
             "B10": np.full((PX, PX), 1), "B11": np.full((PX, PX), 2000),
             "B06": np.full((PX, PX), 3000), "B07": np.full((PX, PX), 3200)}  # fmt: skip
    part = {n: np.where(np.arange(PX) < 20, cloud[n], a) for n, a in ground.items()}
    one = made(
        scene(tmp_path, "2021-06-01", part, collection="sentinel-2-l1c"),
        scene(tmp_path, "2021-06-11", ground, collection="sentinel-2-l1c"),
        bands=BANDS,
    )
    assert one.facts["mask_by"] == "hollstein"
    assert one.images["image"].bands == BANDS
    assert (one.images["count"].array[5, :, :20] == 1).all()
    assert (one.images["count"].array[5, :, 20:] == 2).all()
    assert (one.images["image"].array[5, BANDS.index("B03")] == 2000).all()


def test_without_any_mask_that_is_said(tmp_path: Path) -> None:
    """All that has data counts then."""
    one = made(scene(tmp_path, "2021-06-01", level(1000)))
    assert one.facts["mask_by"] == "none"
    assert (one.images["count"].array[5] == 1).all()


def test_what_it_will_read_is_foreseen(tmp_path: Path) -> None:
    """All bands and the mask of every date."""
    scenes = [scene(tmp_path, day, level(1), sky(4)) for day in ("2021-06-01", "2021-07-01")]
    one = Sample("p", 10.3, 48.1, Window(grid(PX), 10.0), tuple(scenes), facts={"year": 2021})
    step = Months(bands=tuple(SIDES))
    hrefs = {band.href for own in scenes for band in own.bands}
    assert {band.href for band in step.reads(one)} == hrefs
    assert {part.href for part in step.parts(one)} == hrefs


def test_bad_settings() -> None:
    """Named when the recipe is read."""
    with pytest.raises(ValueError, match="'B99'"):
        Months(bands=("B02", "B99"))
    with pytest.raises(ValueError, match="least"):
        Months(least=13)
