"""The recipe on a small place, exported: the table of 24 channels and the files by tiles."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from biomass_world import BANDS
from catalogs.releases.biomass import read_patch
from schemas.biomass import CHANNELS


def test_the_table_of_24_channels(exported: Path, rows: Any) -> None:
    """Types of the published variant; content that of the shots and the ground."""
    read = pq.read_table(exported / "val.parquet")
    kinds = {f.name: str(f.type) for f in read.schema.field("metadata").type}
    assert kinds == {
        "s2_num_days": "int16", "gedi_num_days": "uint16", "lat": "float", "lon": "float",
        "agbd_se": "float", "elev_lowes": "float", "leaf_off_f": "uint8", "pft_class": "uint8",
        "region_cla": "uint8", "rh98": "float", "sensitivity": "float", "solar_elev": "float",
        "urban_prop": "uint8",
    }  # fmt: skip
    assert str(read.schema.field("label").type) == "float"
    expected = {row["shot_number"]: row for row in rows if row["split"] == "val"}
    assert len(read) == len(expected)
    for entry in read.to_pylist():
        row = expected[entry["shot_number"]]
        patch = np.array(entry["input"], np.float32)
        assert patch.shape == (24, 25, 25) and len(CHANNELS) == 24
        assert entry["label"] == np.float32(row["agbd"])
        assert entry["metadata"]["s2_num_days"] == 390 and entry["metadata"]["gedi_num_days"] == 472
        assert (entry["lat_lowestmode"], entry["lon_lowestmode"]) == (
            row["lat_lowestmode"],
            row["lon_lowestmode"],
        )
        assert np.nanmax(patch[16]) == pytest.approx(20 * np.log10(5100) - 83, abs=1e-4)


TYPES = {
    "S2_bands": ("uint16", (25, 25, 12)), "S2_SCL": ("uint8", (25, 25)),
    "ALOS_bands": ("uint16", (25, 25, 2)), "CH/ch": ("uint8", (25, 25)), "CH/std": ("uint8", (25, 25)),
    "LC": ("uint8", (25, 25, 2)), "DEM": ("int16", (25, 25)),
    **{f"Sentinel_metadata/{n}": (t, ()) for n, t in (
        ("S2_vegetation_score", "uint8"), ("S2_date", "int16"), ("S2_pbn", "uint16"),
        ("S2_ron", "uint8"), ("S2_boa_offset", "uint8"))},
    **{f"GEDI/{n}": ("float32", ()) for n in (
        "agbd", "agbd_se", "elev_lowes", "sensitivit", "solar_elev", "rh98", "lat_decimal", "lon_decimal")},
    **{f"GEDI/{n}": ("uint8", ()) for n in (
        "pft_class", "region_cla", "leaf_off_f", "urban_prop", "selected_a", "granule_num", "ppds",
        "lat_offset", "lon_offset")},
    "GEDI/shot_numbe": ("uint64", ()), "GEDI/date": ("uint16", ()), "GEDI/track_num": ("uint32", ()),
    "GEDI/version_num": ("uint16", ()),
    "GEDI/lat_lowestmode": ("float64", ()), "GEDI/lon_lowestmode": ("float64", ()),
}  # fmt: skip
"""Paths and types of specs/agbd.md; the last line is ours."""


def datasets(group: Any) -> list[str]:
    """Paths of all datasets below a group."""
    names: list[str] = []
    group.visititems(lambda n, o: names.append(n) if isinstance(o, h5py.Dataset) else None)
    return names


def test_the_file_by_tiles(exported: Path, done: Path, rows: Any) -> None:
    """Paths, types and growing axis as published; pixels and numbers those of the release."""
    for split, tile in (("train", "32TMT"), ("val", "32TMU"), ("test", "32TNT")):
        with h5py.File(exported / f"{split}.h5") as file:
            assert list(file) == [tile]
            found = {name: file[tile][name] for name in datasets(file[tile])}
            assert {n: (str(o.dtype), o.shape[1:]) for n, o in found.items()} == TYPES
            assert all(o.maxshape[0] is None and o.compression == "gzip" for o in found.values())
            assert list(file[tile]["S2_bands"].attrs["order"]) == list(BANDS)
            own = {int(row["shot_number"]): row for row in rows if row["split"] == split}
            numbers = file[tile]["GEDI/shot_numbe"][:].tolist()
            assert sorted(numbers) == sorted(own)
            place = 3
            row = own[numbers[place]]
            patch = read_patch(done, row)
            assert (np.moveaxis(file[tile]["S2_bands"][place], -1, 0) == patch["s2"]).all()
            assert (file[tile]["LC"][place][..., 1] == patch["landcover"][1]).all()
            assert file[tile]["GEDI/lat_lowestmode"][place] == row["lat_lowestmode"]
            assert file[tile]["Sentinel_metadata/S2_pbn"][place] == 500
            assert file[tile]["Sentinel_metadata/S2_ron"][place] == 22
