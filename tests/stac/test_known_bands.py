"""Bands and masks of public collections, in items as their catalogues give them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from catalogs.sources.imagery import open_imagery
from catalogs.sources.stac_items import trimmed
from catalogs.sources.terms import Override
from recorded import MIXED, NAIP, items_of, scenes
from schemas.collections import COLLECTIONS
from schemas.masks import legend_of
from schemas.scenes import Band, Scene
from schemas.sensors import OTHER, convention, scaling
from stub_api import Json, s2
from transforms.imagery import choose_bands, mask_band

MSI = {
    "B01": ("coastal", 60), "B02": ("blue", 10), "B03": ("green", 10), "B04": ("red", 10),
    "B05": ("rededge071", 20), "B06": ("rededge075", 20), "B07": ("rededge078", 20),
    "B08": ("nir", 10), "B8A": ("nir08", 20), "B09": ("nir09", 60), "B10": ("cirrus", 60),
    "B11": ("swir16", 20), "B12": ("swir22", 20), "SCL": ("scl", 20),
}  # fmt: skip
"""Band: common name, metres."""

L2A = [name for name in MSI if name != "B10"]
L1C = [name for name in MSI if name != "SCL"]
COLOURS = {
    "B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge1",
    "B06": "rededge2", "B07": "rededge3", "B08": "nir", "B8A": "nir08", "B09": "nir09",
    "B10": "cirrus", "B11": "swir16", "B12": "swir22", "SCL": "scl",
}  # fmt: skip
"""Keys of Earth Search v1."""

RECORDED = [
    ("two-sentinel-2-items.json", "sentinel-2-l2a", L2A, "band"),
    ("search-page-1.json", "sentinel-2-l2a", L2A, "band"),
    ("S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531.json", "sentinel-2-l2a", L2A, "band"),
    ("site2-2020_jun_jul-35MNM.geojson", "sentinel-2-l2a", L2A, "band"),
    ("S2A_28QCH_20200714_0_L2A.json", "sentinel-s2-l2a-cogs", L2A, "band"),
    (MIXED, "sentinel-2-l2a", L2A, "colour"),
    (MIXED, "sentinel-2-c1-l2a", L2A, "colour"),
    (MIXED, "sentinel-2-l1c", L1C, "colour"),
]
"""Where items were recorded, and what they must give: Planetary Computer, Earth Search v0 and v1."""


def place_of(scene: Scene, band: Band) -> tuple[float, ...]:
    """(width, height, six numbers of the affine) of a band, its own or its scene's."""
    grid = scene.grid
    return band.place or (grid.width, grid.height, *grid.transform)


def stated_place(item: Json, key: str) -> tuple[float, ...]:
    """The same as an item states it for an asset, or for all of them."""
    fields = {**item["properties"], **item["assets"][key]}
    rows, columns = fields["proj:shape"]
    return (columns, rows, *fields["proj:transform"][:6])


@pytest.mark.realdata
@pytest.mark.parametrize(("where", "collection", "bands", "keys"), RECORDED)
def test_every_band_of_sentinel_2(
    where: str, collection: str, bands: list[str], keys: str, real: Path
) -> None:
    items = {item["id"]: item for item in items_of(real, where, collection)}
    found = scenes(list(items.values()))
    assert len(found) >= 1
    for scene in found:
        item = items[scene.id]
        assert [b.name for b in scene.bands] == bands
        for band in scene.bands:
            key = COLOURS[band.name] if keys == "colour" else band.name
            assert band.href == item["assets"][key]["href"], "the JPEG 2000 twins are left alone"
            common, metres = MSI[band.name]
            assert (band.common, band.gsd) == (common, metres)
            assert (band.dtype, band.nodata) == ("uint8" if key.lower() == "scl" else "uint16", 0)
            assert place_of(scene, band) == stated_place(item, key)
            assert place_of(scene, band)[2] == metres
            for stated in item["assets"][key].get("raster:bands", ()):
                assert (stated["data_type"], stated["nodata"]) == (band.dtype, band.nodata)
                declared = (stated.get("scale", 1.0), stated.get("offset", 0.0))
                assert (band.scale, band.offset) == declared
        assert scene.grid.transform[0] == 10 and scene.display == (0, 3000)
        rgbn = choose_bands(scene, ("red", "green", "blue", "nir"))
        assert [b.name for b in rgbn] == ["B04", "B03", "B02", "B08"], "the usual chip"
        assert [b.place for b in rgbn] == [()] * 4
        assert {b.gsd for b in choose_bands(scene, ("none",))} == {10}


@pytest.mark.realdata
def test_landsat_of_the_usgs(real: Path) -> None:
    name = "LC08_L2SP_028030_20200114_20200824_02_T1_SR.json"
    (item,) = items_of(real, name, "landsat-c2l2-sr")
    (scene,) = scenes([item])
    assert [(b.name, b.common) for b in scene.bands] == [
        ("B1", "coastal"), ("B2", "blue"), ("B3", "green"), ("B4", "red"), ("B5", "nir08"),
        ("B6", "swir16"), ("B7", "swir22"), ("qa_pixel", "qa_pixel"),
    ]  # fmt: skip
    for band in scene.bands:
        assert (band.gsd, band.dtype) == (30, "uint16")
        assert band.nodata == (1 if band.name == "qa_pixel" else 0)
        assert place_of(scene, band) == stated_place(item, band.common)
        assert band.href == item["assets"][band.common]["href"]
    assert (scene.grid.width, scene.grid.height) == (7931, 8041)
    assert mask_band(scene) == (scene.bands[-1], legend_of("landsat-c2-l2", "qa_pixel"))


@pytest.mark.realdata
def test_naip_has_one_file(real: Path) -> None:
    items = {item["id"]: item for item in items_of(real, NAIP, "naip")}
    for scene in scenes(list(items.values())):
        item = items[scene.id]
        assert [(b.name, b.common, b.index) for b in scene.bands] == [
            ("Red", "red", 1), ("Green", "green", 2), ("Blue", "blue", 3), ("NIR", "nir", 4),
        ]  # fmt: skip
        for band in scene.bands:
            assert (band.dtype, band.nodata) == ("uint8", None)
            assert band.gsd == item["properties"]["gsd"]
            assert place_of(scene, band) == stated_place(item, "image")


@pytest.mark.realdata
def test_radar_of_earth_search(real: Path) -> None:
    items = {i["id"]: i for i in items_of(real, MIXED, "sentinel-1-grd")}
    found = scenes(list(items.values()))
    assert {b.name for scene in found for b in scene.bands} <= {"vv", "vh", "hh", "hv"}
    for scene in found:
        polarised = {name.lower() for name in items[scene.id]["properties"]["sar:polarizations"]}
        assert {b.common for b in scene.bands} == polarised
        for band in scene.bands:
            assert (band.dtype, band.nodata) == ("uint16", 0)
            assert place_of(scene, band) == pytest.approx(stated_place(items[scene.id], band.name))


def item(collection: str, assets: dict[str, Json], side: int = 30, **more: Any) -> Json:
    """An item whose place is stated once for all of its assets, as Landsat and HLS have it."""
    place = {"proj:shape": [366, 366], "proj:transform": [side, 0, 600_000, 0, -side, 5_200_020]}
    made = s2("x", collection=collection, **{"proj:epsg": 32632, **place, **more})
    made["assets"] = {
        key: {"href": f"https://pixels.example/{key}.tif", "type": "image/tiff", **fields}
        for key, fields in assets.items()
    }
    return made


def landsat(first: int, *, coastal: bool, thermal: str, name: str) -> dict[str, Json]:
    """Assets of Collection 2 Level 2 as Planetary Computer has them: every one typed, the thermal band
    with the resolution of its sensor."""
    colours = ["coastal"] * coastal + ["blue", "green", "red", "nir08", "swir16", "swir22"]
    assets: dict[str, Json] = {}
    for number, colour in enumerate(colours, first):
        own = 7 if colour == "swir22" else number
        assets[colour] = {
            "eo:bands": [{"name": f"SR_B{own}", "common_name": colour}],
            "raster:bands": [
                {"nodata": 0, "data_type": "uint16", "scale": 2.75e-5, "offset": -0.2}
            ],
        }
    for beside, kind in (("qa_radsat", "uint16"), ("emis", "int16"), ("atran", "int16"),
                         ("qa_aerosol" if coastal else "cloud_qa", "uint8")):  # fmt: skip
        assets[beside] = {"raster:bands": [{"data_type": kind}]}
    assets["qa_pixel"] = {"raster:bands": [{"data_type": "uint16", "unit": "bit index"}]}
    assets[thermal] = {
        "gsd": 100 if coastal else 120,
        "eo:bands": [{"name": name, "common_name": thermal}],
        "raster:bands": [
            {"nodata": 0, "data_type": "uint16", "scale": 0.00341802, "offset": 149.0}
        ],
    }
    return assets


@pytest.mark.parametrize(
    ("assets", "names"),
    [
        (landsat(1, coastal=False, thermal="lwir", name="ST_B6"),
         {"blue": "SR_B1", "green": "SR_B2", "red": "SR_B3", "nir08": "SR_B4", "swir16": "SR_B5",
          "swir22": "SR_B7", "lwir": "ST_B6", "qa_pixel": "qa_pixel"}),
        (landsat(1, coastal=True, thermal="lwir11", name="ST_B10"),
         {"coastal": "SR_B1", "blue": "SR_B2", "green": "SR_B3", "red": "SR_B4", "nir08": "SR_B5",
          "swir16": "SR_B6", "swir22": "SR_B7", "lwir11": "ST_B10", "qa_pixel": "qa_pixel"}),
    ],
    ids=["4 to 7", "8 and 9"],
)  # fmt: skip
def test_landsats_differ_in_their_own_names_only(
    assets: dict[str, Json], names: dict[str, str]
) -> None:
    (scene,) = scenes([item("landsat-c2-l2", assets)])
    assert {b.common: b.name for b in scene.bands} == names
    assert {(b.gsd, b.dtype, b.place) for b in scene.bands} == {(30, "uint16", ())}
    rule = convention("landsat-c2-l2")
    for band in scene.bands:
        scale = scaling(rule, band.name, band.common, (band.scale, band.offset))
        thermal, mask = band.common.startswith("lwir"), band.name == "qa_pixel"
        assert scale == ((1, 0) if mask else (0.00341802, 149) if thermal else (2.75e-5, -0.2))
        assert band.nodata == (1 if mask else 0)


HLS = {
    "hls2-s30": ({n: c for n, (c, _) in MSI.items() if n != "SCL"}, "B04"),
    "hls2-l30": (
        {"B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "nir",
         "B06": "swir16", "B07": "swir22", "B09": "cirrus", "B10": "lwir11", "B11": "lwir12"},
        "B04",
    ),
}  # fmt: skip


@pytest.mark.parametrize("collection", [*HLS, "HLSS30_2.0", "HLSL30_2.0"])
@pytest.mark.parametrize("code", [32632, "EPSG:32632"])
def test_hls_with_its_mask(collection: str, code: Any) -> None:
    """Its items name few of their bands, and write their CRS as a number or as a code."""
    commons, red = HLS["hls2-s30" if "S30" in collection.upper() else "hls2-l30"]
    keys = [*commons, "Fmask", "SAA", "SZA", "VAA", "VZA"]
    assets = {key: {"roles": ["data"], "eo:bands": [{"name": key}]} for key in keys}
    made = item(collection, assets, **{"proj:code": code})
    del made["properties"]["proj:epsg"]
    (scene,) = scenes([made])
    assert scene.grid.crs == "EPSG:32632" and scene.display == (0, 3000)
    *bands, mask = scene.bands
    assert {b.name: b.common for b in bands} == commons
    assert {(b.gsd, b.dtype, b.nodata, b.place) for b in bands} == {(30, "int16", -9999, ())}
    assert (mask.name, mask.dtype, mask.nodata) == ("Fmask", "uint8", 255)
    assert mask_band(scene) == (mask, legend_of(collection, "Fmask"))
    assert [b.name for b in choose_bands(scene, ("red",))] == [red]
    for common in commons.values():
        (band,) = choose_bands(scene, (common,))
        assert band.common == common, "B11 is short-wave infrared in one, thermal in the other"
    lost = choose_bands(scene, ("rededge071",))
    assert [b.common for b in lost] == (
        ["rededge071"] if "rededge071" in commons.values() else list(commons.values())
    )


def test_radar_that_is_corrected_for_terrain() -> None:
    """Its items state shape and transform, and nothing of their numbers."""
    (scene,) = scenes([item("sentinel-1-rtc", {"vh": {}, "vv": {}, "other": {}}, side=10)])
    assert [(b.name, b.gsd, b.dtype, b.nodata) for b in scene.bands] == [
        ("vv", 10, "float32", -32768), ("vh", 10, "float32", -32768),
    ]  # fmt: skip
    assert scene.licence == "CC-BY-4.0" and "Copernicus Sentinel data 2023" in scene.attribution
    assert [b.name for b in choose_bands(scene, ("red", "green"))] == ["vv", "vh"]


def test_what_an_item_states_of_its_numbers_stands() -> None:
    made = s2("x")
    made["assets"]["SCL"]["raster:bands"] = [{"data_type": "int16", "nodata": 99}]
    made["assets"]["B11"] |= {"data_type": "float32", "nodata": -1}
    (scene,) = scenes([made])
    known = {b.name: (b.dtype, b.nodata) for b in scene.bands}
    assert known["SCL"] == ("int16", 99) and known["B11"] == ("float32", -1)
    assert known["B04"] == ("uint16", 0)


@pytest.mark.parametrize(
    ("asset", "of_band", "expected"),
    [
        ({"raster:scale": 0.1, "raster:offset": 5.0}, {}, (0.1, 5.0)),
        ({"raster:scale": 0.1, "raster:offset": 5.0}, {"raster:offset": 0.0}, (0.1, 0.0)),
        ({"raster:scale": 0.1}, {"raster:scale": 2.0, "raster:offset": 1.0}, (2.0, 1.0)),
        ({}, {}, (1.0, 0.0)),
    ],
)
def test_scale_and_offset_may_stand_at_the_asset(
    asset: Json, of_band: Json, expected: tuple[float, float]
) -> None:
    """Fields that all bands share stand there in STAC 1.1; those of a band come before them."""
    whole = {
        "href": "https://h/x.tif", "type": "image/tiff; application=geotiff", "data_type": "int16",
        "nodata": -1, "bands": [{"name": "lst", **of_band}], **asset,
    }  # fmt: skip
    (scene,) = scenes([item("mine", {"x": whole})])
    (band,) = scene.bands
    assert (band.scale, band.offset) == expected and (band.nodata, band.dtype) == (-1, "int16")


def test_trimming_twice_changes_nothing() -> None:
    for collection in ("sentinel-2-l2a", "landsat-c2-l2", "naip", "mine"):
        made = s2("x", collection=collection)
        made["assets"]["image"] = {**made["assets"]["B04"], "href": "https://pixels.example/i.tif"}
        made["assets"]["red"] = made["assets"]["B04"]
        once = trimmed(json.loads(json.dumps(made)), collection)
        assert trimmed(json.loads(json.dumps(once)), collection) == once


def test_the_table_contradicts_neither_itself_nor_the_masks() -> None:
    for name, known in COLLECTIONS.items():
        keys = [key for layer in known.layers for key in layer.keys]
        assert len(keys) == len(set(keys)), f"{name}: a key that means two files"
        commons = [layer.common for layer in known.layers if layer.common]
        assert len(commons) == len(set(commons)), f"{name}: a name that means two bands"
        for layer in known.layers:
            mask = legend_of(name, layer.name)
            assert (mask is not None) == (layer.common in OTHER)
            if layer.nodata is not None:
                assert np.asarray(layer.nodata).astype(layer.dtype) == layer.nodata
            if mask is not None and layer.nodata is not None:
                values = {v for first, _, found in mask.nodata for v in (n << first for n in found)}
                assert layer.nodata in values, "what holds no data is no data by its legend too"


def rasters(item: Json, collection: str = "mine") -> set[str]:
    """Keys of the assets that are kept where a collection is not known."""
    return set(trimmed({**item, "collection": collection}, collection)["assets"])


@pytest.mark.realdata
def test_pictures_of_an_unknown_collection_are_no_data(real: Path) -> None:
    (one, _) = items_of(real, "two-sentinel-2-items.json", "sentinel-2-l2a")
    assert one["assets"]["visual"]["roles"] == ["data"], "so it says"
    assert rasters(one) == {*L2A, "AOT", "WVP"}
    old = items_of(real, "S2A_28QCH_20200714_0_L2A.json", "sentinel-s2-l2a-cogs")[0]
    assert rasters(old) == {*L2A, "AOT", "WVP"}
    new = items_of(real, MIXED, "sentinel-2-c1-l2a")[0]
    assert rasters(new) == {*(COLOURS[n] for n in L2A), "aot", "wvp", "cloud", "snow"}
    twins = rasters(items_of(real, MIXED, "sentinel-2-l2a")[0])
    assert {"scl", "scl-jp2"} <= twins and not twins & {"visual", "visual-jp2", "preview"}


def on_disk(folder: Path, *keys: str, **roles: str) -> Iterator[str]:
    """Names of the bands of an item on disk with these assets."""
    assets: dict[str, Json] = {}
    for key in keys:
        colour = key.lower() in ("visual", "tci", "true-color")
        shape = (3 if colour else 1, 8, 8)
        with rasterio.open(
            folder / f"{key}.tif", "w", driver="GTiff", count=shape[0], width=8, height=8,
            dtype="uint8", crs="EPSG:32632", transform=rasterio.Affine(10, 0, 6e5, 0, -10, 5.2e6),
        ) as target:  # fmt: skip
            target.write(np.ones(shape, "uint8"))
        assets[key] = {
            "href": f"{key}.tif",
            "type": "image/tiff",
            "roles": [roles.get(key, "data")],
        }
    made = {**s2("x", collection="mine"), "assets": assets}
    (folder / "item.json").write_text(json.dumps(made))
    found = open_imagery(str(folder / "item.json"), Override("CC0-1.0", "Ann"))
    yield from (band.name for scene in found.scenes for band in scene.bands)


def test_pictures_on_disk_are_no_data(tmp_path: Path) -> None:
    assert list(on_disk(tmp_path, "B04", "B08", "visual", "TCI")) == ["B04", "B08"]
    assert list(on_disk(tmp_path, "B04", "rgb", rgb="visual")) == ["B04"]
    assert list(on_disk(tmp_path, "visual")) == ["red", "green", "blue"], "all that there is"
