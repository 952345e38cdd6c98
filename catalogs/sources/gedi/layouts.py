"""Which product and version a granule is, told from the names inside, and where its columns lie."""

from collections.abc import Callable
from dataclasses import dataclass, field

from catalogs.sources.gedi.hdf import GediError

PLACE = {
    "shot_number": "shot_number",
    "delta_time": "delta_time",
    "lat": "lat_lowestmode",
    "lon": "lon_lowestmode",
}

LAND = {
    "pft_class": "land_cover_data/pft_class",
    "region_class": "land_cover_data/region_class",
    "leaf_off_flag": "land_cover_data/leaf_off_flag",
    "urban_proportion": "land_cover_data/urban_proportion",
    "water_persistence": "land_cover_data/landsat_water_persistence",
    "tree_cover": "land_cover_data/landsat_treecover",
}

L4A_V2 = {
    **PLACE,
    **LAND,
    **{
        name: name
        for name in (
            "agbd", "agbd_se", "agbd_pi_lower", "agbd_pi_upper", "agbd_t", "agbd_t_se",
            "elev_lowestmode", "sensitivity", "solar_elevation", "l4_quality_flag",
            "l2_quality_flag", "degrade_flag", "algorithm_run_flag", "predictor_limit_flag",
            "response_limit_flag", "selected_algorithm", "selected_mode", "surface_flag",
        )
    },
    "stale_return_flag": "geolocation/stale_return_flag",
}  # fmt: skip

L4A_V3 = {
    **L4A_V2,
    "l4_quality_flag": "l4a_quality_flag_rel3",
    "l2_quality_flag": "l2a_quality_flag_rel3",
    "algorithm_run_flag": "l2_algrunflag",
    "degrade_include_flag": "degrade_include_flag",
}

L2A_V2 = {
    **PLACE,
    **LAND,
    **{
        name: name
        for name in (
            "elev_lowestmode", "elev_highestreturn", "sensitivity", "solar_elevation",
            "degrade_flag", "selected_algorithm", "surface_flag",
        )
    },
    "l2_quality_flag": "quality_flag",
    "max_amplitude": "rx_assess/rx_maxamp",
    "noise_sd": "rx_assess/sd_corrected",
}  # fmt: skip

L2A_V3 = {
    **L2A_V2,
    "l2_quality_flag": "l2a_quality_flag_rel3",
    "degrade_include_flag": "degrade_include_flag",
}

L2B_V2 = {
    **LAND,
    "shot_number": "shot_number",
    "delta_time": "delta_time",
    **{
        name: f"geolocation/{name}"
        for name in ("elev_lowestmode", "elev_highestreturn", "solar_elevation", "degrade_flag")
    },
    "lat": "geolocation/lat_lowestmode",
    "lon": "geolocation/lon_lowestmode",
    "sensitivity": "sensitivity",
    "surface_flag": "surface_flag",
    "stale_return_flag": "stale_return_flag",
    "l2_quality_flag": "l2a_quality_flag",
    "l2b_quality_flag": "l2b_quality_flag",
    "cover": "cover",
    "pai": "pai",
    "fhd_normal": "fhd_normal",
}

MEASURED = {
    "agbd", "agbd_se", "agbd_pi_lower", "agbd_pi_upper", "agbd_t", "agbd_t_se", "elev_lowestmode",
    "elev_highestreturn", "sensitivity", "solar_elevation", "tree_cover", "max_amplitude", "noise_sd",
    "cover", "pai", "fhd_normal", *(f"rh{level}" for level in range(101)),
}  # fmt: skip
"""Columns of real numbers; all others are whole."""

NEEDED = {
    "L4A": (*PLACE, "agbd", "sensitivity", "l4_quality_flag", "degrade_flag"),
    "L2A": (*PLACE, "rh", "l2_quality_flag"),
    "L2B": (*PLACE, "l2b_quality_flag"),
}
"""Columns without which a beam is not what its product is."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the columns of a product's version lie in a beam.

    Attributes:
        product: `L4A`, `L2A` or `L2B`.
        version: `V1`, `V2` or `V3`: release 001, 002, 003.
        paths: dataset by column.
    """

    product: str
    version: str
    paths: dict[str, str] = field(repr=False)

    def place(self, column: str) -> tuple[str, int | None] | None:
        """(dataset, column of its second axis) of a column; None where the product has none.

        `rh0` to `rh100` are relative heights of L2A in metres.
        """
        if column in self.paths:
            return self.paths[column], None
        level = column.removeprefix("rh")
        if self.product == "L2A" and column.startswith("rh") and level.isdigit():
            return ("rh", int(level)) if int(level) <= 100 else None
        return None

    @property
    def needed(self) -> tuple[str, ...]:
        """Datasets that every beam must have."""
        return tuple(self.paths.get(name, name) for name in NEEDED[self.product])


def layout_of(has: Callable[[str], bool], name: str) -> Layout:
    """The layout of a granule.

    Args:
        has: whether a beam of it has the dataset.
        name: of the granule, for messages.

    Raises:
        GediError: `other_product`, `unknown_version`.
    """
    if has("agbd"):
        return _version(
            has, name, "L4A",
            (("l4a_quality_flag_rel3", "V3", L4A_V3), ("l4_quality_flag", "V2", L4A_V2)),
        )  # fmt: skip
    if has("rh") and not has("rxwaveform"):
        older = ("quality_flag", "V2", L2A_V2) if _second(has) else ("quality_flag", "V1", L2A_V2)
        return _version(has, name, "L2A", (("l2a_quality_flag_rel3", "V3", L2A_V3), older))
    if has("pai") or has("pai_z"):
        known = "V2" if _second(has) else "V1"
        return _version(has, name, "L2B", (("l2b_quality_flag", known, L2B_V2),))
    if has("rxwaveform") or has("txwaveform"):
        raise GediError("other_product", f"{name}: is GEDI L1B (waveforms); it wants L4A or L2A")
    raise GediError(
        "other_product",
        f"{name}: is no GEDI product that is read here; its beams have neither agbd (L4A), rh (L2A) "
        "nor pai (L2B); it wants L4A or L2A",
    )


def _second(has: Callable[[str], bool]) -> bool:
    """What release 002 added to the products of level 2."""
    return has("digital_elevation_model_srtm") or has("land_cover_data/pft_class")


def _version(
    has: Callable[[str], bool],
    name: str,
    product: str,
    known: tuple[tuple[str, str, dict[str, str]], ...],
) -> Layout:
    for flag, version, paths in known:
        if has(flag):
            return Layout(product, version, paths)
    flags = " nor ".join(f"{flag} ({version})" for flag, version, _ in known)
    raise GediError(
        "unknown_version",
        f"{name}: is GEDI {product} of a version that is not known: its beams have "
        f"{'neither' if len(known) > 1 else 'no'} {flags}",
    )
