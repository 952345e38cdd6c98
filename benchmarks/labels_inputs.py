"""What `labels` measures on: granules, parcels with pixels, phenology rasters; generated and seeded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

BEAMS = ("BEAM0000", "BEAM0001", "BEAM0010", "BEAM0011", "BEAM0101", "BEAM0110", "BEAM1000",
         "BEAM1011")  # fmt: skip
L4A = "GEDI04_A_2020213101112_O09168_03_T01234_02_002_02_V002.h5"
L2A = "GEDI02_A_2020213101112_O09168_03_T01234_02_003_01_V002.h5"

PATCH, SIDE = 366, 10.0
"""Pixels of a patch, metres of a pixel: those of Sen4AgriNet."""

FIELDS = 400
"""Parcels of a patch, about 3.3 ha each."""

LAYERS = 156
"""Thirteen bands of twelve months."""

MODIS_SIDE = 463.312716
MODIS = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
YEARS = (2019, 2020, 2021)
DATES = ("Greenup", "Maturity", "Senescence", "Dormancy")


def granules(folder: Path, shots: int) -> Path:
    """An L4A granule and the L2A granule of the same shots, with the datasets that are read here."""
    import h5py

    made = folder / f"gedi-{shots}"
    if (made / L2A).exists():
        return made
    made.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(shots)
    each = -(-shots // len(BEAMS))
    with h5py.File(made / L4A, "w") as l4a, h5py.File(made / "part.h5", "w") as l2a:
        for file, name in ((l4a, "GEDI_L4A"), (l2a, "GEDI_L2A")):
            file.attrs["short_name"] = name
            file.create_group("METADATA")
        for place, beam in enumerate(BEAMS):
            count = min(each, shots - place * each)
            if count <= 0:
                break
            head = int(f"09168{int(beam[4:], 2):02d}003") * 10**8
            shared: dict[str, Any] = {
                "shot_number": np.uint64(head) + np.arange(count, dtype=np.uint64),
                "delta_time": 8e7 + np.arange(count) / 242,
                "lat_lowestmode": -20 + 40 * np.arange(count) / count,
                "lon_lowestmode": 10 + 20 * np.arange(count) / count + 0.006 * place,
                "elev_lowestmode": rng.normal(300, 50, count).astype("f4"),
                "sensitivity": rng.uniform(0.9, 1, count).astype("f4"),
                "solar_elevation": rng.uniform(-60, 60, count).astype("f4"),
                "degrade_flag": np.where(rng.random(count) < 0.1, 3, 0).astype("u1"),
                "surface_flag": np.ones(count, "u1"),
                "selected_algorithm": rng.choice([1, 2, 5], count).astype("u1"),
                "beam": np.full(count, int(beam[4:], 2), "u2"),
                "channel": np.zeros(count, "u1"),
            }
            agbd = rng.gamma(1.2, 70, count).astype("f4")
            own = {"agbd": agbd, "agbd_se": agbd / 10 + 3, "agbd_t": agbd / 9,
                   "l4_quality_flag": (rng.random(count) < 0.8).astype("u1"),
                   "l2_quality_flag": (rng.random(count) < 0.9).astype("u1"),
                   "predictor_limit_flag": np.zeros(count, "u1")}  # fmt: skip
            heights = np.cumsum(rng.random((count, 101)), axis=1).astype("f4") / 3
            for file, extra in ((l4a, own), (l2a, {"rh": heights})):
                group = file.create_group(beam)
                group.attrs["description"] = "Full power beam" if place > 3 else "Coverage beam"
                columns: dict[str, Any] = {**shared, **extra}
                if file is l2a:
                    columns["quality_flag"] = own["l2_quality_flag"]
                    columns["digital_elevation_model_srtm"] = shared["elev_lowestmode"]
                for name, values in columns.items():
                    group.create_dataset(
                        name, data=values, chunks=True, compression="gzip", compression_opts=1
                    )
    (made / "part.h5").rename(made / L2A)
    return made


def regions(folder: Path) -> Path:
    """Three rough polygons across the tracks, as GeoJSON."""
    import json

    path = folder / "regions.geojson"
    rng = np.random.default_rng(3)
    shapes = []
    for lon, lat in ((13.0, -14.0), (20.0, 0.5), (27.0, 14.0)):
        angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
        reach = 2.5 + 0.4 * np.sin(5 * angle) + 0.1 * rng.random(400)
        ring = np.stack([lon + reach * np.cos(angle), lat + reach * np.sin(angle)], axis=1).tolist()
        shapes.append({"type": "Feature", "properties": {},
                       "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}})  # fmt: skip
    path.write_text(json.dumps({"type": "FeatureCollection", "features": shapes}))
    return path


def fields(number: int) -> tuple[list[Any], tuple[float, ...]]:
    """(polygons in metres, affine) of a patch: cells around random points, drawn in by 4 m."""
    import shapely

    rng = np.random.default_rng(number)
    west, north, side = 500_000.0 + 3_660 * (number % 30), 5_300_040.0, PATCH * SIDE
    places = rng.uniform(0, side, (FIELDS, 2))
    seeds = shapely.multipoints(places + np.array([west, north - side]))
    box = shapely.box(west, north - side, west + side, north)
    cells = shapely.get_parts(shapely.voronoi_polygons(seeds, extend_to=box))
    shapes = shapely.buffer(shapely.intersection(cells, box), -4, join_style="mitre")
    kept = [shape for shape in shapes if not shape.is_empty and shape.geom_type == "Polygon"]
    return kept, (SIDE, 0.0, west, 0.0, -SIDE, north)


def pixels(number: int, layers: int = LAYERS) -> Any:
    """uint16 `(layer, y, x)` of a patch."""
    rng = np.random.default_rng(number % 4)
    return rng.integers(200, 4_000, (layers, PATCH, PATCH), dtype=np.uint16)


def phenology(folder: Path, side: int = 2_400) -> Path:
    """MCD12Q2 rasters of a tile and three years, a third of the pixels without a season."""
    import rasterio
    from affine import Affine

    made = folder / "mcd12q2"
    if (made / f"MCD12Q2_061_{YEARS[-1]}.tif").exists():
        return made
    made.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(12)
    rough = np.kron(rng.integers(0, 100, (side // 40, side // 40)), np.ones((40, 40), int))
    bare = rough < 33
    west, north = 1_111_950.5197, 5_559_752.5985  # of tile h19v04
    affine = Affine(MODIS_SIDE, 0, west, 0, -MODIS_SIDE, north)
    for year in YEARS:
        start = int((np.datetime64(f"{year}-01-01") - np.datetime64("1970-01-01")).astype(int))
        greenup = start + 60 + rough // 2 + rng.integers(-4, 5, rough.shape)
        bands: dict[str, Any] = {}
        for cycle in (1, 2):
            for name, later in zip(DATES, (0, 50, 130, 190), strict=True):
                gone = bare if cycle == 1 else np.ones_like(bare)
                bands[f"{name}_{cycle}"] = np.where(gone, 32_767, greenup + later)
            bands[f"EVI_Amplitude_{cycle}"] = np.where(bare, 32_767, 4_000)
            bands[f"QA_Overall_{cycle}"] = np.where(bare, 32_767, rough % 3)
        bands["NumCycles"] = np.where(bare, 0, 1)
        with rasterio.open(
            made / f"MCD12Q2_061_{year}.tif", "w", driver="GTiff", width=side, height=side,
            count=len(bands), dtype="int16", crs=MODIS, transform=affine, nodata=32_767,
            tiled=True, blockxsize=256, blockysize=256, compress="deflate", interleave="band",
        ) as target:  # fmt: skip
            for index, (name, values) in enumerate(bands.items(), 1):
                target.write(values.astype("int16"), index)
                target.set_band_description(index, name)
    return made


def points(count: int, side: int = 2_400) -> tuple[Any, Any]:
    """(lon, lat) of random places within the rasters."""
    from pyproj import Transformer

    rng = np.random.default_rng(count)
    xy = rng.uniform(0.01, 0.99, (2, count)) * side * MODIS_SIDE
    turn = Transformer.from_crs(MODIS, "OGC:CRS84", always_xy=True).transform
    lon, lat = turn(1_111_950.5197 + xy[0], 5_559_752.5985 - xy[1])
    return np.asarray(lon), np.asarray(lat)
