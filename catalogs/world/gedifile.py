"""GEDI granules as HDF5, release 002: every dataset of an L4A beam, the main ones of an L2A beam.

Names and types follow the user guides of GEDI L4A and L2A version 2.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalogs.world import biomass
from catalogs.world.gedi import Flight, Shots
from catalogs.world.stacfile import NOTICE, PROVIDERS

FILL = np.float32(-9999)

FLOATS = (
    "agbd", "agbd_pi_lower", "agbd_pi_upper", "agbd_se", "agbd_t", "agbd_t_se", "elev_lowestmode",
    "sensitivity", "solar_elevation",
)  # fmt: skip
DOUBLES = ("delta_time", "lat_lowestmode", "lon_lowestmode")
BYTES = (
    "algorithm_run_flag", "degrade_flag", "l2_quality_flag", "l4_quality_flag",
    "predictor_limit_flag", "response_limit_flag", "selected_algorithm", "selected_mode",
    "selected_mode_flag", "surface_flag", "channel",
)  # fmt: skip
ALGORITHMS = (1, 2, 3, 4, 5, 6, 10)
REGIONS = ("Eu", "NAs", "Au", "Af", "SA", "SAs", "NAm")
TYPES = ("DBT", "EBT", "ENT", "DNT", "GSW")


@contextmanager
def _opened(path: Path, short: str, title: str) -> Iterator[Any]:
    import h5py

    # The oldest file format keeps no times of its groups: the same content, the same bytes.
    with h5py.File(path, "w", libver="earliest") as file:
        file.attrs["short_name"] = short
        file.attrs["title"] = f"{NOTICE} {title}"
        file.attrs["license"] = "CC0-1.0"
        file.attrs["attribution"] = PROVIDERS[0]["name"]
        file.attrs["generated"] = 1
        about = file.create_group("METADATA").create_group("DatasetIdentification")
        about.attrs["shortName"], about.attrs["VersionID"] = short, "002"
        about.attrs["fileName"] = path.name
        yield file


def _put(group: Any, name: str, values: NDArray[Any], packed: bool = False) -> None:
    how = {"compression": "gzip", "shuffle": True} if packed else {}
    made = group.create_dataset(name, data=values, track_times=False, **how)
    if values.dtype == np.float32:
        made.attrs["_FillValue"] = FILL


def _beam(file: Any, beam: int) -> Any:
    group = file.create_group(f"BEAM{beam:04b}")
    group.attrs["description"] = "Full power beam" if beam >= 0b0101 else "Coverage beam"
    return group


def write_l4a(path: Path, flight: Flight, beams: Mapping[int, Shots]) -> None:
    """Writes the granule of footprint biomass: 183 datasets per beam."""
    with _opened(path, "GEDI_L4A", "Footprint biomass in the manner of GEDI L4A") as file:
        _put(file.create_group("ANCILLARY"), "model_data", _models())
        for beam, found in beams.items():
            group, count = _beam(file, beam), found["agbd"].size
            _root(group, beam, found)
            _predictions(group.create_group("agbd_prediction"), found)
            place = group.create_group("geolocation")
            for a in ALGORITHMS:
                for name in ("elev_lowestmode", "sensitivity"):
                    _put(place, f"{name}_a{a}", found[name].astype(np.float32))
                for name in ("lat_lowestmode", "lon_lowestmode"):
                    _put(place, f"{name}_a{a}", found[name])
            _put(place, "stale_return_flag", np.zeros(count, np.uint8))
            _put(place, "shot_number", found["shot_number"])
            _cover(group.create_group("land_cover_data"), flight, found)


def _root(group: Any, beam: int, found: Shots) -> None:
    import h5py

    count = found["agbd"].size
    for name in FLOATS:
        _put(group, name, found[name].astype(np.float32))
    for name in DOUBLES:
        _put(group, name, found[name].astype(np.float64))
    for name in BYTES:
        _put(group, name, found[name].astype(np.uint8))
    _put(group, "shot_number", found["shot_number"])
    _put(group, "beam", np.full(count, beam, np.uint16))
    whole = np.floor(found["delta_time"])
    _put(group, "master_int", whole.astype(np.uint32))
    _put(group, "master_frac", found["delta_time"] - whole)
    _put(group, "xvar", _predictors(found))
    group.create_dataset(
        "predict_stratum", data=_strata(found), dtype=h5py.string_dtype("ascii"), track_times=False
    )


def _predictors(found: Shots) -> NDArray[np.float32]:
    """Predictors (n, 4) of the model: the root of RH98 + 100, the rest unused."""
    out = np.zeros((found["agbd"].size, 4), np.float32)
    out[:, 0] = np.where(found["algorithm_run_flag"], np.sqrt(found["_rh98"] + 100), FILL)
    return out


def _strata(found: Shots) -> list[str]:
    kinds = {1: "ENT_Eu", 4: "DBT_Eu"}
    return [kinds.get(int(kind), "GSW_Eu") if ran else ""
            for kind, ran in zip(found["pft_class"], found["algorithm_run_flag"], strict=True)]  # fmt: skip


def _predictions(group: Any, found: Shots) -> None:
    """The same for every algorithm; those not selected differ by up to 8 per cent."""
    ran = found["algorithm_run_flag"].astype(bool)
    for a in ALGORITHMS:
        factor = np.where(found["selected_algorithm"] == a, 1.0, 1 + 0.01 * (a - 2))
        root = np.sqrt(factor)
        for name in ("agbd", "agbd_pi_lower", "agbd_pi_upper", "agbd_se"):
            _put(group, f"{name}_a{a}", np.where(ran, found[name] * factor, FILL).astype("f4"))
        mean = found["agbd_t"] * root
        for name, value in (
            ("agbd_t", mean), ("agbd_t_pi_lower", mean - 3.1), ("agbd_t_pi_upper", mean + 3.1),
            ("agbd_t_se", found["agbd_t_se"]),
        ):  # fmt: skip
            _put(group, f"{name}_a{a}", np.where(ran, value, FILL).astype("f4"))
        for name in ("algorithm_run_flag", "l2_quality_flag", "l4_quality_flag",
                     "predictor_limit_flag", "response_limit_flag", "selected_mode",
                     "selected_mode_flag"):  # fmt: skip
            _put(group, f"{name}_a{a}", found[name].astype(np.uint8))
        _put(group, f"xvar_a{a}", _predictors(found))
    _put(group, "shot_number", found["shot_number"])
    group.attrs["predictor_offset"], group.attrs["response_offset"] = 100.0, 0.0


def _cover(group: Any, flight: Flight, found: Shots) -> None:
    count = found["agbd"].size
    winter = flight.start.month in (11, 12, 1, 2, 3)
    bytes_ = {
        "pft_class": found["pft_class"],
        "region_class": np.ones(count),
        "urban_proportion": found["urban_proportion"],
        "urban_focal_window_size": np.full(count, 3),
        "landsat_water_persistence": found["landsat_water_persistence"],
        "leaf_off_flag": (found["pft_class"] == 4) & winter,
        "leaf_on_cycle": np.full(count, 0 if winter else 1),
    }
    for name, values in bytes_.items():
        _put(group, name, values.astype(np.uint8))
    _put(group, "landsat_treecover", found["landsat_treecover"].astype(np.float64))
    _put(group, "leaf_off_doy", np.full(count, 303, np.uint16))
    _put(group, "leaf_on_doy", np.full(count, 111, np.uint16))
    _put(group, "shot_number", found["shot_number"])


def _models() -> NDArray[Any]:
    """The table of models, one row per stratum; its parameters are the world's, not GEDI's."""
    text = "S16"
    fields = [
        ("predict_stratum", text), ("model_group", "u1"), ("model_name", text), ("model_id", "u1"),
        ("x_transform", text), ("y_transform", text), ("bias_correction_name", text),
        ("fit_stratum", text), ("rh_index", "u1", (8,)), ("predictor_id", "u1", (8,)),
        ("predictor_max_value", "f4", (8,)), ("vcov", "f8", (5, 5)), ("par", "f8", (5,)),
        ("rse", "f4"), ("dof", "u4"), ("response_max_value", "f4"),
        ("bias_correction_value", "f4"), ("npar", "u1"),
    ]  # fmt: skip
    table = np.zeros(len(TYPES) * len(REGIONS), fields)
    table["predict_stratum"] = [f"{kind}_{region}" for kind in TYPES for region in REGIONS]
    table["fit_stratum"] = table["predict_stratum"]
    table["model_name"], table["x_transform"], table["y_transform"] = "generated", "sqrt", "sqrt"
    table["rh_index"][:, 0], table["predictor_id"][:, 0] = 98, 1
    table["predictor_max_value"][:, 0] = 15.0
    table["par"][:, 0], table["par"][:, 1] = -10 * biomass.SLOPE, biomass.SLOPE
    table["rse"], table["dof"], table["npar"] = 1.88, 1000, 2
    table["response_max_value"], table["bias_correction_value"] = 1000.0, biomass.BIAS
    return table


def heights(found: Shots) -> NDArray[np.float32]:
    """Relative heights (n, 101) in metres: rising, RH98 as the model has it."""
    share = np.arange(101) / 98
    top = found["_rh98"].astype(np.float64)[:, None]
    low = top * share**0.8 - 2.5 * (1 - share)
    out = np.where(share <= 1, low, top + 0.35 * (np.arange(101) - 98))
    return out.astype(np.float32)


def write_l2a(path: Path, flight: Flight, beams: Mapping[int, Shots]) -> None:
    """Writes the granule of relative heights that belongs to the L4A granule: the same shots."""
    with _opened(path, "GEDI_L2A", "Relative heights in the manner of GEDI L2A") as file:
        for beam, found in beams.items():
            group, rh = _beam(file, beam), heights(found)
            for name in DOUBLES:
                _put(group, name, found[name].astype(np.float64))
            for name in ("sensitivity", "solar_elevation", "elev_lowestmode"):
                _put(group, name, found[name].astype(np.float32))
            _put(group, "elev_highestreturn", found["elev_lowestmode"] + rh[:, 100])
            for name in ("digital_elevation_model", "digital_elevation_model_srtm"):
                _put(group, name, np.round(found["elev_lowestmode"]).astype(np.float32))
            _put(group, "rh", rh, packed=True)
            _put(group, "quality_flag", found["l2_quality_flag"].astype(np.uint8))
            for name in ("degrade_flag", "selected_algorithm", "surface_flag"):
                _put(group, name, found[name].astype(np.uint8))
            _put(group, "shot_number", found["shot_number"])
            _put(group, "beam", np.full(len(rh), beam, np.uint16))
            _put(group, "channel", found["channel"].astype(np.uint8))
            _cover(group.create_group("land_cover_data"), flight, found)
