"""Image layers: pixels into files, files into STAC items."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from catalogs.world import aerial, clouds, cog, sentinel2, stacfile
from catalogs.world.layout import Place
from catalogs.world.sites import AERIAL_GSD, aerial_affine, scene_affine
from catalogs.world.spectra import BANDS, GSD
from catalogs.world.stacfile import Json

RGBN = ("red", "green", "blue", "nir")

COMMON: dict[str, tuple[str, float]] = {
    "B01": ("coastal", 0.443), "B02": ("blue", 0.490), "B03": ("green", 0.560),
    "B04": ("red", 0.665), "B05": ("rededge071", 0.704), "B06": ("rededge075", 0.741),
    "B07": ("rededge078", 0.783), "B08": ("nir", 0.842), "B8A": ("nir08", 0.865),
    "B09": ("nir09", 0.945), "B11": ("swir16", 1.610), "B12": ("swir22", 2.190),
}  # fmt: skip
"""Common name and centre wavelength in micrometres of each Sentinel-2 band."""

SUN = {2: (157.0, 31.0), 4: (154.0, 53.0), 6: (150.0, 63.0), 8: (157.0, 50.0), 10: (167.0, 28.0)}
"""Azimuth and elevation of the sun in degrees at the overflight, by month."""


def make_aerial(place: Place, folder: Path) -> list[Json]:
    """Draws the aerial pictures of a place, one item per year."""
    site, items = place.site, []
    grid = cog.Grid(site.epsg, aerial_affine(site))
    for year in site.years:
        name = f"aerial-{site.id}-{year}"
        pixels = aerial.picture(place, year)
        made = cog.write(folder / name / "image.tif", pixels, grid, names=RGBN, level=4)
        bands = [{"name": band, "eo:common_name": band} for band in RGBN]
        properties: Json = {
            "datetime": f"{year}-07-{14 + len(site.id) % 9:02d}T10:{20 + len(site.name):02d}:00Z",
            "title": f"{site.name} from the air, {year}",
            "gsd": AERIAL_GSD,
            "proj:code": f"EPSG:{site.epsg}",
            "platform": "generated",
            "license": "CC0-1.0",
        }
        cut = ((0.0, 0.22 / 0.35), *stacfile.FULL[1:], (0.22, 0.0))
        where = stacfile.footprint(
            site.epsg, site.aerial_bounds, cut if site.edge else stacfile.FULL
        )
        image = stacfile.asset(made, bands, "Red, green, blue, near infrared", AERIAL_GSD)
        items.append(
            stacfile.item(name, where, properties, {"image": image}, ("eo", "file", "proj"))
        )
    return items


def gather_aerial(
    places: Sequence[Place], folder: Path, items: Sequence[Json]
) -> tuple[Json, Json]:
    """The collection of aerial pictures."""
    body = stacfile.collection(
        "aerial",
        "Aerial pictures (generated)",
        "8-bit aerial pictures with 0.6 m pixels in July of 2020 and 2022; 0 is no data.",
        items,
        summaries={"gsd": [AERIAL_GSD]},
    )
    return body, {"items": len(items)}


def make_sentinel2(place: Place, folder: Path) -> list[Json]:
    """Draws the Sentinel-2 scenes of a place, one item per overflight."""
    site = place.site
    lands = {year: sentinel2.ground(place, year) for year in (2021, 2022)}
    items = []
    for over in sentinel2.PASSES[site.epsg]:
        day = date.fromisoformat(over.day)
        orbit = 22 if site.epsg == 32632 else 122
        name = (
            f"S2{over.platform[-1].upper()}_MSIL2A_{day:%Y%m%d}T101559"
            f"_N{over.baseline.replace('.', '')}_R{orbit:03d}_{site.id}"
        )
        pixels = sentinel2.scene(place, lands[day.year], over)
        assets = {}
        for key, values in pixels.items():
            made = cog.write(
                folder / name / f"{key}.tif",
                values[None],
                cog.Grid(site.epsg, scene_affine(site, GSD[key])),
                names=(key,),
                block=256,
                level=4,
                overviews=False,
                categorical=key == "SCL",
            )
            assets[key] = _scl(made) if key == "SCL" else _band(made, key, over.offset)
        azimuth, elevation = SUN[day.month]
        scl = np.asarray(pixels["SCL"], dtype=np.uint8)
        properties: dict[str, Any] = {
            "datetime": f"{over.day}T10:15:59Z",
            "title": f"{site.name} from Sentinel-2, {over.day}",
            "platform": over.platform,
            "constellation": "sentinel-2",
            "instruments": ["msi"],
            "gsd": 10,
            "eo:cloud_cover": clouds.cloud_cover(scl),
            "proj:code": f"EPSG:{site.epsg}",
            "sat:orbit_state": "descending",
            "sat:relative_orbit": orbit,
            "view:sun_azimuth": azimuth,
            "view:sun_elevation": elevation,
            "s2:processing_baseline": over.baseline,
            "s2:product_type": "S2MSI2A",
            "s2:nodata_pixel_percentage": round(100 * float(np.mean(scl == 0)), 2),
            "license": "CC0-1.0",
        }
        cut = (*stacfile.FULL[:2], (0.62, 1.0), (0.86, 0.0))
        where = stacfile.footprint(
            site.epsg, site.scene_bounds, cut if over.edge else stacfile.FULL
        )
        uses = ("eo", "file", "proj", "raster", "sat", "view")
        items.append(stacfile.item(name, where, properties, assets, uses))
    return items


def _band(made: cog.Written, key: str, offset: int) -> Json:
    common, centre = COMMON[key]
    band = {"name": key, "eo:common_name": common, "eo:center_wavelength": centre}
    scaling = {"raster:scale": 0.0001, "raster:offset": -offset / 10_000 if offset else 0.0}
    return stacfile.asset(made, [band], f"{key}, surface reflectance", GSD[key], **scaling)


def _scl(made: cog.Written) -> Json:
    return stacfile.asset(made, [{"name": "SCL"}], "Scene classification", GSD["SCL"])


def gather_sentinel2(
    places: Sequence[Place], folder: Path, items: Sequence[Json]
) -> tuple[Json, Json]:
    """The collection of Sentinel-2 scenes."""
    body = stacfile.collection(
        "sentinel-2-l2a",
        "Sentinel-2 Level-2A lookalikes (generated)",
        "Scenes in the manner of Sentinel-2 Level-2A: twelve bands and the scene classification. "
        "From processing baseline 04.00 on, stored numbers carry an offset of 1000.",
        items,
        summaries={"gsd": [10, 20, 60], "bands": list(BANDS)},
    )
    return body, {"items": len(items)}
