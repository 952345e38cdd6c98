"""A few square kilometres with biomass: Sentinel-2, GEDI, radar, elevation, canopy and land cover, tiny.

Three places of 3 km: `east` lies across the border of two MGRS tiles, so that splits meet there.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer

import pipelines.commands.build as command
from granules import BEAMS, L2A_NAME, L4A_NAME, l2a, l4a, shot_numbers

CRS = "EPSG:32632"
SIDE = 300  # pixels of 10 m
PLACES = {"west": (450_000, 5_205_000), "east": (498_500, 5_205_000), "north": (450_000, 5_305_000)}
"""Upper left corners, metres."""

SPLITS = {"32TMT": "train", "32TNT": "test", "32TMU": "val"}
DATES = {"20190601": "02.12", "20200510": "05.00", "20200820": "03.01"}
"""Processing baseline by day; the second carries the offset although it is of 2020."""

SHOT_DAY = "2020-07-31"
BANDS = {"B01": 60, "B02": 10, "B03": 10, "B04": 10, "B05": 20, "B06": 20, "B07": 20, "B08": 10,
         "B8A": 20, "B09": 60, "B11": 20, "B12": 20}  # fmt: skip
TO_LONLAT = Transformer.from_crs(CRS, "OGC:CRS84", always_xy=True)
TO_CRS = Transformer.from_crs("OGC:CRS84", CRS, always_xy=True)
WATER = 120, 116, 20
"""A lake in every place: first column, first row, side, in pixels of 10 m."""


def reflectance(band: str, day: str, x: Any, y: Any) -> Any:
    """What the ground reflects: a plane over x and y, another level for each band and date."""
    level = 0.05 + 0.02 * list(BANDS).index(band) + 0.01 * list(DATES).index(day)
    return level + (np.asarray(x) % 10_000) / 1e6 + (np.asarray(y) % 10_000) / 2e6


def biomass(x: Any, y: Any) -> Any:
    """Mg/ha at a place, metres."""
    return 50 + (np.asarray(x) % 3000) / 10 + (np.asarray(y) % 3000) / 30


def elevation(lon: Any, lat: Any) -> Any:
    """Metres: a plane in degrees."""
    return 500 + (np.asarray(lon) - 8) * 700 + (np.asarray(lat) - 47) * 900


@dataclass(frozen=True)
class Biomass:
    """Where the files lie.

    Attributes:
        folder: of all.
    """

    folder: Path

    def arguments(self, out: Path, *more: str) -> list[str]:
        """The command line of a build."""
        layers = ("palsar", "dem", "canopy", "landcover")
        named = [word for role in layers for word in (f"--{role}", str(self.folder / role))]
        terms = [word for role in layers for word in ("--license", f"{role}=CC0-1.0")]
        return [
            "--dataset", "agbd", "--imagery", str(self.folder / "items.json"),
            "--shots", str(self.folder / "shots"), *named, *terms,
            "--set", f"tile_splits.ByTile.table={self.folder / 'splits.csv'}", "--workers", "1",
            "--out", str(out), *more,
        ]  # fmt: skip


def make(folder: Path) -> Biomass:
    """Write it."""
    items = [scene(folder / "s2", place, day) for place in PLACES for day in DATES]
    found = {"type": "FeatureCollection", "features": items}
    (folder / "items.json").write_text(json.dumps(found))
    for place in PLACES:
        layers(folder, place)
    shots(folder / "shots")
    rows = [f"{tile},{split},Nowhere\n" for tile, split in SPLITS.items()]
    (folder / "splits.csv").write_text("s2_tile,split,region\n" + "".join(rows))
    return Biomass(folder)


def save(path: Path, pixels: Any, crs: str, transform: Affine, nodata: Any, **more: Any) -> None:
    """A GeoTIFF; `names` of bands and `day` of acquisition can be given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = pixels.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=pixels.dtype,
        crs=crs, transform=transform, nodata=nodata, compress="deflate", photometric="minisblack",
    ) as target:  # fmt: skip
        target.write(pixels)
        for number, name in enumerate(more.get("names", ()), start=1):
            target.set_band_description(number, name)
        if "day" in more:
            target.update_tags(ACQUISITION_DATETIME=f"{more['day']}T00:00:00Z")


def scene(folder: Path, place: str, day: str) -> dict[str, Any]:
    """One product: twelve bands on their own grids, scene classification, and its STAC item."""
    left, top = PLACES[place]
    offset = 1000 if float(DATES[day]) >= 4 else 0
    tile = {"west": "T32TMT", "east": "T32TMT", "north": "T32TMU"}[place]
    ident = f"S2A_MSIL2A_{day}T101031_N{DATES[day].replace('.', '')}_R022_{tile}_{place}"
    assets = {}
    for band, gsd in {**BANDS, "SCL": 20}.items():
        side = SIDE * 10 // gsd
        steps = (np.arange(side) + 0.5) * gsd
        x, y = np.meshgrid(left + steps, top - steps)
        if band == "SCL":
            pixels = np.full((side, side), 4, np.uint8)
            col, row, size = (v // 2 for v in WATER)
            pixels[row : row + size, col : col + size] = 6
        else:
            pixels = np.rint(reflectance(band, day, x, y) * 10_000 + offset).astype(np.uint16)
        path = folder / ident / f"{band}.tif"
        save(path, pixels[None], CRS, Affine(gsd, 0, left, 0, -gsd, top), 0)
        assets[band] = {
            "href": str(path), "type": "image/tiff; application=geotiff", "gsd": gsd,
            "eo:bands": [{"name": band}], "roles": ["data"],
        }  # fmt: skip
    west, south, east, north = TO_LONLAT.transform_bounds(
        left, top - SIDE * 10, left + SIDE * 10, top
    )
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": ident, "collection": "sentinel-2-l2a",
        "bbox": [west, south, east, north], "links": [],
        "geometry": {"type": "Polygon", "coordinates": [ring]}, "assets": assets,
        "properties": {
            "datetime": f"{day[:4]}-{day[4:6]}-{day[6:]}T10:10:31Z", "license": "CC0-1.0",
            "s2:processing_baseline": DATES[day], "eo:cloud_cover": 1.0, "proj:epsg": 32632,
        },
    }  # fmt: skip


def layers(folder: Path, place: str) -> None:
    """Radar of two years with a hole, elevation, canopy height with a hole, land cover."""
    left, top = PLACES[place]
    west, south, east, north = TO_LONLAT.transform_bounds(left, top - 3000, left + 3000, top)

    def degrees(step: float) -> tuple[Affine, Any, Any]:
        wide, high = (int((b - a) / step) + 8 for a, b in ((west, east), (south, north)))
        first, upper = west - 4 * step, north + 4 * step
        lon, lat = np.meshgrid(
            first + (np.arange(wide) + 0.5) * step, upper - (np.arange(high) + 0.5) * step
        )
        return Affine(step, 0, first, 0, -step, upper), lon, lat

    transform, lon, lat = degrees(0.8 / 3600)
    for year in (2019, 2020):
        base = 5000 + 100 * (year - 2019)
        hh = np.full(lon.shape, base, np.uint16)
        radar = np.stack([hh, hh // 2])
        radar[:, :12, :12] = 0
        name = folder / "palsar" / f"palsar_{place}_{year}.tif"
        save(name, radar, "EPSG:4326", transform, 0, names=("HH", "HV"), day=f"{year}-01-01")
    transform, lon, lat = degrees(1 / 3600)
    dem = np.rint(elevation(lon, lat)).astype(np.int16)[None]
    save(
        folder / "dem" / f"dem_{place}.tif",
        dem,
        "EPSG:4326",
        transform,
        -9999,
        names=("elevation",),
    )
    transform, lon, lat = degrees(0.001)
    cover = np.stack([np.full(lon.shape, 112, np.uint8), np.full(lon.shape, 80, np.uint8)])
    cover[0, :, lon.shape[1] // 2 :] = 40
    name = folder / "landcover" / f"cover_{place}.tif"
    save(name, cover, "EPSG:4326", transform, 255, names=("class", "probability"))
    high = np.stack([np.full((SIDE, SIDE), 25, np.uint8), np.full((SIDE, SIDE), 4, np.uint8)])
    high[:, 250:, 250:] = 255
    ten = Affine(10, 0, left, 0, -10, top)
    save(folder / "canopy" / f"canopy_{place}.tif", high, CRS, ten, 255, names=("height", "std"))


def shots(folder: Path) -> None:
    """A beam's track for each place: 60 m apart, aslant from the upper left to the lower right."""
    delta = (np.datetime64(SHOT_DAY) - np.datetime64("2018-01-01")) / np.timedelta64(1, "s")
    beams: dict[str, dict[str, Any]] = {}
    for beam, place in zip(BEAMS[4:7], PLACES, strict=True):
        left, top = PLACES[place]
        steps = 43.0 * np.arange(68) + 31.0
        x, y = left + steps, top - steps * 0.97
        lon, lat = TO_LONLAT.transform(x, y)
        flags = np.ones(len(x), np.uint8)
        flags[::9] = 0
        beams[beam] = {
            "lon": lon, "lat": lat, "agbd": biomass(x, y), "l4_quality_flag": flags,
            "delta_time": np.full(len(x), delta + 36_000.0), "rh98": biomass(x, y) / 10,
            "shot_number": shot_numbers(beam, len(x)),
        }  # fmt: skip
    l4a(folder / L4A_NAME, beams)
    l2a(folder / L2A_NAME, beams)


def built(world: Biomass, out: Path, *more: str) -> Path:
    """The release of a build in this process, dated."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        assert command.main(world.arguments(out, *more)) == 0
    return out / "agbd" / "v1.0.0"
