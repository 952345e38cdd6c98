"""A tiny packed dataset made in memory: tar shards, rows, drops, splits and a staging."""

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rasterio
import shapely
from PIL import Image
from rasterio.io import MemoryFile

from schemas.recipes import Card, Pack, Recipe
from schemas.release import SplitRule, Staging
from schemas.scenes import Band, Scene
from schemas.sources import Credit
from schemas.tables import (
    BAND_STATS,
    DROPS,
    SPLITS,
    flat,
    json_schema,
    member_columns,
    samples_schema,
)  # fmt: skip
from schemas.windows import Grid, Window

BANDS = ("red", "green", "blue", "nir")
PX = 32
CENTRES = {"train": (7.0, 50.0), "val": (8.5, 50.0), "test": (179.999, -17.0)}
CRS = {"train": "EPSG:32632", "val": "EPSG:32632", "test": "EPSG:32760"}


@dataclass(frozen=True)
class Objects:
    """Places."""

    visible: tuple[str, ...] = ("building", "water", "forest", "field", "road", "rail", "park")
    needs: tuple[str, ...] = ()
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "osm_type": "string", "osm_id": "int64", "osm_version": "int64", "label": "string",
        }
    )  # fmt: skip


@dataclass(frozen=True)
class Read:
    """Pixels."""

    px: int = PX
    needs: tuple[str, ...] = ("label",)
    gives: dict[str, str] = field(
        default_factory=lambda: {
            "image": "noun", "seen": "timestamp", "cloud": "float64", "phash": "string",
            "title": "string", "blank": "bool",
        }
    )  # fmt: skip


@dataclass(frozen=True)
class Encoder:
    """A member."""

    media_type: str
    feature: str
    needs: tuple[str, ...] = ("image",)
    bands: tuple[str, ...] = ()
    gives: dict[str, str] = field(default_factory=dict)


RECIPE = Recipe(
    card=Card(
        name="tiny",
        version="1.0.0",
        title="Tiny places",
        summary="Forty chips of three towns, made to test how a release is written and read.",
        tasks=("image-to-text",),
        cite="@article{tiny, title={Tiny}, author={Small, Ann}, year={2020}}",
        url="https://example.org/tiny",
        deviations=("Chips are 32 pixels wide, not 224.",),
    ),
    start=Objects(),
    plan=(),
    make=(Read(),),
    pack=Pack(
        members={
            "rgb.jpg": Encoder("image/jpeg", "image", bands=BANDS[:3]),
            "ms.geotiff": Encoder("image/tiff; application=geotiff", "binary", bands=BANDS),
            "txt": Encoder("text/plain", "string", needs=("title",)),
            "json": Encoder("application/json", "json", needs=("title",)),
        }
    ),
    label="label",
)


def scenes() -> dict[str, Scene]:
    """One scene a split; the last one has no time."""
    found = {}
    for number, (split, crs) in enumerate(CRS.items()):
        scene = Scene(
            id=f"S{number}",
            collection="sentinel-2-l2a",
            datetime=None if split == "test" else datetime(2019 + 2 * number, 6, 1, tzinfo=UTC),
            grid=Grid(crs, (10.0, 0.0, 0.0, 0.0, -10.0, 0.0), 10980, 10980),
            footprint="POLYGON ((0 0, 1 0, 1 1, 0 0))",
            bands=tuple(
                Band(b, f"https://host/{split}/{b}.tif?sig=secret", dtype="uint16") for b in BANDS
            ),
            licence="LicenseRef-Copernicus-Sentinel",
            attribution="Contains modified Copernicus Sentinel data",
            baseline="05.09",
        )
        found[scene.key] = scene
    return found


def credits(generated: bool = False) -> tuple[Credit, ...]:
    """Imagery and OpenStreetMap."""
    return (
        Credit("imagery", "Sentinel-2 L2A", "https://host/stac?token=secret",
               "LicenseRef-Copernicus-Sentinel", "Contains modified Copernicus Sentinel data",
               ("pixels",), generated=generated),
        Credit("osm", "OpenStreetMap extract", "/home/someone/town.osm.pbf", "ODbL-1.0",
               "OpenStreetMap contributors", ("tables", "texts"), checksum="ab" * 32,
               size=1234, datetime="2024-01-02T03:04:05Z"),
    )  # fmt: skip


def window(split: str, number: int) -> Window:
    """Chip `number` of a split: rows of ten, 400 m apart."""
    from schemas.windows import from_lonlat

    lon, lat = CENTRES[split]
    x, y = from_lonlat(CRS[split], np.array([lon]), np.array([lat]))
    left = float(np.round(x[0], -1)) + 400.0 * (number % 10)
    top = float(np.round(y[0], -1)) - 400.0 * (number // 10)
    return Window(Grid(CRS[split], (10.0, 0.0, left, 0.0, -10.0, top), PX, PX), 10.0)


def footprint(where: Window) -> bytes:
    """WKB in lon/lat, cut at 180 degrees."""
    shape = shapely.Polygon(where.outline())
    if shape.bounds[2] > 180:
        west = shapely.intersection(shape, shapely.box(-180, -90, 180, 90))
        east = shapely.intersection(shape, shapely.box(180, -90, 540, 90))
        east = shapely.transform(east, lambda c: c - [360, 0])
        shape = shapely.MultiPolygon([west, east])
    return bytes(shapely.to_wkb(shape))


def row(split: str, number: int) -> dict[str, Any]:
    """Facts and place of one sample; members and offsets come later."""
    where = window(split, number)
    west, south, east, north = where.bbox()
    lon, lat = where.centre()
    label = ("water", "forest", "a <b> | label")[number % 3]
    scene = list(scenes().values())[list(CRS).index(split)]
    code = int(hashlib.sha256(f"{split}{number}".encode()).hexdigest()[:16], 16)
    return {
        "key": f"way-{split}-{number:04d}",
        "split": split,
        "crs": CRS[split],
        "transform": list(where.grid.transform),
        "width": PX,
        "height": PX,
        "gsd_m": 10.0,
        "lon": lon,
        "lat": lat,
        "scene_ids": [scene.key],
        "license": scene.licence,
        "attribution": scene.attribution,
        "osm_type": "way",
        "osm_id": {"train": 1000, "val": 2000, "test": 3000}[split] + number,
        "osm_version": 3,
        "label": label,
        "seen": scene.datetime,
        "cloud": None if number % 4 == 0 else number / 2,
        "phash": "" if number % 5 == 0 else f"{code:016x}",
        "title": f"a chip of {label.split()[0]}, number {number}",
        "blank": number % 5 == 0,
        "bbox": {"xmin": west, "ymin": south, "xmax": east, "ymax": north},
        "geometry": footprint(where),
        "band_stats": [stat(band, number) for band in BANDS],
    }


def stat(band: str, number: int) -> dict[str, Any]:
    """Sums of a band whose pixels are all 256 * (number + 1)."""
    value, count = 256.0 * (number + 1), PX * PX
    bins = [0] * 256
    bins[int((value / 65535) ** 0.5 * 256)] = count
    return {
        "band": band, "valid": count, "nodata": 16, "sum": value * count,
        "squares": value * value * count, "min": value, "max": value, "histogram": bins,
    }  # fmt: skip


def members(entry: dict[str, Any], number: int, recipe: Recipe = RECIPE) -> dict[str, bytes]:
    """The member bytes of one sample."""
    rng = np.random.default_rng(number)
    picture = io.BytesIO()
    pixels = rng.integers(0, 255, (PX, PX, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(picture, "JPEG", quality=90)
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=PX, height=PX, count=4, dtype="uint16", crs=entry["crs"],
            transform=rasterio.Affine(*entry["transform"]),
        ) as chip:  # fmt: skip
            chip.write(np.full((4, PX, PX), 256 * (number + 1), np.uint16))
        raster = memory.read()
    facts = {
        name: flat(",".join(entry[name]) if name == "scene_ids" else entry[name], kind)
        for name, kind in json_schema(recipe).items()
    }
    found = {
        "rgb.jpg": picture.getvalue(),
        "ms.geotiff": raster,
        "txt": entry["title"].encode(),
        "json": json.dumps(facts, ensure_ascii=False).encode(),
    }
    return {ext: found[ext] for ext in recipe.pack.members}


def pack(
    path: Path, entries: list[dict[str, Any]], recipe: Recipe = RECIPE
) -> list[dict[str, Any]]:
    """Write one shard; returns the rows with shard, index, offsets, sizes and sha256."""
    found, path = [], Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for index, entry in enumerate(entries):
            data = members(entry, index, recipe)
            done = {**entry, "shard": path.name, "index": index}
            for ext, content in data.items():
                info = tarfile.TarInfo(f"{entry['key']}.{ext}")
                info.size, info.mode = len(content), 0o644
                offset, size = member_columns(ext)
                done[offset], done[size] = tar.offset + 512, len(content)
                tar.addfile(info, io.BytesIO(content))
            done["sha256"] = hashlib.sha256(b"".join(data.values())).hexdigest()
            found.append(done)
    return found


def rows_schema(recipe: Recipe = RECIPE) -> pa.Schema:
    """Packed rows: the samples table and the band statistics."""
    return samples_schema(recipe).append(pa.field("band_stats", BAND_STATS))


@dataclass
class World:
    """Folders of a packed dataset, ready for the release act."""

    root: Path
    staging: Staging

    @property
    def stage(self) -> Path:
        """The release-to-be."""
        return self.root / "v1.0.0"

    def inputs(self) -> tuple[Path, Path, Path, Path, Staging]:
        """Arguments of `write_release`."""
        return (
            self.stage, self.root / "rows", self.root / "drops", self.root / "splits", self.staging
        )  # fmt: skip


def build(
    root: Path,
    entries: dict[str, list[dict[str, Any]]],
    generated: bool = False,
    recipe: Recipe = RECIPE,
) -> World:
    """Pack `entries` (rows by shard name) and write what the release act reads."""
    root = Path(root)
    for folder in ("rows", "drops", "splits"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    shipped = []
    for name, batch in entries.items():
        done = pack(root / "v1.0.0" / "data" / name, batch, recipe)
        table = pa.Table.from_pylist(done, rows_schema(recipe))
        pq.write_table(table, root / "rows" / f"{Path(name).stem}.parquet")
        shipped += done
    dropped = [
        {"key": f"gone-{i}", "act": "make", "step": "gates.Valid", "code": "nodata_share",
         "message": f"{i} % nodata", "outcome": "rejected", "retryable": False, "attempts": 1,
         "lon": 7.0, "lat": 50.0, "split": "train"}
        for i in range(3)
    ] + [
        {"key": "broken-0", "act": "make", "step": "imagery.Read", "code": "raster_unreadable",
         "message": "cut file", "outcome": "failed", "retryable": True, "attempts": 4,
         "lon": 7.0, "lat": 50.0, "split": "train"},
        {"key": "near-0", "act": "plan", "step": "splits.ByCell", "code": "buffer",
         "message": "4.1 km from test", "outcome": "rejected", "retryable": False, "attempts": 1,
         "lon": 7.0, "lat": 50.0, "split": "train"},
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(dropped, DROPS), root / "drops" / "0.parquet")
    table = [
        {"key": r["key"], "split": r["split"], "cell": f"{r['split']}-cell",
         "buffer_dropped": False, "reason": ""}
        for r in shipped
    ]  # fmt: skip
    table += [
        {"key": d["key"], "split": "train", "cell": "train-cell",
         "buffer_dropped": d["code"] == "buffer",
         "reason": d["message"] if d["act"] == "plan" else ""}
        for d in dropped
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(table, SPLITS), root / "splits" / "0.parquet")
    staging = Staging(
        recipe=recipe,
        credits=credits(generated),
        scenes=scenes(),
        split_rule=SplitRule(20.0, 5000.0, {"train": 0.8, "val": 0.1, "test": 0.1}, 7),
        counts={"planned": len(shipped) + 5, "shipped": len(shipped), "rejected": 4, "failed": 1},
        funnel=(
            ("plan", "splits.ByCell", "buffer", "rejected", 1),
            ("make", "gates.Valid", "nodata_share", "rejected", 3),
            ("make", "imagery.Read", "raster_unreadable", "failed", 1),
        ),
        settings={"recipe": {"windows.px": PX}, "seed": 7},
        run={"pipeline": "test", "version": "0.1", "volatile": {"started": str(root)}},
    )
    return World(root, staging)


def usual() -> dict[str, list[dict[str, Any]]]:
    """Forty samples: two train shards, one val, one test (across the antimeridian)."""
    return {
        "train-000000.tar": [row("train", n) for n in range(0, 12)],
        "train-000001.tar": [row("train", n) for n in range(12, 24)],
        "val-000000.tar": [row("val", n) for n in range(8)],
        "test-000000.tar": [row("test", n) for n in range(8)],
    }
