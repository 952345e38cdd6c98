"""Patches of biomass by MGRS tile in HDF5, as AGBD was published."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.biomass import MISSION_START
from schemas.biomass import S2_BANDS as S2_ORDER

Patch = dict[str, npt.NDArray[Any]]
"""Layers of a sample by member, `(band, y, x)`."""

ROWS = 128
"""Samples read, and rows of a chunk."""

HELD = 32 * ROWS
"""Samples that wait for their chunk at most: about 100 MB."""


def days(when: datetime | None) -> int:
    """Whole days since the start of the mission; 0 where no time is known."""
    return (when - MISSION_START).days if when else 0


def _byte(value: int | None) -> int:
    return 255 if value is None else value


def _number(value: float | None) -> float:
    return -9999.0 if value is None else value


def split_degrees(value: float) -> tuple[int, np.float32]:
    """The published pair: unsigned whole part, and fraction with the sign (of -0.0 too)."""
    whole = int(abs(value))
    return whole, np.float32(np.copysign(abs(value) - whole, value))


def columns(rows: list[dict[str, Any]], patches: list[Patch]) -> dict[str, npt.NDArray[Any]]:
    """Datasets of some samples of one tile, by path below the tile.

    Flags that nobody knows are 255 and numbers -9999, as in GEDI granules. The full names at the end
    are ours.
    """

    def layer(name: str) -> npt.NDArray[Any]:
        return np.stack([np.moveaxis(patch[name], 0, -1) for patch in patches])

    def numbers(kind: Any, values: Any) -> npt.NDArray[Any]:
        return np.array(list(values), kind)

    lat, lon = (
        [split_degrees(row[f"{axis}_lowestmode"]) for row in rows] for axis in ("lat", "lon")
    )
    products = [product(row["scene_ids"][0]) for row in rows]
    found: Patch = {
        "S2_bands": layer("s2").astype(np.uint16),
        "S2_SCL": layer("scl")[..., 0].astype(np.uint8),
        "ALOS_bands": layer("palsar").astype(np.uint16),
        "CH/ch": layer("canopy")[..., 0].astype(np.uint8),
        "CH/std": layer("canopy")[..., 1].astype(np.uint8),
        "LC": layer("landcover").astype(np.uint8),
        "DEM": layer("dem")[..., 0].astype(np.int16),
        "Sentinel_metadata/S2_vegetation_score": numbers(
            np.uint8, (r["s2_vegetation_score"] for r in rows)
        ),
        "Sentinel_metadata/S2_date": numbers(np.int16, (days(r["datetime"]) for r in rows)),
        "Sentinel_metadata/S2_pbn": numbers(
            np.uint16, (baseline(r["processing_baseline"]) for r in rows)
        ),
        "Sentinel_metadata/S2_ron": numbers(np.uint8, (orbit for orbit, _ in products)),
        "Sentinel_metadata/S2_boa_offset": np.zeros(len(rows), np.uint8),
        "GEDI/lat_offset": numbers(np.uint8, (whole for whole, _ in lat)),
        "GEDI/lat_decimal": numbers(np.float32, (part for _, part in lat)),
        "GEDI/lon_offset": numbers(np.uint8, (whole for whole, _ in lon)),
        "GEDI/lon_decimal": numbers(np.float32, (part for _, part in lon)),
        "GEDI/shot_numbe": np.array([int(r["shot_number"]) for r in rows], np.uint64),
        "GEDI/date": numbers(np.uint16, (max(days(r["sensed"]), 0) for r in rows)),
        "GEDI/track_num": numbers(np.uint32, (r["track"] for r in rows)),
        "GEDI/version_num": numbers(np.uint16, (int(r["version"][1:]) for r in rows)),
        "GEDI/lat_lowestmode": numbers(np.float64, (r["lat_lowestmode"] for r in rows)),
        "GEDI/lon_lowestmode": numbers(np.float64, (r["lon_lowestmode"] for r in rows)),
    }
    for name, fact in FLOATS.items():
        found[f"GEDI/{name}"] = numbers(np.float32, (_number(r[fact]) for r in rows))
    for name, fact in BYTES.items():
        found[f"GEDI/{name}"] = numbers(np.uint8, (_byte(r[fact]) for r in rows))
    return found


FLOATS = {
    "agbd": "agbd", "agbd_se": "agbd_se", "elev_lowes": "elev_lowestmode",
    "sensitivit": "sensitivity", "solar_elev": "solar_elevation", "rh98": "rh98",
}  # fmt: skip
BYTES = {
    "pft_class": "pft_class", "region_cla": "region_class", "leaf_off_f": "leaf_off_flag",
    "urban_prop": "urban_proportion", "selected_a": "selected_algorithm",
    "granule_num": "sub_granule", "ppds": "ppds",
}  # fmt: skip
"""Published names (cut to ten characters by a Shapefile on their way) and ours."""


def baseline(text: str) -> int:
    """A processing baseline as a number: "05.10" is 510; 0 where it is not known."""
    digits = text.removeprefix("N").replace(".", "")
    return int(digits) if digits.isdigit() else 0


def product(scene: str) -> tuple[int, str]:
    """(relative orbit, tile) of a scene's id as ESA names products; (0, "") for other names."""
    parts = scene.split("_")
    orbit = next((p[1:] for p in parts if len(p) == 4 and p[0] == "R" and p[1:].isdigit()), "0")
    tile = next((p[1:] for p in parts if len(p) == 6 and p[0] == "T" and p[1:3].isdigit()), "")
    return int(orbit), tile


class Tiles:
    """An HDF5 file with one group for each MGRS tile, whose datasets grow along their first axis.

    The bytes depend on the rows alone: HDF5 is told to keep no times.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(f".{path.name}.part")

    def __enter__(self) -> "Tiles":
        """Open the file under a temporary name."""
        import h5py

        self.file = h5py.File(self.part, "w", track_order=False)
        self.file.attrs["day_0"] = f"{MISSION_START:%Y-%m-%d}"
        self.held: dict[str, list[tuple[dict[str, Any], Patch]]] = {}
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        """Close it; move it into place where nothing went wrong."""
        if kind is None:
            for tile in sorted(self.held):
                self._write(tile)
        self.file.close()
        if kind is None:
            with self.part.open("rb") as stream:
                os.fsync(stream.fileno())
            self.part.replace(self.path)
        else:
            self.part.unlink(missing_ok=True)

    def add(self, rows: list[dict[str, Any]], patches: list[Patch]) -> None:
        """Append samples to their tiles, in whole chunks: a chunk is compressed once.

        Held back are at most `HELD` samples, those of the fullest tiles are written first.
        """
        for row, patch in zip(rows, patches, strict=True):
            own = self.held.setdefault(row["s2_tile"], [])
            own.append((row, patch))
            if len(own) == ROWS:
                self._write(row["s2_tile"])
        while sum(map(len, self.held.values())) > HELD:
            self._write(max(sorted(self.held), key=lambda tile: len(self.held[tile])))

    def _write(self, tile: str) -> None:
        rows, patches = zip(*self.held.pop(tile), strict=True)
        for name, values in columns(list(rows), list(patches)).items():
            self._append(f"{tile}/{name}", values)

    def _append(self, path: str, values: npt.NDArray[Any]) -> None:
        if path not in self.file:
            shape = (0, *values.shape[1:])
            dataset = self.file.create_dataset(
                path, shape, values.dtype, maxshape=(None, *values.shape[1:]), compression="gzip",
                chunks=(ROWS, *values.shape[1:]), track_times=False,
            )  # fmt: skip
            if path.endswith("/S2_bands"):
                dataset.attrs["order"] = list(S2_ORDER)
            if path.endswith("/ALOS_bands"):
                dataset.attrs["order"] = ["HH", "HV"]
        dataset = self.file[path]
        start = dataset.shape[0]
        dataset.resize(start + len(values), axis=0)
        dataset[start:] = values
