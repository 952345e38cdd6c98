"""stac-geoparquet tables: what is read, what is understood, both ways of writing them."""

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import shapely

from catalogs.sources import stac_table
from catalogs.sources.area import Area
from catalogs.sources.imagery import open_imagery
from catalogs.sources.stac_table import item_of_row, items_of_table
from catalogs.sources.terms import Override
from schemas.errors import SourceError, UsageError
from stub_api import Json, s2

SMALL = ["bbox.xmin", "bbox.ymin", "bbox.xmax", "bbox.ymax", "datetime"]


def spread(count: int = 40) -> list[Json]:
    """Items from west to east, four to a year."""
    return [
        s2(f"i{n:02d}", lon=-80.0 + 4 * n, when=f"{2010 + n // 4}-06-0{1 + n % 4}T00:00:00Z")
        for n in range(count)
    ]


def write(path: Path, items: list[Json], rows: int = 4, variant: str = "struct") -> Path:
    """A table with its properties as columns; or in one column, with assets as text or as a map."""
    table = []
    for item in items:
        shape = shapely.geometry.shape(item["geometry"])
        west, south, east, north = item["bbox"]
        row = {
            "type": "Feature", "stac_version": "1.0.0", "id": item["id"],
            "collection": item["collection"], "links": [{"href": "x" * 200, "rel": "self"}],
            "geometry": shapely.to_wkb(shape), "assets": item["assets"],
            "bbox": {"xmin": west, "ymin": south, "xmax": east, "ymax": north},
        }  # fmt: skip
        properties = dict(item["properties"])
        if variant == "struct":
            row |= properties | {"datetime": when_of(properties["datetime"])}
        else:
            row["properties"] = properties
        if variant == "text":
            row |= {"assets": json.dumps(item["assets"]), "geometry": json.dumps(item["geometry"])}
        table.append(row)
    found = pa.Table.from_pylist(table)
    if variant == "map":
        kind = pa.map_(pa.string(), found.schema.field("assets").type.field(0).type)
        pairs = [list(i["assets"].items()) for i in items]
        at = found.schema.get_field_index("assets")
        found = found.set_column(at, "assets", pa.array(pairs, kind))
    pq.write_table(found, path, row_group_size=rows, write_statistics=SMALL)
    return path


def when_of(text: str) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@pytest.mark.parametrize("variant", ["struct", "nested", "map", "text"])
def test_every_way_of_writing_gives_the_same_scenes(tmp_path: Path, variant: str) -> None:
    plain = open_imagery(str(write(tmp_path / "a.parquet", spread())), Override())
    other = open_imagery(str(write(tmp_path / "b.parquet", spread(), variant=variant)), Override())
    assert len(plain.scenes) == 40
    assert [key(s) for s in other.scenes] == [key(s) for s in plain.scenes]


def key(scene: Any) -> tuple[Any, ...]:
    bands = sorted((b.common, b.href, b.dtype, b.nodata) for b in scene.bands)
    return scene.id, scene.datetime, scene.grid, scene.footprint, scene.baseline, scene.cloud, bands


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Row groups of which whole rows are read."""
    groups: list[int] = []
    plain = stac_table._rows

    def rows(part: ds.Fragment, *more: Any) -> Any:
        groups.extend(group.id for group in part.row_groups)
        return plain(part, *more)

    monkeypatch.setattr(stac_table, "_rows", rows)
    return groups


@pytest.mark.parametrize(
    ("box", "years", "names", "most"),
    [
        ((0.1, 47.0, 0.15, 47.5), None, ["i20"], 1),
        (None, (2012, 2013), [f"i{n:02d}" for n in range(8, 16)], 2),
        ((-40.0, 47.0, -20.0, 47.5), (2013, 2013), ["i12", "i13", "i14", "i15"], 1),
        ((0.1, -10.0, 0.2, -9.0), None, [], 0),
        (None, (1999, 2000), [], 0),
    ],
)
def test_only_row_groups_that_can_match_are_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    box: Any,
    years: Any,
    names: list[str],
    most: int,
) -> None:
    path = write(tmp_path / "a.parquet", spread())
    groups = counted(monkeypatch)
    area = Area.of_box(box) if box else None
    assert [i["id"] for i in items_of_table(path, area, years)] == names
    assert len(groups) == most <= pq.ParquetFile(path).num_row_groups == 10


def test_few_bytes_are_read(tmp_path: Path) -> None:
    noise = random.Random(7)
    items = spread()
    for item in items:
        for asset in item["assets"].values():
            asset["title"] = noise.randbytes(10_000).hex()
    path = write(tmp_path / "a.parquet", items, rows=1)
    whole = read_by(lambda: list(items_of_table(path)))
    little = read_by(lambda: list(items_of_table(path, Area.of_box((0.1, 47.0, 0.15, 47.5)))))
    assert 0 < little < whole / 3


def read_by(work: Any) -> int:
    """Bytes that this process reads from files meanwhile."""
    place = Path("/proc/self/io")
    if not place.exists():
        pytest.skip("this system does not count what a process reads")

    def total() -> int:
        return int(place.read_text().split("rchar:")[1].split()[0])

    before = total()
    work()
    return total() - before


def test_an_item_across_180_degrees_is_found_from_both_sides(tmp_path: Path) -> None:
    ring = [[179.9, 47], [-179.9, 47], [-179.9, 47.2], [179.9, 47.2], [179.9, 47]]
    wraps = {**s2("wraps", lon=179.9, lat=47.0), "geometry": {"type": "Polygon", "coordinates": [ring]},
             "bbox": [179.9, 47, -179.9, 47.2]}  # fmt: skip
    path = str(write(tmp_path / "a.parquet", [*spread(), wraps]))
    for box in ((179.5, 47.1, 179.95, 47.15), (-179.95, 47.1, -179.0, 47.15), (179, 47, -179, 48)):
        found = open_imagery(path, Override(), area=Area.of_box(box))
        assert [s.id for s in found.scenes] == ["wraps"]


def test_items_of_a_range_are_not_lost_by_the_filter(tmp_path: Path) -> None:
    item = s2("range")
    row = {"id": "range", "collection": item["collection"], "assets": item["assets"],
           "geometry": shapely.to_wkb(shapely.geometry.shape(item["geometry"])),
           "datetime": None, "start_datetime": when_of("2020-03-01T00:00:00Z"),
           "end_datetime": when_of("2020-03-31T00:00:00Z")}  # fmt: skip
    schema = pa.Table.from_pylist([row]).schema
    at = schema.get_field_index("datetime")
    schema = schema.set(at, pa.field("datetime", pa.timestamp("us", "UTC")))
    pq.write_table(pa.Table.from_pylist([row], schema), tmp_path / "a.parquet")
    found = open_imagery(str(tmp_path / "a.parquet"), Override(), years=(2020, 2020))
    assert found.scenes[0].datetime == when_of("2020-03-16T00:00:00Z")
    with pytest.raises(SourceError, match="not one usable scene"):
        open_imagery(str(tmp_path / "a.parquet"), Override(), years=(2021, 2021))


def test_a_row_without_a_box_is_judged_by_its_outline(tmp_path: Path) -> None:
    """A box is a help to the search, and its lack no reason to lose an item."""
    near, far = s2("near"), s2("far", lon=20.0)
    path = write(tmp_path / "a.parquet", [s2("boxed"), near, far])
    table = pq.read_table(path)
    boxes = table["bbox"].to_pylist()
    kind = table.schema.field("bbox").type
    at = table.schema.get_field_index("bbox")
    table = table.set_column(at, "bbox", pa.array([boxes[0], None, None], kind))
    pq.write_table(table, path)
    found = open_imagery(str(path), Override(), area=Area.of_box((10.0, 47.0, 11.0, 48.0)))
    assert [s.id for s in found.scenes] == ["boxed", "near"]
    assert any("1 items lie outside" in note for note in found.notes)


def test_nulls_are_fields_that_are_not_there() -> None:
    row = {"id": "a", "assets": {"B04": {"href": "x", "gsd": None}, "B08": None}, "geometry": None,
           "bbox": None, "eo:cloud_cover": None, "platform": "s"}  # fmt: skip
    found = item_of_row(row)
    assert found == {"id": "a", "assets": {"B04": {"href": "x"}}, "properties": {"platform": "s"}}


def test_the_real_table(real: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(real / "100-sentinel-2-items.parquet")
    found = open_imagery(path, Override(), years=(2024, 2024))
    assert (len(found.scenes), found.lost) == (100, ())
    assert {s.provider for s in found.scenes} == {"planetary-computer"}
    assert {s.attribution for s in found.scenes} == {
        "Contains modified Copernicus Sentinel data 2024"
    }
    west = open_imagery(path, Override(), area=Area.of_box((-106.0, 39.9, -105.9, 40.0)))
    assert 0 < len(west.scenes) < 100
    assert all(shapely.from_wkt(s.footprint).bounds[0] < -105.9 for s in west.scenes)
    assert json.loads(west.credits[0].search)["scenes"] == len(west.scenes)
    groups = counted(monkeypatch)
    with pytest.raises(SourceError, match="not one usable scene"):
        open_imagery(path, Override(), area=Area.of_box((10, 39.9, 11, 40.0)))
    assert groups == []


def test_what_is_no_table_of_items(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("no")
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "other.parquet")
    for name, words in (("text", "cannot be read as Parquet"), ("other", "no column geometry")):
        with pytest.raises(SourceError, match=words):
            open_imagery(str(tmp_path / f"{name}.parquet"), Override())
    with pytest.raises(UsageError, match="no such file"):
        open_imagery(str(tmp_path / "none.parquet"), Override())
