"""The release opens in public readers without our code; their counts equal the manifest's."""

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from catalogs.files import read_json

SPLITS = {"train": 24, "val": 8, "test": 8}


def load(*args: Any, **kwargs: Any) -> Any:
    """`datasets.load_dataset` with its cache in the test's folder."""
    datasets = pytest.importorskip("datasets")
    return datasets.load_dataset(*args, cache_dir=os.environ["HF_HOME"], **kwargs)


def test_manifest_counts(finished: Path) -> None:
    manifest = read_json(finished / "manifest.json")
    assert {name: entry["samples"] for name, entry in manifest["splits"].items()} == SPLITS


def test_webdataset(finished: Path) -> None:
    wds = pytest.importorskip("webdataset")
    for split, count in SPLITS.items():
        urls = sorted(str(p) for p in (finished / "data").glob(f"{split}-*.tar"))
        samples = list(wds.WebDataset(urls, shardshuffle=False).decode("pil"))
        assert len(samples) == count
        assert samples[0]["rgb.jpg"].size == (32, 32)
        assert isinstance(samples[0]["ms.geotiff"], bytes)
        assert samples[0]["txt"] == samples[0]["json"]["title"]


def test_datasets_by_the_card(finished: Path) -> None:
    found = load(str(finished))
    assert {name: part.num_rows for name, part in found.items()} == SPLITS
    first = found["train"][0]
    assert first["rgb.jpg"].size == (32, 32)
    assert first["json"]["cloud"] == -1.0 and first["json"]["osm_version"] == 3


def test_datasets_streaming(finished: Path) -> None:
    for split, count in SPLITS.items():
        samples = list(load(str(finished), split=split, streaming=True))
        assert len(samples) == count
        assert samples[0]["txt"] == samples[0]["json"]["title"]


@pytest.mark.parametrize("streaming", [False, True])
def test_datasets_without_the_card(finished: Path, streaming: bool) -> None:
    files = {split: str(finished / "data" / f"{split}-*.tar") for split in SPLITS}
    found = load("webdataset", data_files=files, streaming=streaming)
    for split, count in SPLITS.items():
        samples = list(found[split])
        assert len(samples) == count
        assert samples[0]["json"]["gsd_m"] == 10.0


def test_datasets_parquet(finished: Path) -> None:
    files = {"train": str(finished / "metadata" / "samples.parquet")}
    assert load("parquet", data_files=files)["train"].num_rows == 40


def test_geopandas_filters_on_both_sides_of_the_date_line(finished: Path) -> None:
    geopandas = pytest.importorskip("geopandas")
    path = finished / "metadata" / "samples.parquet"
    frame = geopandas.read_parquet(path)
    assert len(frame) == 40 and frame.crs == "OGC:CRS84"
    assert len(geopandas.read_parquet(path, bbox=(6.9, 49.9, 7.1, 50.1))) == 24
    assert len(geopandas.read_parquet(path, bbox=(179.9, -18, 180, -16))) == 1
    assert len(geopandas.read_parquet(path, bbox=(-180, -18, -179.9, -16))) == 8


def test_duckdb_core(finished: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    sql = f"SELECT split, count(*) FROM '{finished}/metadata/samples.parquet' GROUP BY split"
    assert dict(duckdb.sql(sql).fetchall()) == SPLITS
    kind = duckdb.sql(f"SELECT typeof(geometry) FROM '{finished}/stac/items.parquet' LIMIT 1")
    assert "GEOMETRY" in kind.fetchall()[0][0]


def test_flatgeobuf(finished: Path) -> None:
    pyogrio = pytest.importorskip("pyogrio")
    frame = pyogrio.read_dataframe(finished / "metadata" / "samples.fgb")
    assert len(frame) == 40
    assert list(frame.columns) == ["key", "split", "shard", "label", "geometry"]


def test_pystac_walks_and_validates(finished: Path) -> None:
    pystac = pytest.importorskip("pystac")
    from pystac.validation import validate_dict

    catalog = pystac.Catalog.from_file(str(finished / "stac" / "catalog.json"))
    items = list(catalog.get_items(recursive=True))
    assert len(items) == 4
    for item in items:
        body = item.to_dict(include_self_link=False)
        validate_dict({**body, "stac_extensions": []}, extensions=[])
        href = Path(item.assets["shard"].get_absolute_href())
        assert href.stat().st_size == item.assets["shard"].extra_fields["file:size"]
    assert sum(item.properties["samples"] for item in items) == 40


def test_stac_geoparquet_gives_valid_items(finished: Path) -> None:
    arrow = pytest.importorskip("stac_geoparquet.arrow")
    from pystac.validation import validate_dict

    table = pq.read_table(finished / "stac" / "items.parquet")
    items = list(arrow.stac_table_to_items(table))
    assert len(items) == 40
    for item in items:
        plain = json.loads(json.dumps(item, default=str))
        validate_dict({**plain, "stac_extensions": []}, extensions=[])
    one = items[0]
    assert one["properties"]["proj:code"].startswith("EPSG:")
    assert {item["properties"]["datetime_unknown"] for item in items} == {True, False}
    data = (finished / "stac" / one["assets"]["txt"]["href"]).resolve().read_bytes()
    place, size = one["assets"]["txt"]["offset"], one["assets"]["txt"]["size"]
    assert data[place : place + size].startswith(b"a chip of")


def test_rustac(finished: Path) -> None:
    rustac = pytest.importorskip("rustac")

    async def read() -> Any:
        return await rustac.read(str(finished / "stac" / "items.parquet"))

    found = asyncio.run(read())
    assert len(found["features"]) == 40
    assert found["features"][0]["collection"] == "tiny"


def test_rasterio_reads_a_chip_in_the_tar(finished: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    row = pq.read_table(finished / "metadata" / "samples.parquet").to_pylist()[5]
    where = f"{row['ms_geotiff_offset']}_{row['ms_geotiff_size']}"
    with rasterio.open(f"/vsisubfile/{where},{finished}/data/{row['shard']}") as chip:
        assert chip.count == 4 and chip.crs.to_string() == row["crs"]
        assert list(chip.transform)[:6] == row["transform"]
        assert chip.read().max() == 256 * (row["index"] + 1)


def test_wids_index(finished: Path) -> None:
    index = finished / "metadata" / "wids-train.json"
    shards = read_json(index)["shardlist"]
    assert sum(shard["nsamples"] for shard in shards) == 24
    for shard in shards:
        assert (index.parent / shard["url"]).stat().st_size == shard["filesize"]


def test_snippets_of_the_card_run(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished)
    blocks = re.findall(r"```python\n(.*?)```", Path("README.md").read_text(), re.DOTALL)
    assert len(blocks) == 6
    for block in blocks:
        scope: dict[str, Any] = {}
        exec(block, scope)
