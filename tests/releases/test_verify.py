"""Every planted fault is named, and nothing is named in a sound release."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import release_world
from catalogs.files import read_json, sha256
from catalogs.releases.manifest import commit, listed, point, write_sums
from catalogs.releases.verify import Finding, examine, verify
from catalogs.releases.write import write_release


def reseal(release: Path, **changes: Any) -> None:
    """Sums and manifest of whatever lies in the folder now: a fault that no checksum shows."""
    body = read_json(release / "manifest.json")
    known = {e["path"]: e for e in body["files"]}
    files = []
    for entry in listed(release, {}):
        old = known.get(entry["path"], {})
        extra = {k: old[k] for k in ("rows", "split") if k in old and k not in entry}
        files.append({**entry, **extra})
    body |= {"files": files, "sha256sums_sha256": write_sums(release, files), **changes}
    body["totals"] |= {"files": len(files), "bytes": sum(e["bytes"] for e in files)}
    for split, entry in body["splits"].items():
        tars = [e for e in files if e["path"].startswith("data/") and e.get("split") == split]
        entry["bytes"] = sum(e["bytes"] for e in tars)
    body.pop("self_sha256")
    commit(release, body)


def checks(release: Path) -> dict[str, list[Finding]]:
    """Findings by check."""
    found: dict[str, list[Finding]] = {}
    for finding in verify(release):
        found.setdefault(finding.check, []).append(finding)
    return found


def edit(path: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change the rows of a Parquet file in place, schema and metadata kept."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)


def repack(path: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]) -> None:
    """Change the members of a tar file."""
    with tarfile.open(path) as tar:
        entries = [(info, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]
    change(entries)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for info, data in entries:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def test_a_sound_release_has_no_findings(finished: Path) -> None:
    report = examine(finished)
    assert [str(finding) for finding in report.findings] == []
    assert report.counts["samples"] == report.counts["decoded"] == 40
    assert report.counts["offsets"] == 160 and report.notes == []


FILES = [
    "data/train-000000.tar", "metadata/samples.parquet", "metadata/samples.fgb",
    "metadata/splits.parquet", "metadata/drops.parquet", "metadata/classes.json",
    "metadata/wids-val.json", "stac/catalog.json", "stac/collection.json",
    "stac/shards/val-000000.json", "stac/items.parquet", "stats/stats.json",
    "stats/quality.json", "provenance/sources.parquet", "provenance/run.json", "README.md",
    "LICENSE.md", "LICENSES/ODbL-1.0.txt", "SHA256SUMS", "manifest.json",
]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_fault_20_one_altered_byte_is_named(release: Path, name: str) -> None:
    data = bytearray((release / name).read_bytes())
    for place in (len(data) // 2, 3):
        data[place] ^= 1
        (release / name).write_bytes(data)
        assert name in {finding.path for finding in verify(release)}
        data[place] ^= 1


@pytest.mark.parametrize("name", FILES)
def test_fault_21_a_missing_file_is_named(release: Path, name: str) -> None:
    (release / name).unlink()
    assert name in {finding.path for finding in verify(release)}


@pytest.mark.parametrize("name", ["data/train-000002.tar", "notes.txt", "metadata/._x"])
def test_fault_21_an_extra_file_is_named(release: Path, name: str) -> None:
    (release / name).write_bytes(b"x")
    assert [(f.check, f.path) for f in verify(release)] == [("files", name)]


def test_a_cut_file_is_called_truncated(release: Path) -> None:
    path = release / "data" / "val-000000.tar"
    path.write_bytes(path.read_bytes()[:-2048])
    assert "truncated" in checks(release)["files"][0].message


def test_code_and_links_have_no_place(release: Path) -> None:
    (release / "load.py").write_text("import os")
    (release / "data" / "more.tar").symlink_to(release / "data" / "val-000000.tar")
    found = checks(release)
    assert found["safety"][0].path == "load.py"
    assert any("link" in finding.message for finding in found["files"])


def test_a_tar_cut_between_samples_with_new_sums_is_named(release: Path) -> None:
    path = release / "data" / "train-000001.tar"
    repack(path, lambda entries: entries.__delitem__(slice(-4, None)))
    reseal(release)
    found = checks(release)
    assert any("11 samples" in f.message and f.path.endswith(path.name) for f in found["counts"])


@pytest.mark.parametrize("cut", [100, 512, 1000, 5000])
def test_a_tar_cut_anywhere_with_new_sums_is_named(release: Path, cut: int) -> None:
    path = release / "data" / "train-000001.tar"
    with tarfile.open(path) as tar:
        last = tar.getmembers()[-1]
    path.write_bytes(path.read_bytes()[: last.offset_data + 512 + 1024 - cut])
    reseal(release)
    assert "tar" in checks(release) or "counts" in checks(release)


def change_member(
    release: Path, extension: str, change: Callable[[bytes], bytes], key: str = "way-val-0003"
) -> None:
    """Change one member's bytes and repair offsets, sums and manifest."""
    path = release / "data" / "val-000000.tar"

    def swap(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        for place, (info, data) in enumerate(entries):
            if info.name == f"{key}.{extension}":
                entries[place] = (info, change(data))

    repack(path, swap)
    places: dict[str, dict[str, Any]] = {}
    with tarfile.open(path) as tar:
        for info in tar:
            stem, _, ext = info.name.partition(".")
            entry = places.setdefault(stem, {"sum": hashlib.sha256()})
            column = ext.replace(".", "_")
            entry[f"{column}_offset"], entry[f"{column}_size"] = info.offset_data, info.size
            entry["sum"].update(tar.extractfile(info).read())  # type: ignore[union-attr]

    def move(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["key"] in places:
                entry = dict(places[row["key"]])
                row["sha256"] = entry.pop("sum").hexdigest()
                row.update(entry)

    edit(release / "metadata" / "samples.parquet", move)
    refresh_shard(release, path)
    reseal(release)


def refresh_shard(release: Path, path: Path) -> None:
    """Let STAC and the shard index state the tar file as it is now."""
    item = release / "stac" / "shards" / f"{path.stem}.json"
    body = read_json(item)
    body["assets"]["shard"]["file:size"] = path.stat().st_size
    body["assets"]["shard"]["file:checksum"] = "1220" + sha256(path)
    item.write_text(json.dumps(body))
    index = release / "metadata" / f"wids-{path.name.split('-')[0]}.json"
    body = read_json(index)
    for entry in body["shardlist"]:
        if entry["url"].endswith(path.name):
            entry["filesize"] = path.stat().st_size
            entry["md5sum"] = hashlib.md5(path.read_bytes()).hexdigest()
    index.write_text(json.dumps(body))


def facts(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    """A change of a JSON member."""

    def apply(data: bytes) -> bytes:
        body = json.loads(data)
        change(body)
        return json.dumps(body).encode()

    return apply


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda b: b.update(cloud=None), "cloud is null"),
        (lambda b: b.update(title=[]), "title is list"),
        (lambda b: b.update(cloud=3), "cloud is int"),
        (lambda b: b.update(cloud=3.25), "the table says"),
        (lambda b: b.update(more=1), "more"),
        (lambda b: b.pop("label"), "label"),
        (lambda b: b.update(blank=0), "blank is int"),
    ],
)
def test_fault_60_a_json_member_off_its_schema_is_named(
    release: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    change_member(release, "json", facts(change))
    found = checks(release)
    assert set(found) == {"json"}
    assert "way-val-0003" in found["json"][0].message and said in found["json"][0].message


def test_a_text_that_is_not_its_column_is_named(release: Path) -> None:
    change_member(release, "txt", lambda data: data + b"!")
    found = checks(release)
    assert set(found) == {"texts"} and "way-val-0003.txt" in found["texts"][0].message


def test_a_picture_of_another_size_is_named(release: Path) -> None:
    def shrink(data: bytes) -> bytes:
        out = io.BytesIO()
        Image.open(io.BytesIO(data)).resize((16, 16)).save(out, "JPEG")
        return out.getvalue()

    change_member(release, "rgb.jpg", shrink)
    assert set(checks(release)) == {"pixels"}


def test_a_broken_picture_is_named(release: Path) -> None:
    change_member(release, "rgb.jpg", lambda data: data[: len(data) // 2])
    assert "does not decode" in checks(release)["pixels"][0].message


def test_a_raster_that_lies_elsewhere_is_named(release: Path) -> None:
    import rasterio
    from rasterio.io import MemoryFile

    def shift(data: bytes) -> bytes:
        with MemoryFile(data) as memory, memory.open() as chip:
            profile, pixels = chip.profile, chip.read()
        profile["transform"] = profile["transform"] @ rasterio.Affine.translation(1, 0)
        with MemoryFile() as memory:
            with memory.open(**profile) as chip:
                chip.write(pixels)
            return bytes(memory.read())

    change_member(release, "ms.geotiff", shift)
    assert set(checks(release)) == {"grid"}


def test_a_wrong_offset_is_named(release: Path) -> None:
    def move(rows: list[dict[str, Any]]) -> None:
        rows[3]["txt_offset"] += 512

    edit(release / "metadata" / "samples.parquet", move)
    reseal(release)
    assert "offsets" in checks(release)


def test_a_changed_member_with_old_sample_sum_is_named(release: Path) -> None:
    path = release / "data" / "val-000000.tar"
    with tarfile.open(path) as tar:
        place = tar.getmember("way-val-0002.ms.geotiff").offset_data
    data = bytearray(path.read_bytes())
    data[place + 4000] ^= 1
    path.write_bytes(data)
    refresh_shard(release, path)
    reseal(release)
    assert "way-val-0002" in checks(release)["sums"][0].message


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        (lambda e: setattr(e[0][0], "mtime", 1), "tar"),
        (lambda e: setattr(e[0][0], "uid", 1000), "tar"),
        (lambda e: setattr(e[0][0], "uname", "me"), "tar"),
        (lambda e: setattr(e[0][0], "name", "Way.1.rgb.jpg"), "names"),
        (lambda e: e.__setitem__(slice(0, 2), [e[1], e[0]]), "members"),
        (lambda e: e.pop(2), "members"),
        (lambda e: e.insert(4, e.pop(8)), "members"),
        (lambda e: e.append((tarfile.TarInfo("_meta.json"), b"{}")), "counts"),
        (lambda e: e.extend(e[:4]), "counts"),
    ],
)  # fmt: skip
def test_fault_61_an_odd_archive_is_named(
    release: Path, spoil: Callable[[Any], None], check: str
) -> None:
    repack(release / "data" / "val-000000.tar", spoil)
    reseal(release)
    assert check in checks(release)


def test_a_key_in_two_shards_is_named(tmp_path: Path) -> None:
    entries = release_world.usual()
    entries["train-000001.tar"][0] |= {"key": "way-train-0000"}
    world = release_world.build(tmp_path, entries)
    write_release(*world.inputs())
    found = checks(world.stage)
    assert "way-train-0000" in found["keys"][0].message


def test_fault_63_a_sample_in_the_wrong_split_is_named_with_its_neighbour(tmp_path: Path) -> None:
    entries = release_world.usual()
    moved = entries["train-000000.tar"].pop(5)
    entries["val-000000.tar"].append({**moved, "split": "val"})
    world = release_world.build(tmp_path, entries)
    write_release(*world.inputs())
    assert read_json(world.stage / "stats" / "quality.json")["splits"]["promise_kept"] is False
    found = checks(world.stage)
    assert "way-train-0005 (val)" in found["buffer"][0].message
    assert "(train)" in found["buffer"][0].message
    assert "overlap" not in found


def test_footprints_that_overlap_across_splits_are_named(tmp_path: Path) -> None:
    entries = release_world.usual()
    twin = {**release_world.row("train", 3), "split": "val", "key": "twin", "osm_id": 77}
    twin["phash"] = ""
    entries["val-000000.tar"].append(twin)
    world = release_world.build(tmp_path, entries)
    write_release(*world.inputs())
    found = checks(world.stage)
    assert set(found) == {"buffer", "overlap"}
    assert "twin" in found["overlap"][0].message and "way-train-0003" in found["overlap"][0].message


def test_one_object_in_two_splits_is_named(tmp_path: Path) -> None:
    entries = release_world.usual()
    entries["val-000000.tar"][2]["osm_id"] = 1004
    world = release_world.build(tmp_path, entries)
    write_release(*world.inputs())
    found = checks(world.stage)
    assert set(found) == {"objects"} and "way/1004" in found["objects"][0].message


def test_look_alikes_across_splits_are_named_when_near(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(release_world.CENTRES, "val", (7.2, 50.0))
    entries = release_world.usual()
    code = int(entries["train-000000.tar"][7]["phash"], 16)
    entries["val-000000.tar"][6]["phash"] = f"{code ^ 0b10110:016x}"
    world = release_world.build(tmp_path, entries)
    write_release(*world.inputs())
    found = checks(world.stage)
    assert set(found) == {"near_duplicates"}
    message = found["near_duplicates"][0].message
    assert "way-train-0007" in message and "way-val-0006" in message and "3 of 64" in message


def test_a_footprint_that_is_not_its_grid_is_named(release: Path) -> None:
    def move(rows: list[dict[str, Any]]) -> None:
        rows[4]["transform"][2] += 50_000

    edit(release / "metadata" / "samples.parquet", move)
    reseal(release)
    found = checks(release)
    assert "footprints" in found and "grid" in found


def test_a_row_box_that_is_not_its_geometry_is_named(release: Path) -> None:
    edit(release / "metadata" / "samples.parquet", lambda r: r[4]["bbox"].update(xmax=0.0))
    reseal(release)
    assert "footprints" in checks(release)


@pytest.mark.parametrize(
    ("name", "change", "check"),
    [
        ("samples", lambda r: r[0].update(attribution=None), "provenance"),
        ("samples", lambda r: r[0].update(scene_ids=["x/y"]), "provenance"),
        ("samples", lambda r: r[0].update(osm_version=None), "provenance"),
        ("drops", lambda r: r.pop(), "accounting"),
        ("drops", lambda r: r[0].update(key="way-val-0001"), "accounting"),
        ("splits", lambda r: r.pop(20), "splits"),
        ("splits", lambda r: r[30].update(split="other"), "splits"),
        ("splits", lambda r: r[30].update(cell="val-cell"), "splits"),
        ("splits", lambda r: r.append(dict(r[30])), "splits"),
    ],
)
def test_tables_that_disagree_are_named(
    release: Path, name: str, change: Callable[[Any], None], check: str
) -> None:
    edit(release / "metadata" / f"{name}.parquet", change)
    reseal(release)
    assert check in checks(release)


def test_counts_that_do_not_add_up_are_named(release: Path) -> None:
    counts = read_json(release / "manifest.json")["counts"]
    reseal(release, counts={**counts, "planned": 99})
    assert "planned" in checks(release)["accounting"][0].message


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("https://host/x.tif?sv=2024&sig=abc", "signed"),
        ("https://host/x.tif?X-Amz-Signature=abc", "signed"),
        ("https://host/x.tif?token=abc", "signed"),
        ("https://host/x.tif?se=2026-01-01", "signed"),
        ("contact:phone=12345", "private"),
        ("call +49 30 1234567", "private"),
        ('{"email": "a@b.org"}', "private"),
    ],
)
def test_fault_57_signed_and_private_text_is_named(release: Path, text: str, check: str) -> None:
    path = release / "CHANGELOG.md"
    path.write_text(path.read_text() + text + "\n")
    edit(release / "provenance" / "sources.parquet", lambda rows: rows[0].update(title=text))
    reseal(release)
    found = checks(release)
    assert {f.path for f in found[check]} == {"CHANGELOG.md", "provenance/sources.parquet"}


@pytest.mark.parametrize("rel", ["child", "item"])
def test_a_broken_stac_link_is_named(release: Path, rel: str) -> None:
    path = release / "stac" / "collection.json"
    body = read_json(path)
    body["links"].append({"rel": rel, "href": "./nowhere.json"})
    path.write_text(json.dumps(body))
    reseal(release)
    assert "nowhere.json" in checks(release)["stac"][0].path


def test_an_invalid_stac_item_is_named(release: Path) -> None:
    path = release / "stac" / "shards" / "val-000000.json"
    body = read_json(path)
    del body["properties"]["start_datetime"]
    path.write_text(json.dumps(body))
    reseal(release)
    assert checks(release)["stac"][0].path == "stac/shards/val-000000.json"


def test_a_card_that_forgets_a_split_is_named(release: Path) -> None:
    path = release / "README.md"
    path.write_text(path.read_text().replace("data/val-*.tar", "data/dev-*.tar"))
    reseal(release)
    assert set(checks(release)) == {"card"}


def test_a_spoilt_release_gives_a_short_list(tmp_path: Path) -> None:
    entries = release_world.usual()
    names = np.array(["train", "val"])
    for number, entry in enumerate(entries["train-000000.tar"] + entries["train-000001.tar"]):
        entry["split"] = str(names[number % 2])
    mixed = {"train-000000.tar": [], "val-000000.tar": entries["val-000000.tar"]}
    for entry in entries["train-000000.tar"] + entries["train-000001.tar"]:
        mixed[f"{entry['split']}-000000.tar"].append(entry)
    world = release_world.build(tmp_path, {**mixed, "test-000000.tar": entries["test-000000.tar"]})
    write_release(*world.inputs())
    assert 0 < len(checks(world.stage)["buffer"]) <= 26


def test_a_pointer_to_another_manifest_is_named(release: Path) -> None:
    point(release.parent, "1.0.0")
    assert verify(release) == []
    reseal(release, created="2020-01-01T00:00:00Z")
    assert [f.path for f in verify(release)] == ["manifest.json"]


def test_no_manifest_no_release(release: Path) -> None:
    (release / "manifest.json").unlink()
    assert [str(f) for f in verify(release)] == ["manifest: manifest.json: missing: no release"]
