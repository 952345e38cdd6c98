"""`imagery.Nearest` and `windows.Centred` against plain searches and plain arithmetic."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from pixel_world import band, grid, scene
from schemas.errors import Reject
from schemas.samples import Sample
from schemas.scenes import Scene
from schemas.windows import Grid
from transforms.context import Context
from transforms.imagery import Nearest
from transforms.imagery.nearest import in_time
from transforms.windows import Centred

DAY = datetime(2020, 6, 1, 12, tzinfo=UTC)
CASES = st.lists(
    st.tuples(st.integers(-400, 400), st.sampled_from([None, 0.0, 20.0, 90.0])), max_size=12
)


class Over:
    """Imagery that covers everything."""

    def __init__(self, *scenes: Scene) -> None:
        self.scenes = scenes

    def over(self, lon: float, lat: float) -> list[Scene]:
        return list(self.scenes)


def scenes_of(cases: list[tuple[int, float | None]]) -> list[Scene]:
    home = grid(10, 400)
    return [
        scene((band("B04", "none"),), home, id=f"s{k}", cloud=cloud,
              datetime=DAY + timedelta(hours=6 * quarter))
        for k, (quarter, cloud) in enumerate(cases)
    ]  # fmt: skip


@given(cases=CASES, limit=st.integers(0, 120), before=st.booleans())
def test_no_nearer_scene_is_left_out(
    cases: list[tuple[int, float | None]], limit: int, before: bool
) -> None:
    found = in_time(scenes_of(cases), (DAY, DAY), before, limit)
    allowed = [
        s for s in scenes_of(cases)
        if s.datetime is not None and abs(s.datetime - DAY) <= timedelta(days=limit)
        and (s.datetime <= DAY or not before)
    ]  # fmt: skip
    assert {s.id for s in found} == {s.id for s in allowed}
    if found:
        best = found[0]
        assert best.datetime is not None
        gap = abs(best.datetime - DAY)
        assert all(s.datetime is not None and abs(s.datetime - DAY) >= gap for s in allowed)
        level = [s for s in allowed if s.datetime is not None and abs(s.datetime - DAY) == gap]
        clouds = [101.0 if s.cloud is None else s.cloud for s in level]
        assert (101.0 if best.cloud is None else best.cloud) == min(clouds)


def sample(**facts: object) -> Sample:
    return Sample("s1", 13.7, 47.8, facts={"_sensed": DAY, **facts})  # type: ignore[dict-item]


def test_the_gap_is_counted_from_the_scene() -> None:
    ctx = Context(sources={"imagery": Over(*scenes_of([(-10, 1.0), (-2, 50.0), (1, 0.0)]))})
    found = Nearest()(sample(), ctx)
    assert (found.scenes[0].id, found.facts["day_gap"]) == ("s1", 0.5)
    after = Nearest(before=False)(sample(), ctx)
    assert (after.scenes[0].id, after.facts["day_gap"]) == ("s2", -0.25)
    assert found.id == "s1"


@pytest.mark.parametrize(
    ("cases", "settings", "code"),
    [
        ([(8, 1.0)], {}, "no_scene_in_time"),
        ([(-800, 1.0)], {"max_days": 180}, "no_scene_in_time"),
        ([(-2, 60.0)], {"max_cloud": 30}, "cloudy"),
        ([], {}, "no_imagery"),
    ],
)
def test_why_there_is_none(
    cases: list[tuple[int, float]], settings: dict[str, float], code: str
) -> None:
    ctx = Context(sources={"imagery": Over(*scenes_of(list(cases)))})
    with pytest.raises(Reject) as caught:
        Nearest(**settings)(sample(), ctx)  # type: ignore[arg-type]
    assert caught.value.code == code


def test_a_sample_without_a_date() -> None:
    with pytest.raises(Reject, match="_sensed"):
        Nearest()(sample(_sensed=None), Context(sources={"imagery": Over(*scenes_of([(0, 0.0)]))}))


@given(
    east=st.floats(1_300, 2_600),
    south=st.floats(1_300, 2_600),
    px=st.sampled_from([1, 24, 25, 256]),
)
def test_the_place_is_in_the_middle(east: float, south: float, px: int) -> None:
    home = grid(10, 400)
    x, y = home.transform[2] + east, home.transform[5] - south
    lon, lat = Transformer.from_crs(home.crs, "OGC:CRS84", always_xy=True).transform(x, y)
    here = Sample("a", lon, lat, scenes=(scene((band("B04", "none"),), home),))
    found = Centred(px=px)(here, Context()).window
    assert found is not None and (found.grid.width, found.grid.height) == (px, px)
    west, low, right, top = found.grid.bounds()
    apart = np.array([(west + right) / 2 - x, (low + top) / 2 - y]) / 10
    assert np.abs(apart).max() <= 0.5 + 1e-6
    assert (west - home.transform[2]) % 10 == 0 and found.col == round(
        (west - home.transform[2]) / 10
    )
    if px % 2:  # the pixel in the middle holds the place
        middle = found.grid.cut(px // 2, px // 2, 1, 1).bounds()
        assert middle[0] <= x + 1e-6 and x <= middle[2] + 1e-6
        assert middle[1] <= y + 1e-6 and y <= middle[3] + 1e-6


def test_a_window_over_the_edge() -> None:
    home = grid(10, 400)
    lonlat = Transformer.from_crs(home.crs, "OGC:CRS84", always_xy=True).transform
    for east, ok in ((125.1, True), (119.9, False)):
        lon, lat = lonlat(home.transform[2] + east, home.transform[5] - 2_000)
        here = Sample("a", lon, lat, scenes=(scene((band("B04", "none"),), home),))
        if ok:
            assert Centred(px=25, odd=True)(here, Context()).window is not None
        else:
            with pytest.raises(Reject) as caught:
                Centred(px=25, odd=True)(here, Context())
            assert caught.value.code == "outside_imagery"


def test_an_even_side_has_no_middle_pixel() -> None:
    with pytest.raises(ValueError, match="odd"):
        Centred(px=24, odd=True)


LON, LAT = 11.999, 47.8
"""Just west of the border of zones 32 and 33."""


def tile(
    name: str, days: float, crs: str = "EPSG:32632", off: float = 0.0, **more: object
) -> Scene:
    """A scene of 10 km around the place, `off` metres to the east."""
    x, y = Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform(LON, LAT)
    west, north = round(x / 10) * 10 - 5_000.0 + off, round(y / 10) * 10 + 5_000.0
    place = Grid(crs, (10.0, 0.0, west, 0.0, -10.0, north), 1000, 1000)
    given = {"id": name, "cloud": 1.0, "datetime": DAY - timedelta(days=days), **more}
    return scene((band("B04", "none"),), place, **given)


def chosen(*scenes: Scene, **settings: object) -> tuple[str, float]:
    """Id and gap of what is taken, with its window cut."""
    ctx = Context(sources={"imagery": Over(*scenes)})
    here = Sample("s1", LON, LAT, facts={"_sensed": DAY})
    step = Nearest(reach_m=130, **settings)  # type: ignore[arg-type]
    found = Centred(px=25, odd=True)(step(here, ctx), ctx)
    return found.scenes[0].id, float(str(found.facts["day_gap"]))


def test_time_comes_before_the_zone() -> None:
    home, other = tile("home", 170), tile("other", 1, "EPSG:32633")
    assert chosen(home, other) == ("other", 1.0)
    assert chosen(tile("home", 400), other) == ("other", 1.0)
    assert chosen(tile("z-home", 1), other) == ("z-home", 1.0)


def test_another_sensor_is_no_candidate() -> None:
    landsat = replace(
        tile("landsat", 1, collection="landsat-c2-l2"), bands=(band("SR_B4", "none"),)
    )
    assert chosen(tile("s2", 3), landsat, sensor="sentinel-2") == ("s2", 3.0)
    assert chosen(tile("s2", 3), landsat)[0] == "landsat"
    assert chosen(tile("s2", 3), landsat, collection="sentinel-2-l2a")[0] == "s2"


def test_of_one_pass_the_ground_comes_first() -> None:
    """Of both levels only L2A has a scene classification."""
    above = tile("S2A_L1C", 1, collection="sentinel-2-l1c")
    assert chosen(above, tile("S2A_L2A", 1, cloud=9.0))[0] == "S2A_L2A"


@pytest.mark.parametrize("off", [-4_950.0, 4_950.0])
def test_at_the_edge_of_a_tile_its_neighbour_is_taken(off: float) -> None:
    later = DAY - timedelta(days=1, seconds=-14)  # a neighbouring tile begins some seconds after
    assert chosen(tile("a", 1, off=off, datetime=later), tile("b", 1))[0] == "b"


TILES = st.lists(
    st.tuples(
        st.integers(0, 300), st.sampled_from(["EPSG:32632", "EPSG:32633"]),
        st.sampled_from([-4_950.0, 0.0, 3_000.0]), st.sampled_from([0.0, 50.0]),
    ),
    min_size=1, max_size=8,
)  # fmt: skip


@given(cases=TILES)
def test_no_nearer_scene_was_there_whatever_the_tiles(
    cases: list[tuple[int, str, float, float]],
) -> None:
    """Through both steps: the least gap, and a window wherever a scene of that day holds one."""
    scenes = [
        tile(f"s{k}", days, crs, off, cloud=cloud)
        for k, (days, crs, off, cloud) in enumerate(cases)
    ]
    least = min((days for days, *_ in cases if days <= 180), default=None)
    inside = any(days == least and off > -4_900 for days, _, off, _ in cases)
    if least is None or not inside:
        with pytest.raises(Reject) as caught:
            chosen(*scenes)
        assert caught.value.code == ("no_scene_in_time" if least is None else "outside_imagery")
        return
    name, gap = chosen(*scenes)
    assert gap == least and cases[int(name[1:])][2] > -4_900


def test_scenes_without_a_date_are_told() -> None:
    with pytest.raises(Reject, match=r"1 without a date .*--datetime imagery"):
        chosen(tile("a", 1, datetime=None), tile("b", 300))
