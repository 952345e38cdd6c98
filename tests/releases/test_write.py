"""The release act: the same bytes twice, flat memory, pages that say what they must."""

import dataclasses
import json
import resource
import shutil
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import release_world
from catalogs.files import read_json, sha256
from catalogs.releases import hilbert
from catalogs.releases.extents import Extent, box
from catalogs.releases.manifest import point
from catalogs.releases.tables import write_samples
from catalogs.releases.verify import verify
from catalogs.releases.write import write_release
from schemas.errors import BuildError, UsageError
from schemas.recipes import Pack


def tree(folder: Path) -> dict[str, str]:
    """sha256 of every file."""
    return {p.relative_to(folder).as_posix(): sha256(p) for p in folder.rglob("*") if p.is_file()}


def test_two_writes_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    one = release_world.build(tmp_path / "one", release_world.usual())
    write_release(*one.inputs())
    time.sleep(1.1)  # formats that stamp a time do so in seconds
    two = release_world.build(tmp_path / "two", release_world.usual())
    write_release(*two.inputs())
    assert tree(one.stage) == tree(two.stage)


def test_only_time_and_run_record_differ_without_an_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    worlds = [release_world.build(tmp_path / n, release_world.usual()) for n in ("one", "two")]
    for world in worlds:
        write_release(*world.inputs())
    one, two = (tree(world.stage) for world in worlds)
    differ = {name for name in one if one[name] != two[name]}
    assert differ <= {"provenance/run.json", "SHA256SUMS", "manifest.json"}


def test_a_second_write_over_the_same_stage_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    world = release_world.build(tmp_path, release_world.usual())
    write_release(*world.inputs())
    before = tree(world.stage)
    write_release(*world.inputs())
    assert tree(world.stage) == before
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_rows_in_other_files_and_order_give_the_same_table(tmp_path: Path) -> None:
    world = release_world.build(tmp_path, release_world.usual())
    write_samples(tmp_path / "rows", tmp_path / "a.parquet", release_world.RECIPE, tmp_path)
    table = pa.concat_tables([pq.read_table(p) for p in sorted((tmp_path / "rows").iterdir())])
    shutil.rmtree(tmp_path / "rows")
    (tmp_path / "rows").mkdir()
    mixed = table.take(np.random.default_rng(0).permutation(table.num_rows))
    pq.write_table(mixed.slice(0, 7), tmp_path / "rows" / "x.parquet")
    pq.write_table(mixed.slice(7), tmp_path / "rows" / "b.parquet")
    write_samples(tmp_path / "rows", tmp_path / "b.parquet", release_world.RECIPE, tmp_path)
    assert sha256(tmp_path / "a.parquet") == sha256(tmp_path / "b.parquet")
    assert world.stage.exists()


def test_counts_must_add_up(tmp_path: Path) -> None:
    world = release_world.build(tmp_path, release_world.usual())
    wrong = dataclasses.replace(world.staging, counts={**world.staging.counts, "failed": 0})
    with pytest.raises(BuildError, match="do not add up"):
        write_release(*world.inputs()[:4], wrong)
    assert not (world.stage / "manifest.json").exists()


def test_a_shard_without_rows_is_refused(tmp_path: Path) -> None:
    world = release_world.build(tmp_path, release_world.usual())
    shutil.copy(world.stage / "data" / "val-000000.tar", world.stage / "data" / "val-000001.tar")
    with pytest.raises(BuildError, match="val-000001"):
        write_release(*world.inputs())


def test_a_source_without_licence_is_refused(tmp_path: Path) -> None:
    world = release_world.build(tmp_path, release_world.usual())
    bare = dataclasses.replace(release_world.credits()[0], licence="")
    wrong = dataclasses.replace(world.staging, credits=(bare,))
    with pytest.raises(UsageError, match="imagery"):
        write_release(*world.inputs()[:4], wrong)


def test_a_sample_without_licence_is_refused(tmp_path: Path) -> None:
    entries = release_world.usual()
    entries["val-000000.tar"][0]["license"] = None
    world = release_world.build(tmp_path, entries)
    with pytest.raises(UsageError, match="1 sample without a licence"):
        write_release(*world.inputs())


def test_an_empty_release_is_refused(tmp_path: Path) -> None:
    world = release_world.build(tmp_path, {})
    with pytest.raises(BuildError, match="no sample"):
        write_release(*world.inputs())


def test_a_recipe_without_label_text_or_hash_is_released_too(tmp_path: Path) -> None:
    full = release_world.RECIPE
    pixels = dataclasses.replace(release_world.Read(), needs=(), gives={"image": "noun"})
    bare = dataclasses.replace(
        full,
        start=dataclasses.replace(release_world.Objects(), gives={}),
        make=(pixels,),
        label="",
        pack=Pack(
            members={
                "ms.geotiff": full.pack.members["ms.geotiff"],
                "json": dataclasses.replace(full.pack.members["json"], needs=()),
            }
        ),
    )
    world = release_world.build(tmp_path, release_world.usual(), recipe=bare)
    write_release(*world.inputs())
    assert verify(world.stage) == []


def test_generated_data_says_so_everywhere(tmp_path: Path) -> None:
    world = release_world.build(tmp_path, release_world.usual(), generated=True)
    write_release(*world.inputs())
    for name in ("README.md", "LICENSE.md", "ATTRIBUTION.md", "stac/collection.json"):
        assert "GENERATED" in (world.stage / name).read_text()
    assert read_json(world.stage / "manifest.json")["generated"] is True


def test_manifest_says_what_the_files_are(finished: Path) -> None:
    manifest = read_json(finished / "manifest.json")
    assert manifest["splits"]["train"]["samples"] == 24
    assert manifest["created"] == "2023-11-14T22:13:20Z"
    assert manifest["totals"]["samples"] == 40
    assert manifest["sha256sums_sha256"] == sha256(finished / "SHA256SUMS")
    listed = {entry["path"] for entry in manifest["files"]}
    on_disk = set(tree(finished)) - {"manifest.json", "SHA256SUMS"}
    assert listed == on_disk


def test_quality_measures_the_promise(finished: Path) -> None:
    quality = read_json(finished / "stats" / "quality.json")
    assert quality["splits"]["promise_kept"] is True
    assert 90_000 < quality["splits"]["least_gap_m"]["train-val"] < 110_000
    assert quality["accounting"]["balanced"] is True
    assert quality["near_duplicates"]["pairs"] == 0


def test_credits_name_years_and_extract_time(finished: Path) -> None:
    text = (finished / "ATTRIBUTION.md").read_text()
    assert "Contains modified Copernicus Sentinel data 2019, 2021" in text
    assert "© OpenStreetMap contributors" in text
    assert "2024-01-02T03:04:05Z" in text
    assert "https://www.openstreetmap.org/copyright" in text
    assert (finished / "LICENSES" / "ODbL-1.0.txt").exists()


def test_sources_are_unsigned_and_carry_no_local_path(finished: Path) -> None:
    table = pq.read_table(finished / "provenance" / "sources.parquet").to_pylist()
    hrefs = {row["id"]: row["href"] for row in table}
    assert hrefs["role:osm"] == "town.osm.pbf"
    assert hrefs["role:imagery"] == "https://host/stac"
    assert hrefs["sentinel-2-l2a/S0"] == "https://host/train/red.tif"


def test_card_front_matter_and_hostile_labels(finished: Path) -> None:
    text = (finished / "README.md").read_text()
    body = yaml.safe_load(text.split("---\n")[1])
    assert body["license"] == "other"
    assert [f["split"] for f in body["configs"][0]["data_files"]] == ["train", "val", "test"]
    assert "a &lt;b> \\| label" in text
    for _, dtype in ((f["name"], f.get("dtype")) for f in body["dataset_info"]["features"]):
        assert dtype in ("image", "binary", "string", None)


def test_pointer_names_a_whole_release_only(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        point(tmp_path, "1.0.0")
    shutil.copytree(finished, tmp_path / "v1.0.0")
    point(tmp_path, "1.0.0")
    pointer = read_json(tmp_path / "latest.json")
    assert pointer["manifest_sha256"] == sha256(tmp_path / "v1.0.0" / "manifest.json")
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_hilbert_numbers_are_a_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hilbert, "ORDER", 4)
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(16), np.arange(16)))
    numbers = hilbert.index((x + 0.5) / 16 * 360 - 180, (y + 0.5) / 16 * 180 - 90)
    order = np.argsort(numbers)
    steps = np.abs(np.diff(np.stack([x[order], y[order]], axis=1), axis=0)).sum(axis=1)
    assert sorted(numbers) == list(range(256)) and (steps == 1).all()


@pytest.mark.parametrize(
    ("boxes", "bbox"),
    [
        ([(179, -1, -179, 1)], (179, -1, -179, 1)),
        ([(178, -1, 179, 1), (-179, -2, -178, 0)], (178, -2, -178, 1)),
        ([(5, 40, 6, 41), (7, 42, 8, 43)], (5, 40, 8, 43)),
        ([(-180, -1, 180, 1)], (-180, -1, 180, 1)),
    ],
)
def test_extent_takes_the_short_way(
    boxes: list[tuple[float, ...]], bbox: tuple[float, ...]
) -> None:
    extent = Extent()
    for west, south, east, north in boxes:
        extent.add(*(np.array([v], float) for v in (west, south, east, north)))
    assert extent.bbox() == pytest.approx(bbox)
    assert box(extent.bbox())["type"] == ("MultiPolygon" if bbox[0] > bbox[2] else "Polygon")


def many(folder: Path, count: int) -> None:
    """`count` rows in files of 10,000, all over the world."""
    folder.mkdir()
    base = [release_world.row("train", n) for n in range(50)]
    members = {name: 512 for name in release_world.rows_schema().names if "_offset" in name}
    members |= {name: 100 for name in release_world.rows_schema().names if "_size" in name}
    rng = np.random.default_rng(0)
    for first in range(0, count, 10_000):
        rows = []
        for n in range(first, min(first + 10_000, count)):
            lon, lat = rng.uniform(-179, 178), rng.uniform(-80, 79)
            rows.append(
                {**base[n % 50], **members, "key": f"k{n:08d}", "index": n - first,
                 "sha256": f"{n:064x}", "shard": f"train-{first // 10_000:06d}.tar",
                 "bbox": {"xmin": lon, "ymin": lat, "xmax": lon + 0.01, "ymax": lat + 0.01}}
            )  # fmt: skip
        table = pa.Table.from_pylist(rows, release_world.rows_schema())
        pq.write_table(table, folder / f"train-{first // 10_000:06d}.parquet")


@pytest.mark.slow
def test_a_long_table_is_sorted_in_flat_memory(tmp_path: Path) -> None:
    for count in (50_000, 200_000):
        rows = tmp_path / str(count)
        many(rows, count)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        out = tmp_path / f"{count}.parquet"
        assert write_samples(rows, out, release_world.RECIPE, tmp_path) == count
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 400_000  # kB, against some 250 MB of rows in Arrow
    file = pq.ParquetFile(out)
    assert max(file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)) <= 20_000
    spans = [json.loads(file.schema_arrow.metadata[b"geo"])["columns"]["geometry"]["bbox"]]
    assert spans[0][0] >= -180 and file.metadata.num_rows == 200_000
