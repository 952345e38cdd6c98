"""The recipe on a small place: which shots are shipped, with which numbers, and what is refused."""

from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import biomass_world
import pipelines.commands.build as command
from biomass_world import PLACES, SPLITS, TO_CRS, WATER, Biomass, built
from catalogs.releases.biomass import read_patch
from catalogs.releases.verify import verify


def test_it_verifies_and_counts_every_shot(done: Path, rows: Any, drops: Any) -> None:
    assert verify(done) == []
    assert len(rows) + len(drops) == 3 * 68
    counts = Counter(drop["code"] for drop in drops)
    assert counts["l4_quality"] == 24
    assert counts.keys() == {
        "l4_quality", "outside_imagery", "buffer", "centre_not_vegetation", "centre_no_canopy",
    }  # fmt: skip
    assert {row["split"] for row in rows} == {"train", "val", "test"}
    assert all(drop["lon"] is not None for drop in drops)


def test_biomass_is_that_of_the_place(rows: Any) -> None:
    """The label equals the truth at the footprint's centre."""
    for row in rows:
        x, y = TO_CRS.transform(row["lon_lowestmode"], row["lat_lowestmode"])
        assert row["agbd"] == pytest.approx(float(biomass_world.biomass(x, y)), abs=1e-3)
        assert row["rh98"] == pytest.approx(row["agbd"] / 10, abs=1e-3)


def test_windows_over_the_edge_are_counted(rows: Any, drops: Any) -> None:
    """Acceptance check 6: exactly those within 12 pixels of the edge."""
    lost = {drop["key"] for drop in drops if drop["code"] == "outside_imagery"}
    inside: dict[str, bool] = {}
    for thing in (*rows, *drops):
        x, y = TO_CRS.transform(
            thing.get("lon_lowestmode", thing["lon"]), thing.get("lat_lowestmode", thing["lat"])
        )
        left, top = next(
            (a, b) for a, b in PLACES.values() if a <= x < a + 3000 and b - 3000 < y <= b
        )
        col, row = int((x - left) // 10), int((top - y) // 10)
        inside[thing["key"]] = 12 <= col < 288 and 12 <= row < 288
    early = {drop["key"] for drop in drops if drop["code"] == "l4_quality"}
    assert lost == {key for key, well in inside.items() if not well} - early
    assert lost


@pytest.mark.parametrize("bad", ["waveforms", "link", "heights"])
def test_other_granules_end_the_build(
    world: Biomass, tmp_path: Path, capsys: Any, bad: str
) -> None:
    """A granule of L1B, one with a link to another file, and one without biomass: one sentence each."""
    path = tmp_path / "GEDI04_A.h5"
    own = next((world.folder / "shots").glob("GEDI04*"))
    with h5py.File(path, "w") as file:
        if bad == "waveforms":
            file["BEAM0000/rxwaveform"] = np.zeros(9)
        else:
            file["BEAM0101"] = h5py.ExternalLink(str(own), "/BEAM0101")
    if bad == "heights":
        path = next((world.folder / "shots").glob("GEDI02*"))
    argv = world.arguments(tmp_path / "out", "--quiet")
    argv[argv.index("--shots") + 1] = str(path)
    assert command.main(argv) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    told = {
        "waveforms": "is GEDI L1B (waveforms); it wants L4A or L2A",
        "link": "links out of a granule are not followed",
        "heights": "biomass wants L4A granules",
    }
    assert said.startswith("error: ") and told[bad] in said


def test_an_even_side_is_refused(world: Biomass, tmp_path: Path, capsys: Any) -> None:
    assert command.main(world.arguments(tmp_path, "--set", "windows.px=24")) == 2
    assert "must be odd" in capsys.readouterr().err


def test_slope_of_the_ground(rows: Any) -> None:
    """Of the plane that the elevation is, from its gradient in metres."""
    for row in rows:
        x, y = TO_CRS.transform(row["lon_lowestmode"], row["lat_lowestmode"])
        lon, lat = TO_CRS.transform(
            [x + 500, x - 500, x, x], [y, y, y + 500, y - 500], direction="INVERSE"
        )
        height = biomass_world.elevation(lon, lat)
        truth = np.degrees(np.arctan(np.hypot(height[0] - height[1], height[2] - height[3]) / 1000))
        assert row["slope"] == pytest.approx(truth, abs=0.5)  # elevations are whole metres


def test_vegetation_around_the_shot(done: Path, rows: Any, drops: Any) -> None:
    """Acceptance check 7: the lake's shots are lost, the scores are those of the shipped classes."""
    col, line, side = WATER
    for row in rows:
        classes = read_patch(done, row)["scl"][0]
        assert classes[12, 12] == 4 == row["scl_centre"]
        assert row["s2_vegetation_score"] == 100 * int((classes == 4).sum()) // 625 >= 20
    for drop in (d for d in drops if d["code"] == "centre_not_vegetation"):
        x, y = TO_CRS.transform(drop["lon"], drop["lat"])
        left, top = next(
            (a, b) for a, b in PLACES.values() if a <= x < a + 3000 and b - 3000 < y <= b
        )
        assert col <= (x - left) / 10 < col + side and line <= (top - y) / 10 < line + side


def test_splits_are_those_of_the_table(rows: Any) -> None:
    """Acceptance check 10: whole tiles, no shot twice, and a distance between them."""
    assert {(row["s2_tile"], row["split"]) for row in rows} == set(SPLITS.items())
    numbers = [row["shot_number"] for row in rows]
    assert len(set(numbers)) == len(numbers)
    x, y = TO_CRS.transform(
        [row["lon_lowestmode"] for row in rows], [row["lat_lowestmode"] for row in rows]
    )
    places = np.stack([x, y], axis=1)
    splits = np.array([row["split"] for row in rows])
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    assert apart[splits[:, None] != splits[None]].min() >= 1000
    assert {row["tile_region"] for row in rows} == {"Nowhere"}


def test_the_same_bytes_again(world: Biomass, done: Path, tmp_path: Path) -> None:
    again = built(world, tmp_path, "--workers", "2")
    for part in ("data", "metadata"):
        for path in sorted((done / part).rglob("*")):
            if path.is_file():
                assert path.read_bytes() == (again / part / path.name).read_bytes(), path.name
