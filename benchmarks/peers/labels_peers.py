"""Label joins with other libraries: gedidb, geopandas, rasterstats, exactextract, rasterio."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks import labels_contender, labels_inputs
from benchmarks.labels_contender import Found

FIELDS = {
    "level_2a": ("shot_number", "sensitivity", "degrade_flag", "surface_flag", "rh",
                 "quality_flag", "elev_lowestmode"),
    "level_4a": ("shot_number", "delta_time", "lat_lowestmode", "lon_lowestmode", "agbd",
                 "agbd_se", "sensitivity", "solar_elevation", "l4_quality_flag", "degrade_flag",
                 "elev_lowestmode", "selected_algorithm"),
}  # fmt: skip


def gedidb(folder: Path, count: int) -> Found:
    """Both granules to data frames by gedidb's beams, merged by shot, then geopandas' sjoin."""
    import geopandas
    import pandas
    from gedidb.granule.Granule import granule_handler
    from gedidb.granule.l2a_granule import L2AGranule
    from gedidb.granule.l4a_granule import L4AGranule

    def frame(kind: type[granule_handler], path: Path, level: str) -> pandas.DataFrame:
        mapping = {name: {"SDS_Name": name} for name in FIELDS[level]}
        with kind(path, mapping) as granule:
            beams = list(granule.iter_beams())
            for beam in beams:
                beam.DEFAULT_QUALITY_FILTERS = {}
            return pandas.concat([beam.main_data for beam in beams], ignore_index=True)

    made = labels_inputs.granules(folder, count)
    high = frame(L4AGranule, made / labels_inputs.L4A, "level_4a")
    low = frame(L2AGranule, made / labels_inputs.L2A, "level_2a")
    both = high.merge(low, on="shot_number", how="inner", suffixes=("", "_2a"))
    return _kept(geopandas, folder, both, "rh_99")


def pandas_h5py(folder: Path, count: int) -> Found:
    """The same by a hand-written loop: h5py into data frames, a merge, geopandas' sjoin."""
    import geopandas
    import h5py
    import pandas

    made = labels_inputs.granules(folder, count)
    frames = []
    for name, level in ((labels_inputs.L4A, "level_4a"), (labels_inputs.L2A, "level_2a")):
        parts = []
        with h5py.File(made / name) as file:
            for beam in (key for key in file if key.startswith("BEAM")):
                columns = {n: file[beam][n][:] for n in FIELDS[level] if n != "rh"}
                if level == "level_2a":
                    columns["rh98"] = file[beam]["rh"][:, 98]
                parts.append(pandas.DataFrame(columns))
        frames.append(pandas.concat(parts, ignore_index=True))
    both = frames[0].merge(frames[1], on="shot_number", how="inner", suffixes=("", "_2a"))
    return _kept(geopandas, folder, both, "rh98")


def _kept(geopandas, folder: Path, both, height: str) -> Found:  # type: ignore[no-untyped-def]
    good = both[(both.l4_quality_flag == 1) & (both.degrade_flag == 0) & (both.sensitivity > 0.95)]
    shots = geopandas.GeoDataFrame(
        good, geometry=geopandas.points_from_xy(good.lon_lowestmode, good.lat_lowestmode), crs=4326
    )
    regions = geopandas.read_file(labels_inputs.regions(folder))
    inside = geopandas.sjoin(shots, regions, predicate="within")
    return len(inside), float((inside.agbd.astype(float) * inside[height].astype(float)).sum()), ""


def rasterised(folder: Path, count: int) -> Found:
    """Number and class by two calls of rasterio.features.rasterize."""
    from affine import Affine
    from rasterio.features import rasterize

    done, total = 0, 0.0
    size = (labels_inputs.PATCH, labels_inputs.PATCH)
    for number in range(labels_contender.patches(count)):
        shapes, affine = labels_contender.fields(folder, number)
        place = {"out_shape": size, "transform": Affine(*affine), "fill": 0}
        numbers = rasterize([(s, i + 1) for i, s in enumerate(shapes)], dtype="uint32", **place)
        crops = rasterize(
            [(s, 100 + i % 11 * 10) for i, s in enumerate(shapes)], dtype="uint16", **place
        )
        done += len(shapes)
        total += float(crops.sum()) + float((numbers > 0).sum())
    return done, total, "overlaps unseen"


def rasterstats(folder: Path, count: int) -> Found:
    """Mean and standard deviation by rasterstats, layer by layer."""
    from affine import Affine
    from rasterstats import zonal_stats

    done, total = 0, 0.0
    for number in range(labels_contender.patches(count)):
        shapes, affine = labels_contender.fields(folder, number)
        for layer in labels_contender.values(folder, number):
            found = zonal_stats(
                shapes, layer, affine=Affine(*affine), stats=["mean", "std"], nodata=0
            )
            each = [(one["mean"], one["std"]) for one in found if one["mean"] is not None]
            total += float(np.sum(each))
        done += len(shapes)
    return done, total, "pixels whose centres lie within"


def exactextract(folder: Path, count: int) -> Found:
    """Mean and standard deviation by exactextract, all layers in one call."""
    import geopandas
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource
    from pyproj import CRS

    wkt = CRS(32632).to_wkt()
    done, total = 0, 0.0
    for number in range(labels_contender.patches(count)):
        shapes, affine = labels_contender.fields(folder, number)
        a, _, west, _, e, north = affine
        east, south = west + a * labels_inputs.PATCH, north + e * labels_inputs.PATCH
        layers = [
            NumPyRasterSource(layer, west, south, east, north, name=f"l{k}", srs_wkt=wkt)
            for k, layer in enumerate(labels_contender.values(folder, number))
        ]
        frame = geopandas.GeoDataFrame(geometry=shapes, crs=wkt)
        found = exact_extract(layers, frame, ["mean", "stdev"], output="pandas")
        total += float(np.nansum(found.to_numpy(float)))
        done += len(shapes)
    return done, total, ""


def sampled(folder: Path, count: int) -> Found:
    """rasterio's `sample` of each year, medians by numpy, the nearest pixel by a k-d tree of all."""
    import rasterio
    from pyproj import Transformer
    from scipy.spatial import cKDTree

    lon, lat = labels_inputs.points(count)
    made = labels_inputs.phenology(folder)
    turn = Transformer.from_crs("OGC:CRS84", labels_inputs.MODIS, always_xy=True).transform
    xy = np.stack(turn(lon, lat), axis=1)
    wanted = [f"{name}_1" for name in labels_inputs.DATES]
    offsets, whole = [], []
    for year in labels_inputs.YEARS:
        start = int((np.datetime64(f"{year}-01-01") - np.datetime64("1970-01-01")).astype(int))
        with rasterio.open(made / f"MCD12Q2_061_{year}.tif") as source:
            indexes = [source.descriptions.index(name) + 1 for name in wanted]
            found = np.array(list(source.sample(xy, indexes=indexes)), float)
            grid = source.read(indexes).astype(float)
            affine = source.transform
        for values, kept in ((found, offsets), (grid, whole)):
            values[values == 32_767] = np.nan
            kept.append(values - start)
    with np.errstate(all="ignore"):
        import warnings

        warnings.simplefilter("ignore")
        medians = np.nanmedian(np.stack(offsets), axis=0)
        pixels = np.nanmedian(np.stack(whole), axis=0)
    there = np.isfinite(pixels[0])
    rows, cols = np.nonzero(there)
    xs, ys = affine.c + affine.a * (cols + 0.5), affine.f + affine.e * (rows + 0.5)
    back = Transformer.from_crs(labels_inputs.MODIS, "OGC:CRS84", always_xy=True).transform
    tree = cKDTree(_vectors(*back(xs, ys)))
    blank = np.flatnonzero(~np.isfinite(medians[:, 0]))
    _, near = tree.query(_vectors(lon[blank], lat[blank]))
    medians[blank] = pixels[:, rows[near], cols[near]].T
    return len(medians), float(medians.sum()), f"{len(blank) / count:.0%} by the nearest pixel"


def _vectors(lon, lat):  # type: ignore[no-untyped-def]
    lon, lat = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


PACKAGES = {"gedidb": "gedidb", "pandas_h5py": "geopandas", "rasterised": "rasterio",
            "rasterstats": "rasterstats", "exactextract": "exactextract", "sampled": "rasterio"}  # fmt: skip

if __name__ == "__main__":
    import sys

    task = sys.argv[sys.argv.index("--task") + 1]
    works = {f.__name__: f for f in (gedidb, pandas_h5py, rasterised, rasterstats, exactextract,
                                     sampled)}  # fmt: skip
    labels_contender.main(PACKAGES[task], version(PACKAGES[task]), works)
