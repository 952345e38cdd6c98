"""Verify: altered, missing and extra files, texts, catalogue and card; a sound release has no findings."""

import json
from pathlib import Path

import pytest

from catalogs.files import read_json
from catalogs.releases.manifest import point
from catalogs.releases.verify import examine, verify
from spoiling import checks, edit, reseal


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


def test_a_pointer_to_another_manifest_is_named(release: Path) -> None:
    point(release.parent, "1.0.0")
    assert verify(release) == []
    reseal(release, created="2020-01-01T00:00:00Z")
    assert [f.path for f in verify(release)] == ["manifest.json"]


def test_no_manifest_no_release(release: Path) -> None:
    (release / "manifest.json").unlink()
    assert [str(f) for f in verify(release)] == ["manifest: manifest.json: missing: no release"]
