"""GEDI granules in the form of the real ones, small: what the user guides say of names and types.

`l4a` and `l2a` write releases 002 and 003; every value can be given, the rest is plain.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa

from catalogs.sources.gedi import open_shots

COVERAGE = ("BEAM0000", "BEAM0001", "BEAM0010", "BEAM0011")
FULL = ("BEAM0101", "BEAM0110", "BEAM1000", "BEAM1011")
BEAMS = COVERAGE + FULL

ORBIT, SUB, TRACK = 9168, 3, 1234
L4A_NAME = "GEDI04_A_2020213101112_O09168_03_T01234_02_002_02_V002.h5"
L2A_NAME = "GEDI02_A_2020213101112_O09168_03_T01234_02_003_01_V002.h5"

FLOATS = {
    "agbd": 120.5, "agbd_pi_lower": 60.0, "agbd_pi_upper": 200.0, "agbd_se": 8.25, "agbd_t": 10.0,
    "agbd_t_se": 2.5, "elev_lowestmode": 431.5, "sensitivity": 0.97, "solar_elevation": -12.5,
}  # fmt: skip
BYTES = {
    "algorithm_run_flag": 1, "degrade_flag": 0, "l2_quality_flag": 1, "l4_quality_flag": 1,
    "predictor_limit_flag": 0, "response_limit_flag": 0, "selected_algorithm": 1,
    "selected_mode": 0, "selected_mode_flag": 1, "surface_flag": 1, "channel": 2,
}  # fmt: skip
LAND = {
    "pft_class": 2, "region_class": 6, "leaf_off_flag": 0, "urban_proportion": 0,
    "landsat_water_persistence": 0,
}  # fmt: skip
RENAMED = {"l4_quality_flag": "l4a_quality_flag_rel3", "l2_quality_flag": "l2a_quality_flag_rel3",
           "algorithm_run_flag": "l2_algrunflag"}  # fmt: skip
"""Names of release 003 (V3 user guide)."""


def shot_numbers(beam: str, count: int, first: int = 0, orbit: int = ORBIT, sub: int = SUB) -> Any:
    """By the rule of the user guide, in Python's whole numbers."""
    head = f"{orbit:05d}{int(beam[4:], 2):02d}0{sub:02d}"
    return np.array([int(f"{head}{first + i:08d}") for i in range(count)], np.uint64)


@contextmanager
def _file(path: Path, short_name: str) -> Iterator[h5py.File]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", track_order=True) as file:
        file.attrs["short_name"] = short_name
        file.create_group("METADATA")
        yield file


def _put(group: Any, name: str, values: Any, fill: Any = None) -> None:
    found = group.create_dataset(name, data=values, chunks=True, compression="gzip", shuffle=True)
    if fill is not None:
        found.attrs["_FillValue"] = fill


def _beam(file: Any, beam: str, lon: Any, lat: Any, given: Mapping[str, Any]) -> tuple[Any, int]:
    group = file.create_group(beam)
    group.attrs["description"] = "Coverage beam" if beam in COVERAGE else "Full power beam"
    count = len(lon)
    numbers = given.get("shot_number", shot_numbers(beam, count))
    _put(group, "shot_number", np.asarray(numbers, np.uint64))
    _put(group, "lon_lowestmode", np.asarray(lon, np.float64))
    _put(group, "lat_lowestmode", np.asarray(lat, np.float64))
    _put(
        group,
        "delta_time",
        np.asarray(given.get("delta_time", 8e7 + np.arange(count) / 242), float),
    )
    _put(group, "beam", np.full(count, int(beam[4:], 2), np.uint16))
    return group, count


def _full(given: Mapping[str, Any], name: str, plain: Any, count: int, kind: Any) -> Any:
    return np.broadcast_to(np.asarray(given.get(name, plain), kind), (count,)).astype(kind)


def l4a(path: Path, beams: Mapping[str, Mapping[str, Any]], version: int = 2) -> Path:
    """An L4A granule.

    Args:
        path: of the file; its name should follow the rule.
        beams: by name, `lon` and `lat` (arrays of one length) and any dataset's values by its name
            of release 002.
        version: 2 or 3.
    """
    with _file(path, "GEDI_L4A") as file:
        file.create_group("ANCILLARY")
        for beam, given in beams.items():
            group, count = _beam(file, beam, given["lon"], given["lat"], given)
            for name, plain in FLOATS.items():
                _put(group, name, _full(given, name, plain, count, np.float32), np.float32(-9999))
            for name, plain in BYTES.items():
                named = RENAMED.get(name, name) if version == 3 else name
                _put(group, named, _full(given, name, plain, count, np.uint8))
            if version == 3:
                include = given.get("degrade_include_flag", 1)
                _put(group, "degrade_include_flag", np.broadcast_to(np.uint8(include), (count,)))
            land = group.create_group("land_cover_data")
            for name, plain in LAND.items():
                _put(land, name, _full(given, name, plain, count, np.uint8))
            place = group.create_group("geolocation")
            _put(place, "stale_return_flag", _full(given, "stale_return_flag", 0, count, np.uint8))
    return path


def l2a(path: Path, beams: Mapping[str, Mapping[str, Any]], version: int = 2) -> Path:
    """An L2A granule: `beams` as of `l4a`, `rh98` or `rh` (N, 101) among the values."""
    with _file(path, "GEDI_L2A") as file:
        for beam, given in beams.items():
            group, count = _beam(file, beam, given["lon"], given["lat"], given)
            top = _full(given, "rh98", 20.0, count, np.float32)
            rh = given.get("rh", top[:, None] * np.linspace(-0.05, 98 / 95, 101, dtype=np.float32))
            rh = np.array(rh, np.float32)
            rh[:, 98] = top if "rh" not in given else rh[:, 98]
            _put(group, "rh", rh)
            flag = "l2a_quality_flag_rel3" if version == 3 else "quality_flag"
            _put(group, flag, _full(given, "quality_flag", 1, count, np.uint8))
            _put(group, "digital_elevation_model_srtm", np.zeros(count, np.float32))
            for name in ("sensitivity", "solar_elevation", "elev_lowestmode"):
                _put(group, name, _full(given, name, FLOATS[name], count, np.float32))
    return path


def line(count: int, lon: float = 12.0, lat: float = 47.0) -> dict[str, Any]:
    """Places along a track, 60 m apart."""
    steps = np.arange(count)
    return {"lon": lon + steps * 4e-4, "lat": lat + steps * 4e-4}


def read(location: Path, columns: tuple[str, ...] = (), bounds: Any = None) -> pa.Table:
    """All shots of a location."""
    tables = list(open_shots(location).shots(bounds, columns))
    return pa.concat_tables(tables)
