"""Layers and tables beside samples on a whole build: right pixels, named sources, fresh blocks."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.io import MemoryFile

import building
from building import arguments, release, tree
from catalogs.releases.tables import PIECE, write_beside
from catalogs.releases.verify import verify
from pipelines.datasets.skyscript import RECIPE
from schemas.errors import UsageError
from schemas.recipes import Recipe, active, check
from schemas.samples import Sample
from schemas.windows import to_lonlat
from small_world import World, places
from text_recipes import build, rows
from transforms import encode, layers
from transforms.context import Context

STEP = 1 / 3600
"""Degrees of a pixel of the elevation."""


def height(lon: Any, lat: Any) -> Any:
    """The elevation of a place: a plane, which bilinear sampling keeps."""
    return (np.asarray(lon) - 5) * 400 + (np.asarray(lat) - 46) * 300


def elevation(path: Path, lift: float = 0.0, hole: bool = False) -> Path:
    """A GeoTIFF in degrees that covers the small world."""
    lonlat = [to_lonlat("EPSG:32632", np.array([x]), np.array([y])) for x, y in places().values()]
    west = min(float(lon[0]) for lon, _ in lonlat) - 0.02
    south = min(float(lat[0]) for _, lat in lonlat) - 0.03
    east, north = max(float(lon[0]) for lon, _ in lonlat) + 0.03, south + 0.06
    wide, high = round((east - west) / STEP), round((north - south) / STEP)
    lon = west + (np.arange(wide) + 0.5) * STEP
    lat = north - (np.arange(high) + 0.5) * STEP
    data = (height(lon[None], lat[:, None]) + lift).astype("float32")
    if hole:
        data[:, : wide // 3] = -9999
    with rasterio.open(
        path, "w", driver="GTiff", width=wide, height=high, count=1, dtype="float32",
        crs="EPSG:4326", transform=Affine(STEP, 0, west, 0, -STEP, north), nodata=-9999,
        tiled=True, blockxsize=256, blockysize=256,
    ) as target:  # fmt: skip
        target.write(data, 1)
    return path


@dataclass(frozen=True)
class Longest:
    """A hidden fact."""

    needs: tuple[str, ...] = ("title",)
    gives: dict[str, str] = field(default_factory=lambda: {"_inner": "binary"}, init=False)

    def __call__(self, sample: Sample, ctx: Context) -> Sample:
        sample.facts["_inner"] = str(sample.facts["title"]).encode()  # type: ignore[assignment]
        return sample


@dataclass(frozen=True)
class Listing:
    """Keys and hidden facts, a line each."""

    name: str = "listing.csv"
    about: str = "a test"
    needs: tuple[str, ...] = ("_inner", "title")

    def write(self, found: Iterator[pa.Table], target: Path, ctx: Context) -> None:
        with target.open("w", encoding="utf-8") as stream:
            for table in found:
                for row in table.to_pylist():
                    stream.write(f"{row['key']},{row['_inner'].decode()},{row['title']}\n")


def layered(**settings: Any) -> Recipe:
    """SkyScript with elevation."""
    base = active(RECIPE)
    members = {**base.pack.members, "dem.geotiff": encode.GeoTiff(image="dem")}
    return replace(
        base,
        roles=("imagery", "osm", "dem"),
        plan=(*base.plan, layers.Find(role="dem")),
        make=(*base.make, layers.Read(role="dem", **settings), Longest()),
        tables=(Listing(),),
        pack=replace(base.pack, members=members),
    )


def with_dem(world: World, out: Path, dem: Path, *more: str) -> list[str]:
    return arguments(world, out, "--dem", str(dem), "--license", "dem=CC0-1.0", *more)


@pytest.fixture(scope="module")
def dem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return elevation(tmp_path_factory.mktemp("dem") / "dem.tif")


@pytest.fixture(scope="module")
def done(world: World, dem: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build with elevation; not to be changed."""
    out = tmp_path_factory.mktemp("layered")
    assert build(layered(), with_dem(world, out, dem)) == 0
    return out


def member(out: Path, row: dict[str, Any], name: str) -> bytes:
    with (release(out) / "data" / row["shard"]).open("rb") as stream:
        stream.seek(row[f"{name}_offset"])
        return stream.read(row[f"{name}_size"])


def test_every_pixel_has_the_height_of_its_place(done: Path) -> None:
    found = rows(done)
    assert len(found) == 82
    for row in found:
        with MemoryFile(member(done, row, "dem_geotiff")) as memory, memory.open() as source:
            values, affine = source.read(1), source.transform
            assert (source.crs.to_epsg(), source.nodata) == (32632, -9999)
        with MemoryFile(member(done, row, "ms_geotiff")) as memory, memory.open() as source:
            assert source.transform == affine and source.shape == values.shape
        cols, lines = np.meshgrid(np.arange(values.shape[1]), np.arange(values.shape[0]))
        xs, ys = affine * (cols.ravel() + 0.5, lines.ravel() + 0.5)
        truth = height(*to_lonlat(row["crs"], xs, ys)).reshape(values.shape)
        assert np.abs(values - truth).max() < 0.01


def test_the_layer_is_named_and_credited(done: Path) -> None:
    assert all(row["layer_ids"] == ["dem=local/dem"] for row in rows(done))
    assert not verify(release(done))
    assert "dem" in (release(done) / "ATTRIBUTION.md").read_text()
    sources = pq.read_table(release(done) / "provenance" / "sources.parquet").to_pylist()
    assert any(row["role"] == "dem" for row in sources)


def test_a_changed_layer_is_read_anew_and_nothing_else_changes(
    world: World, dem: Path, done: Path, tmp_path: Path
) -> None:
    other = elevation(tmp_path / "dem.tif", lift=50.0)
    assert build(layered(), with_dem(world, tmp_path / "out", other)) == 0
    old, new = ({row["key"]: row for row in rows(out)} for out in (done, tmp_path / "out"))
    assert old.keys() == new.keys()
    for key, row in new.items():
        assert member(tmp_path / "out", row, "ms_geotiff") == member(done, old[key], "ms_geotiff")
        assert member(tmp_path / "out", row, "dem_geotiff") != member(done, old[key], "dem_geotiff")


def test_where_the_layer_is_void_nodata_ships(world: World, tmp_path: Path) -> None:
    void = elevation(tmp_path / "dem.tif", hole=True)
    assert build(layered(), with_dem(world, tmp_path / "out", void)) == 0
    west = min(rows(tmp_path / "out"), key=lambda row: row["lon"])
    with (
        MemoryFile(member(tmp_path / "out", west, "dem_geotiff")) as memory,
        memory.open() as source,
    ):
        assert (source.read(1) == -9999).all()


def test_a_place_without_the_layer_is_rejected(world: World, dem: Path, tmp_path: Path) -> None:
    with rasterio.open(dem) as source:
        half = source.read(1, window=((0, source.height), (0, source.width // 2)))
        profile = {**source.profile, "width": half.shape[1]}
    with rasterio.open(tmp_path / "dem.tif", "w", **profile) as target:
        target.write(half, 1)
    assert build(layered(), with_dem(world, tmp_path / "out", tmp_path / "dem.tif")) == 0
    drops = rows(tmp_path / "out", "drops")
    lost = [row for row in drops if row["code"] == "no_dem"]
    assert len(lost) + len(rows(tmp_path / "out")) == 82


def test_the_further_table_holds_every_sample_by_key(done: Path) -> None:
    lines = (release(done) / "metadata" / "listing.csv").read_text().splitlines()
    by_key = sorted((row["key"], row["title"]) for row in rows(done))
    assert lines == [f"{key},{title},{title}" for key, title in by_key]
    assert "_inner" not in pq.read_schema(release(done) / "metadata" / "samples.parquet").names
    assert "listing.csv" in (release(done) / "README.md").read_text()
    assert "metadata/listing.csv" in (release(done) / "SHA256SUMS").read_text()


def test_workers_and_blocks_leave_the_bytes_alone(
    world: World, dem: Path, done: Path, tmp_path: Path
) -> None:
    argv = with_dem(world, tmp_path, dem)
    argv[argv.index("--workers") + 1] = "1"
    assert build(layered(), argv, {"block": 5, "partition": 17}) == 0
    assert tree(release(tmp_path), building.PARTS) == tree(release(done), building.PARTS)


def test_steps_out_of_order_are_named() -> None:
    base = layered()
    with pytest.raises(UsageError, match="layer_dem"):
        check(replace(base, plan=base.plan[:-1]))
    with pytest.raises(UsageError, match="_inner"):
        check(replace(base, make=base.make[:-1]))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--dem", "x.tif"], "needs --imagery, --osm as well"),
        (["--shots", "x.h5"], "--shots x.h5: skyscript is made from imagery, osm only"),
    ],
)
def test_roles_that_do_not_fit(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = layered() if argv[0] == "--dem" else RECIPE
    assert build(recipe, ["--dataset", "skyscript", *argv]) == 2
    assert said in capsys.readouterr().err


def test_heavy_rows_reach_further_tables_in_small_pieces(tmp_path: Path) -> None:
    heavy, light = bytes(1_000_000), b"x"
    keys = [f"k{i:04d}" for i in range(300)]
    order = np.random.default_rng(0).permutation(300)
    rows_at = tmp_path / "rows"
    rows_at.mkdir()
    for number, part in enumerate(np.array_split(order, 3)):
        table = pa.table({"key": [keys[i] for i in part], "_inner": [heavy] * len(part),
                          "_other": [light] * len(part)})  # fmt: skip
        pq.write_table(table, rows_at / f"{number}.parquet", use_dictionary=False)
    seen: list[pa.Table] = []

    class Pieces(Listing):
        def write(self, found: Iterator[pa.Table], target: Path, ctx: Context) -> None:
            seen.extend(found)

    recipe = replace(layered(), tables=(Pieces(needs=("_inner",)),))
    write_beside(rows_at, tmp_path, recipe, None, tmp_path)
    assert [key for table in seen for key in table["key"].to_pylist()] == keys
    assert max(table.nbytes for table in seen) < 2 * PIECE
    assert all(table.column_names == ["key", "_inner"] for table in seen)


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    kind=st.sampled_from(["uint8", "int16", "uint16"]),
    source=st.sampled_from(["uint8", "int16", "int32", "float32"]),
)
def test_fault_47_another_fill_and_type_lose_nothing(
    data: st.DataObject, kind: str, source: str
) -> None:
    """What is there stays there, rounded and within the type; what is gone is the fill alone."""
    limits = np.iinfo(kind)
    fill = data.draw(st.sampled_from([limits.min, 0, limits.max]))
    wide = (-40_000, 40_000) if source in ("int32", "float32") else (
        np.iinfo(source).min, np.iinfo(source).max
    )  # fmt: skip
    array = np.array(
        data.draw(st.lists(st.integers(*wide), min_size=12, max_size=12)), source
    ).reshape(2, 2, 3)
    gone = np.array(data.draw(st.lists(st.booleans(), min_size=12, max_size=12))).reshape(2, 2, 3)
    found = layers.recoded(array, gone, fill, kind)
    assert found.dtype == kind and ((found == fill) == gone).all()
    kept = np.clip(array.astype(float), limits.min, limits.max)[~gone]
    assert np.abs(found[~gone].astype(float) - kept).max(initial=0) <= 1


def test_fills_of_other_products_become_ours(world: World, tmp_path: Path) -> None:
    """A float elevation whose sea is -32768 ships as int16 with -9999."""
    path = elevation(tmp_path / "dem.tif")
    with rasterio.open(path) as source:
        values, profile = source.read(1), source.profile
    values[:, : values.shape[1] // 3] = -32768
    with rasterio.open(path, "w", **{**profile, "nodata": -32768}) as target:
        target.write(values, 1)
    recipe = layered(fill=-9999, dtype="int16")
    assert build(recipe, with_dem(world, tmp_path / "out", path)) == 0
    found = rows(tmp_path / "out")
    ends = (min(found, key=lambda row: row["lon"]), max(found, key=lambda row: row["lon"]))
    for row, void in zip(ends, (True, False), strict=True):
        data = member(tmp_path / "out", row, "dem_geotiff")
        with MemoryFile(data) as memory, memory.open() as source:
            assert (source.dtypes[0], source.nodata) == ("int16", -9999)
            pixels = source.read(1)
        assert (pixels == -9999).all() == void
        if not void:
            assert np.abs(pixels - height(row["lon"], row["lat"])).max() < 5


def test_classes_have_nothing_between_them() -> None:
    with pytest.raises(ValueError, match="nearest"):
        layers.Read("landcover", resampling="bilinear")
    with pytest.raises(ValueError, match="cannot hold"):
        layers.Read("dem", fill=-9999, dtype="uint8")


def test_a_layer_of_something_else_is_named(
    world: World, dem: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Elevation where radar is wanted: no sample ships, and the reason says what is there."""
    recipe = layered(bands=("HH", "HV"))
    assert build(recipe, with_dem(world, tmp_path, dem)) == 3
    said = capsys.readouterr().err
    assert "--dem: dem has the bands" in said and "HH, HV are wanted" in said


def test_faults_of_a_layer_name_its_role(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert build(layered(), with_dem(world, tmp_path, tmp_path / "empty")) != 0
    assert f"--dem {tmp_path / 'empty'}" in capsys.readouterr().err
