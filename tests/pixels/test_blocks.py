"""A block with resolutions and dates: its rows say what its files hold."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rasterio.io import MemoryFile

from pixel_world import WHEN, band, cut, grid, scene, write
from schemas.recipes import Card, Pack, Recipe, check, name_of
from schemas.samples import Sample
from schemas.scenes import Scene
from transforms import clouds, composites, encode, gates, imagery, osm
from transforms.blocks import Paths
from transforms.context import Context
from transforms.making import make_block
from transforms.planning.rows import from_table, outlines, to_table


def scenes(folder: Path) -> list[Scene]:
    """Two dates of 10 and 20 m bands with a mask; numbers tell date and band."""
    found = []
    for t in range(2):
        fine = np.full((120, 120), 100 + t, np.uint16)
        coarse = np.full((60, 60), 200 + t, np.uint16)
        scl = np.full((60, 60), 9 if t else 4, np.uint8)
        bands = (
            band("B04", write(folder / f"r{t}.tif", fine, grid(10, 120), 0), common="red"),
            band("B11", write(folder / f"s{t}.tif", coarse, grid(20, 60), 0), 20, "swir16"),
            band("SCL", write(folder / f"m{t}.tif", scl, grid(20, 60)), 20, dtype="uint8"),
        )
        when = WHEN + timedelta(days=t)
        found.append(scene(bands, grid(10, 120), id=f"s{t}", datetime=when, cloud=float(t)))
    return found


def made(folder: Path, make: tuple[Any, ...], members: dict[str, Any], dates: int = 1) -> Any:
    """(row of the sidecar, member -> bytes) of a block of one window of 41 x 51 at (7, 13)."""
    every = scenes(folder)[:dates]
    find = imagery.Find(count=dates) if dates > 1 else imagery.Find()
    recipe = Recipe(
        Card("x", "1.0.0", "X", "X.", ()), osm.Objects(), (find,), make, Pack(members), label="year"
    )
    window = cut(every[0].grid, 7, 13, 51, 41)
    sample = Sample("w1", 13.65, 47.83, window, tuple(every))
    if dates > 1:
        sample.facts["datetimes"] = "x"
    from transforms.planning.phases import fact_types

    table = to_table([sample], fact_types(recipe), 0)
    pq.write_table(table, folder / "windows.parquet")
    out = Paths(folder, "block")
    make_block(folder / "windows.parquet", {s.key: s for s in every}, recipe, Context(), out, "d")
    (row,) = pq.read_table(out.sidecar).to_pylist()
    assert row["outcome"] == "made", row["message"]
    payload, found = out.payload.read_bytes(), {}
    for ext in members:
        stem = ext.replace(".", "_")
        found[ext] = payload[row[f"{stem}_offset"] :][: row[f"{stem}_size"]]
    return row, found


def agree(row: dict[str, Any], data: bytes) -> Any:
    """The array of a GeoTIFF, which lies where its row says."""
    with MemoryFile(data) as memory, memory.open() as source:
        assert (source.width, source.height) == (row["width"], row["height"])
        assert list(source.transform)[:6] == row["transform"]
        assert source.crs.to_epsg() == int(row["crs"][5:])
        return source.read()


def test_fault_44_rows_follow_the_chips_grid(tmp_path: Path) -> None:
    row, files = made(tmp_path, (imagery.Read(bands=("B11",)),), {"ms.geotiff": encode.GeoTiff()})
    array = agree(row, files["ms.geotiff"])
    assert array.shape == (1, 20, 25) and (array == 200).all()
    assert row["transform"][0] == 20 and row["gsd_m"] == pytest.approx(20, rel=1e-3)
    assert row["key"] == "w1" and row["scene_ids"] == ["sentinel-2-l2a/s0"]
    box = row["bbox"]
    assert box["xmin"] < row["centre_lon"] < box["xmax"]


def test_planned_windows_stay_as_they_were(tmp_path: Path) -> None:
    row, files = made(
        tmp_path, (imagery.Read(bands=("red", "swir16")),), {"ms.geotiff": encode.GeoTiff()}
    )
    assert row["transform"] == list(cut(grid(10, 120), 7, 13, 51, 41).grid.transform)
    array = agree(row, files["ms.geotiff"])
    assert (array[0] == 100).all() and (array[1] == 200).all()
    assert row["resampled"] == "B11:20->10 nearest" and row["bands"] == "red,swir16"
    assert (row["scale"], row["offset"], row["radiometric_convention"]) == (1e-4, 0.0, "dn_pre04")


def test_a_stack_with_its_mask_and_its_composite(tmp_path: Path) -> None:
    make = (
        imagery.Read(bands=("red", "swir16"), mask=True),
        gates.Valid(),
        clouds.Fractions(),
        clouds.Clear(max_cloud=0.6),
    )
    members = {"ms.geotiff": encode.GeoTiff(), "mask.geotiff": encode.GeoTiff("mask")}
    row, files = made(tmp_path, make, members, dates=2)
    stack, masks = agree(row, files["ms.geotiff"]), agree(row, files["mask.geotiff"])
    assert stack[:, 0, 0].tolist() == [100, 200, 101, 201] and masks[:, 0, 0].tolist() == [4, 9]
    assert row["cloud_patch"] == 0.5 and row["cloud_patch_worst"] == 1.0
    assert [s["band"] for s in row["band_stats"]] == ["red", "swir16"]
    folder = tmp_path / "b"
    folder.mkdir()
    row, files = made(
        folder, (imagery.Read(bands=("red",)), composites.Merge("clearest")),
        {"ms.geotiff": encode.GeoTiff(), "source.geotiff": encode.GeoTiff("source")}, dates=2,
    )  # fmt: skip
    assert (agree(row, files["ms.geotiff"]) == 100).all()
    assert (agree(row, files["source.geotiff"]) == 0).all()


def test_the_table_of_an_unmoved_block_is_itself(tmp_path: Path) -> None:
    from transforms.planning.rows import moved

    told = scenes(tmp_path)[0]
    samples = [Sample(f"w{i}", 13, 47, cut(told.grid, i, 0, 20, 20), (told,)) for i in range(3)]
    table = to_table(samples, {"x": pa.string()}, 0)
    assert moved(table, [*from_table(table, {told.key: told})[:2], None]) is table
    other = from_table(table, {told.key: told})
    other[1].window = cut(grid(20, 60), 1, 0, 5, 5)
    after = moved(table, other)
    assert after["width"].to_pylist() == [20, 5, 20] and after.schema.names == table.schema.names
    assert after["rank"] == table["rank"]
    outlines(after)


def test_recipes_with_the_new_steps_are_in_order() -> None:
    steps = (
        imagery.Read(mask=True), clouds.Fractions(), clouds.Clear(), composites.Merge(),
    )  # fmt: skip
    members = {"a.geotiff": encode.GeoTiff(), "m.geotiff": encode.GeoTiff("mask")}
    from transforms.windows import Around

    recipe = Recipe(
        Card("x", "1.0.0", "X", "X.", ()), osm.Objects(), (imagery.Find(every="1mo"), Around()),
        steps, Pack(members),
    )  # fmt: skip
    check(recipe)
    assert [name_of(s) for s in (imagery.Find(), imagery.Read())] == [
        "imagery.Find",
        "imagery.Read",
    ]
    assert {"scale", "offset", "resampled", "cloud_patch", "datetimes"} <= set(recipe.columns())
    from schemas.meanings import FACTS

    assert set(recipe.columns()) - {"_bounds"} <= set(FACTS) | {
        n for n in recipe.columns() if n.startswith("_")
    }
