"""The recipe on the sample world: its promises, and that labels, pixels and tables tell one story."""

import io
import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from numpy.typing import NDArray

from catalogs.releases.verify.findings import Report
from catalogs.releases.verify.parcels import check_parcels
from catalogs.sources.parcels import open_parcels
from catalogs.world import World, ensure, truth
from catalogs.world.codes import CROPS
from pipelines.commands.build import main
from pipelines.datasets.sen4agrinet import RECIPE
from pipelines.sources import stamp
from schemas.windows import Grid, to_lonlat
from tests import shards
from transforms.crops.cube import BANDS
from transforms.crops.oad import SCHEMA

sys.path.insert(0, str(Path(__file__).parents[1] / "releases"))
from spoiling import edit

MEMBERS = ("ms.geotiff", "count.geotiff", "labels.geotiff", "json")
L2A = tuple(name for name in BANDS if name != "B10")
INSIDE = 2
"""Pixels from the edge from which a parcel's pixels show nothing else."""


@dataclass(frozen=True)
class Built:
    """A release and the world that it shows."""

    release: Path
    world: World

    def table(self, name: str) -> Any:
        """A table below `metadata/`."""
        return pq.read_table(self.release / "metadata" / name)

    def report(self, name: str) -> Any:
        """A JSON file below `metadata/`."""
        return json.loads((self.release / "metadata" / name).read_text(encoding="utf-8"))

    def samples(self) -> Iterator[tuple[str, dict[str, bytes]]]:
        """(key, members by extension) of every sample, in the order of the tar files."""
        return shards.samples(self.release)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """`python -m pipelines.build --dataset sen4agrinet`, offline, with its defaults; it is verified."""
    out = tmp_path_factory.mktemp("sen4agrinet")
    assert main(["--dataset", "sen4agrinet", "--out", str(out), "--quiet"]) == 0
    return Built(out / "sen4agrinet" / "v1.0.0", ensure())


def opened(data: bytes) -> tuple[NDArray[Any], tuple[str, ...], Grid]:
    """(array, band names, grid) of a GeoTIFF."""
    with rasterio.open(io.BytesIO(data)) as chip:
        place = tuple(chip.transform)[:6]
        grid = Grid(chip.crs.to_string(), place, chip.width, chip.height)
        return chip.read(), chip.descriptions, grid


def middles(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(lon, lat) of the middles of all pixels, `(y, x)`."""
    a, _, c, _, e, f = grid.transform
    x, y = np.meshgrid(
        c + a * (np.arange(grid.width) + 0.5), f + e * (np.arange(grid.height) + 0.5)
    )
    lon, lat = to_lonlat(grid.crs, x.ravel(), y.ravel())
    return lon.reshape(x.shape), lat.reshape(x.shape)


def test_labels_lie_on_the_parcels_pixels(built: Built) -> None:
    """What grows at a pixel's middle is what its label says: 99.5 % away from edges."""
    icc = {material: crop.icc for material, crop in CROPS.items()}
    right, seen = 0, 0
    crops = Counter[int]()
    for key, members in built.samples():
        (classes, numbers, edge), names, grid = opened(members["labels.geotiff"])
        assert names == ("class", "parcel", "edge")
        assert np.array_equal(classes > 0, numbers > 0)
        assert np.array_equal(edge > 0, numbers > 0)
        inner = (edge >= INSIDE) & (classes != 998)
        lon, lat = middles(grid)
        grows = truth.materials(built.world, lon[inner], lat[inner], int(key[:4]))
        expected = np.array([icc.get(material, 0) for material in grows])
        right += int((expected == classes[inner]).sum())
        seen += int(inner.sum())
        crops.update(np.unique(classes[inner]).tolist())
    assert seen > 500_000
    assert right / seen >= 0.995
    assert len(crops) >= 9


def test_pixels_change_as_the_crops_do(built: Built) -> None:
    """Observed months of 2021: wheat is green in spring and bare in autumn, maize the other way."""
    found: dict[tuple[int, int], list[float]] = {}
    for key, members in built.samples():
        if not key.startswith("2021"):
            continue
        ms, names, _ = opened(members["ms.geotiff"])
        count, _, _ = opened(members["count.geotiff"])
        classes, _, edge = opened(members["labels.geotiff"])[0]
        for month in (1, 3, 5, 7, 9):
            red, nir = (
                ms[names.index(f"T{month}_{band}")].astype(float) for band in ("B04", "B08")
            )
            for crop in (110, 120):
                inner = (classes == crop) & (edge >= INSIDE) & (count[month] > 0)
                ndvi = (nir[inner] - red[inner]) / (nir[inner] + red[inner])
                found.setdefault((crop, month), []).extend(np.median(ndvi, keepdims=True).tolist())
    greenness = {name: float(np.median(values)) for name, values in found.items()}
    assert greenness[110, 5] > 0.75 > 0.35 > greenness[110, 9]
    assert greenness[120, 7] > 0.75 > 0.35 > greenness[120, 1]


def test_rasters(built: Built) -> None:
    """366 x 366 pixels of 10 m: twelve months of twelve bands, counts, whole labels; gaps are marked."""
    for _, members in built.samples():
        assert tuple(members) == MEMBERS
        ms, names, grid = opened(members["ms.geotiff"])
        assert ms.dtype == np.uint16
        assert names == tuple(f"T{month}_{band}" for month in range(12) for band in L2A)
        assert (grid.width, grid.height, grid.transform[0]) == (366, 366, 10.0)
        count, marks, same = opened(members["count.geotiff"])
        assert count.dtype == np.uint8
        assert marks == tuple(f"T{month}_count" for month in range(12))
        assert same == grid
        labels, _, own = opened(members["labels.geotiff"])
        assert labels.dtype == np.uint32
        assert own == grid
        facts = json.loads(members["json"])
        never = ~count.any(axis=0)
        assert (ms[:, never] == 0).all()
        assert (ms[:, ~never] > 0).all()
        assert facts["gap_share"] == pytest.approx((count == 0).mean())
        assert facts["months_seen"] == int(count.reshape(12, -1).any(axis=1).sum())
        assert facts["months_seen"] <= (5 if facts["year"] == 2021 else 2)


def test_two_countries_and_their_years(built: Built) -> None:
    """The west declares two years, the east one."""
    rows = built.table("samples.parquet").select(["key", "country", "year", "patch_tile"])
    assert {(r["country"], r["year"]) for r in rows.to_pylist()} == {
        ("XW", 2021), ("XW", 2022), ("XE", 2021),
    }  # fmt: skip
    for row in rows.to_pylist():
        assert row["key"] == f"{row['year']}_{row['patch_tile'].lower()}_patch_0_0"


def test_oad(built: Built) -> None:
    """315 columns; a row for each parcel and patch; the label is the declared crop."""
    table, numbers = built.table("oad.parquet"), built.table("patch_parcels.parquet")
    assert table.schema.equals(SCHEMA)
    assert len(table.schema) == 315
    assert table["parcel_id"].to_pylist() == numbers["parcel_id"].to_pylist()
    assert table["label"].to_pylist() == numbers["label"].to_pylist()
    assert sum(built.table("samples.parquet")["parcels"].to_pylist()) == len(table)
    assert all(table[n].null_count == len(table) for n in SCHEMA.names if n.startswith("B10_"))
    declared = {row["id"]: row for row in built.table("parcels.parquet").to_pylist()}
    names = {(crop.west, 32632): crop.icc for crop in CROPS.values()}
    names |= {(crop.east, 32633): crop.icc for crop in CROPS.values()}
    zone = {"XW": 32632, "XE": 32633}
    for row in numbers.to_pylist():
        own = declared[row["parcel"]]
        place = zone[own["admin:country_code"]]
        assert row["label"] == names.get((own["crop:name"], place), 998)
        assert own["fao_icc:code"] == row["label"]


def test_oad_is_what_the_rasters_show(built: Built) -> None:
    """Far from edges the statistics by coverage are those of the pixels: means of some parcels."""
    table = {row["parcel_id"]: row for row in built.table("oad.parquet").to_pylist()}
    key, members = next(built.samples())
    ms, names, _ = opened(members["ms.geotiff"])
    _, numbers, edge = opened(members["labels.geotiff"])[0]
    checked = 0
    for number in np.unique(numbers[edge >= 6]).tolist():
        row = table[f"{key}/{number}"]
        pixels = ms[names.index("T5_B08")][(numbers == number) & (edge >= 2)].astype(float)
        if len(pixels) > 200:
            assert row["B08_06_mean"] == pytest.approx(pixels.mean(), rel=0.02)
            assert row["counts"] == pytest.approx(len(pixels), rel=0.15)
            checked += 1
    assert checked > 20


def test_the_mapping_is_reported(built: Built) -> None:
    """One crop of each register is unknown on purpose; its parcels are 998 and counted."""
    report = built.report("mapping.json")
    unmapped = report["schemes"]["s4a"]["unmapped"]
    assert {row["name"] for row in unmapped} == {"Versuchsfläche"}
    labels = built.table("patch_parcels.parquet")
    unknown = {r["parcel"] for r in labels.to_pylist() if r["label"] == 998}
    assert sum(row["parcels"] for row in unmapped) == len(unknown) > 0
    assert report["parcels"] == len(built.table("parcels.parquet"))
    assert report["schemes"]["s4a"]["share"] > 0.99


def test_scenarios(built: Built) -> None:
    """West trains and east tests, and the other way in another year; no tile is on both sides."""
    rows = {r["key"]: r for r in built.table("scenarios.parquet").to_pylist()}
    samples = {r["key"]: r for r in built.table("samples.parquet").to_pylist()}
    report = built.report("scenarios.json")
    assert set(rows) == set(samples)
    assert {k: r["scenario_1"] for k, r in rows.items()} == {
        k: r["split"] for k, r in samples.items()
    }
    for name, learns in (("scenario_2", "XW"), ("scenario_3", "XE")):
        tiles: dict[bool, set[str]] = {True: set(), False: set()}
        years: dict[bool, set[int]] = {True: set(), False: set()}
        for key, row in rows.items():
            if row[name]:
                tests = row[name] == "test"
                assert (samples[key]["country"] == learns) is not tests
                tiles[tests].add(samples[key]["patch_tile"])
                years[tests].add(samples[key]["year"])
        assert tiles[True]
        assert tiles[False]
        assert not tiles[True] & tiles[False]
        if name == "scenario_3":
            assert (years[False], years[True]) == ({2021}, {2022})
        assert 998 not in report[name]["classes"]
        assert {110, 120} <= set(report[name]["classes"])
        assert set(report[name]["weights_by_pixels"]) == set(map(str, report[name]["classes"]))


def test_the_same_patch_again_is_the_same_bytes(built: Built, tmp_path: Path) -> None:
    """In a build of few, by one worker."""
    options = ["--limit", "3", "--workers", "1", "--quiet", "--out", str(tmp_path)]
    assert main(["--dataset", "sen4agrinet", *options]) == 0
    few = Built(tmp_path / "sen4agrinet" / "v1.0.0", built.world)
    sums = [dict(zip(*(b.table("samples.parquet")[n].to_pylist() for n in ("key", "sha256")), strict=True))
            for b in (built, few)]  # fmt: skip
    both = set(sums[0]) & set(sums[1])
    assert both
    assert {k: sums[1][k] for k in both} == {k: sums[0][k] for k in both}
    tables = [{r["parcel_id"]: r for r in b.table("oad.parquet").to_pylist()} for b in (built, few)]
    own = {name for name in tables[1] if name.split("/")[0] in both}
    assert own
    assert all(tables[1][name] == tables[0][name] for name in own)


def test_too_many_unknown_crops_end_the_build(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before any pixel is read, with the country, the share and what to do."""
    options = ["--plan", "--set", "crops.unmapped=0.0001", "--quiet", "--out", str(tmp_path)]
    assert main(["--dataset", "sen4agrinet", *options]) == 1
    said = capsys.readouterr().err
    assert "parcels of XE" in said
    assert "--set crops.unmapped" in said
    assert "Traceback" not in said


def test_a_country_whose_list_is_missing_ends_the_build(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of its crops are unknown: its patches are not dropped as if nothing grew there."""
    world = ensure()
    (tmp_path / "codes").mkdir()
    for path in world.role("codes").iterdir():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not line.lower().startswith(("xe,", "xe_2021,"))]
        (tmp_path / "codes" / path.name).write_text("".join(kept), encoding="utf-8")
    named = [
        word for role in ("imagery", "parcels") for word in (f"--{role}", str(world.role(role)))
    ]
    options = ["--codes", str(tmp_path / "codes"), "--plan", "--quiet", "--out", str(tmp_path)]
    assert main(["--dataset", "sen4agrinet", *named, *options]) == 1
    assert (
        "parcels of XE (100%) declare a crop that --codes does not know" in capsys.readouterr().err
    )


def test_rows_that_are_no_parcels_are_told(built: Built) -> None:
    """The world's three bow ties and three doubles: in a table, in the counts, and on the card."""
    lost = built.table("parcel_drops.parquet")
    assert sorted(lost["code"].to_pylist()) == ["duplicate"] * 3 + ["geometry"] * 3
    assert set(lost["file"].to_pylist()) == {
        "world_east_2021.zip", "world_west_2021.parquet", "world_west_2022.parquet",
    }  # fmt: skip
    counts = built.report("mapping.json")["registers"]
    assert (counts["duplicate"], counts["geometry"], counts["repaired"]) == (3, 3, 3)
    card = (built.release / "README.md").read_text(encoding="utf-8")
    assert "3 without a sound outline, 0 outside of where they should lie, 3 doubles" in card


def test_parcels_can_be_joined_back_to_their_registers(built: Built) -> None:
    """By the register's own id, within country and year; the list of the crop is named too."""
    rows = built.table("parcels.parquet").to_pylist()
    own = {(r["admin:country_code"], r["harvest:year"], r["register:id"]) for r in rows}
    assert len(own) == len(rows)
    assert all(r["register:code_list"] == r["admin:country_code"] for r in rows)


def test_a_sidecar_counts_in_the_sign_that_nothing_changed(tmp_path: Path) -> None:
    """Also one beside a single file: what it says shapes the labels."""
    path = tmp_path / "east_2021.zip"
    shutil.copy(ensure().role("parcels") / "world_east_2021.zip", path)
    source = ensure().role("parcels") / "world_east_2021.parcels.json"
    said, marks, versions = json.loads(source.read_text(encoding="utf-8")), [], []
    for lists in ("XE", "NOSUCH"):
        beside = tmp_path / "east_2021.parcels.json"
        beside.write_text(json.dumps({**said, "code_list": lists}), encoding="utf-8")
        args = SimpleNamespace(imagery="world", parcels=str(path), codes="world", region=None)
        marks.append(stamp(args, RECIPE)["parcels"])
        versions.append(open_parcels(path).version)
    assert marks[0] != marks[1] and versions[0] != versions[1]


def test_aerial_pictures_have_no_patches(built: Built) -> None:
    """The world's imagery holds them too."""
    assert set(built.table("samples.parquet")["collection"].to_pylist()) == {"sentinel-2-l2a"}
    drops = built.table("drops.parquet")["key"].to_pylist()
    assert not any("-0_6_" in key for key in drops)


def told(built: Built, target: Path, name: str = "", change: Any = None) -> list[str]:
    """What `verify` says of the parcels after a change of one table that no checksum shows."""
    shutil.copytree(built.release / "metadata", target / "metadata")
    if name:
        edit(target / "metadata" / name, change)
    return findings(target)


def findings(target: Path) -> list[str]:
    """What `verify` says of the parcels of a release."""
    report = Report()
    check_parcels(
        target, {f"metadata/{path.name}" for path in (target / "metadata").iterdir()}, report
    )
    return [str(finding) for finding in report.findings]


def test_verify_finds_parcels_that_are_not_as_promised(built: Built, tmp_path: Path) -> None:
    """A parcel in two splits, another label, an unknown parcel, a tile on both sides."""

    def shared(rows: list[dict[str, Any]]) -> None:
        splits = {r["key"]: r["split"] for r in built.table("samples.parquet").to_pylist()}
        test = next(r for r in rows if splits[r["patch"]] == "test")
        next(r for r in rows if splits[r["patch"]] == "train")["parcel"] = test["parcel"]

    def renamed(rows: list[dict[str, Any]]) -> None:
        rows[3]["label"] = 120 if rows[3]["label"] != 120 else 110

    def dropped(rows: list[dict[str, Any]]) -> None:
        rows.pop(5)

    def leaked(rows: list[dict[str, Any]]) -> None:
        next(r for r in rows if r["scenario_2"] == "train")["scenario_2"] = "test"

    assert told(built, tmp_path / "whole") == []
    said = told(built, tmp_path / "a", "patch_parcels.parquet", shared)
    assert any("is shown in train and in test" in line for line in said)
    (said,) = told(built, tmp_path / "b", "oad.parquet", renamed)
    assert "its label is not that of" in said
    (said,) = told(built, tmp_path / "c", "parcels.parquet", dropped)
    assert "which a patch shows" in said
    said = told(built, tmp_path / "d", "scenarios.parquet", leaked)
    assert any("is learnt from and tested" in line for line in said)


def test_verify_finds_scenarios_whose_sides_are_near(built: Built, tmp_path: Path) -> None:
    """In one year, or within the buffer, though no tile is on both sides."""
    facts = {row["key"]: row for row in built.table("samples.parquet").to_pylist()}

    def same_year(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["scenario_3"] = {"XE": "train", "XW": "test"}[facts[row["key"]]["country"]]

    said = told(built, tmp_path / "year", "scenarios.parquet", same_year)
    assert any("scenario_3: year 2021 is learnt from and tested" in line for line in said)

    shutil.copytree(built.release / "metadata", tmp_path / "near" / "metadata")
    path = tmp_path / "near" / "metadata" / "scenarios.json"
    report = json.loads(path.read_text())
    assert report["scenario_2"]["buffer_m"] == report["scenario_3"]["buffer_m"] == 5000
    report["scenario_2"]["buffer_m"] = 5e6
    path.write_text(json.dumps(report))
    said = findings(tmp_path / "near")
    assert said
    assert all("scenario_2" in line and "the buffer is 5000000 m" in line for line in said)
