"""What the world's crops are called: in its two registers, in FAO ICC and in HCAT 3 and 4.

Codes of FAO ICC are those of Sen4AgriNet's taxonomy, codes of HCAT those of EuroCrops; only the
rows that the world needs. The registers XW (west) and XE (east) are invented.
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from catalogs.world.layout import Place
from catalogs.world.stacfile import Json


class Crop(NamedTuple):
    """One use of a field: the code and name of the western register, the name of the eastern one,
    and what each taxonomy calls it (usage: 6 grain, 8 oil, 0 none)."""

    code: str
    west: str
    east: str
    icc: int
    hcat3: int
    hcat4: int
    usage: int = 0


CROPS: dict[str, Crop] = {
    "wheat": Crop("115", "Winterweizen", "Winterweizen", 110, 3301010101, 3310101001, 6),
    "barley": Crop("131", "Wintergerste", "Wintergerste", 150, 3301010401, 3310104001, 6),
    "maize": Crop("171", "Körnermais", "Körnermais", 120, 3301010600, 3310106000, 6),
    "rapeseed": Crop("311", "Winterraps", "Winterraps", 435, 3301060401, 3310604011, 8),
    "sugarbeet": Crop("620", "Zuckerrüben", "Zuckerrübe", 810, 3301290700, 3310719010),
    "potato": Crop("602", "Kartoffeln", "Kartoffel", 510, 3301030000, 3310300000),
    "fallow": Crop("591", "Ackerland stillgelegt", "Grünbrache", 975, 3301110000, 3311100000),
    "meadow": Crop("451", "Wiesen", "Mähwiese", 912, 3302000000, 3320100000),
    "pasture": Crop("453", "Weiden", "Weide", 912, 3302000000, 3320100000),
    "orchard": Crop("825", "Obstanlagen", "Obstbäume", 350, 3303010000, 3330100000),
    "vineyard": Crop("842", "Bestockte Rebfläche", "Rebfläche", 330, 3303060000, 3330600000),
}
"""Crops by material."""

UNKNOWN = ("999", "Versuchsfläche")
"""Code and name that no table knows."""

ICC: dict[int, str] = {
    100: "Cereals", 110: "Wheat", 120: "Maize", 150: "Barley", 300: "Fruit and nuts",
    330: "Grapes", 350: "Pome fruits and stone fruits", 400: "Oilseed crops",
    430: "Other temporary oilseed crops", 435: "Rapeseed",
    500: "Root tuber crops with high starch or inulin content", 510: "Potatoes",
    800: "Sugar crops", 810: "Sugar beet", 900: "Other crops and Classes",
    910: "Grasses and other fodder crops", 912: "Permanent grass crops", 970: "Other Classes",
    975: "Fallow land",
}  # fmt: skip
"""Codes of FAO ICC: hundreds are groups, tens classes, units sub-classes."""

STUDIED = (110, 120, 150, 330, 435, 510)
"""Those of them among the eleven classes of the experiments."""

HCAT3: tuple[tuple[int, str, int, int | None], ...] = (
    (3000000000, "characteristics", 0, None),
    (3300000000, "crop_type", 1, 3000000000),
    (3301000000, "arable_crops", 2, 3300000000),
    (3301010000, "cereal", 3, 3301000000),
    (3301010100, "common_soft_wheat", 4, 3301010000),
    (3301010101, "winter_common_soft_wheat", 5, 3301010100),
    (3301010400, "barley", 4, 3301010000),
    (3301010401, "winter_barley", 5, 3301010400),
    (3301010600, "grain_maize_corn_popcorn", 4, 3301010000),
    (3301030000, "potatoes", 3, 3301000000),
    (3301060000, "industrial_nonfood_crops", 3, 3301000000),
    (3301060400, "rapeseed_rape", 4, 3301060000),
    (3301060401, "winter_rapeseed_rape", 5, 3301060400),
    (3301110000, "fallow_land_not_crop", 3, 3301000000),
    (3301290000, "root_vegetables", 3, 3301000000),
    (3301290700, "sugar_beet", 4, 3301290000),
    (3302000000, "pasture_meadow_grassland_grass", 2, 3300000000),
    (3303000000, "permanent_crops_perennial", 2, 3300000000),
    (3303010000, "orchards_fruits", 3, 3303000000),
    (3303060000, "vineyards_wine_vine_rebland_grapes", 3, 3303000000),
)
"""Code, name, level and parent."""

HCAT4: tuple[tuple[int, str, int, int | None, int, int], ...] = (
    (3310000000, "arable_crops", 1, None, 0, 3100),
    (3310100000, "cereal", 2, 3310000000, 0, 1150),
    (3310101000, "common_soft_wheat", 3, 3310100000, 0, 1110),
    (3310101001, "winter_common_soft_wheat", 4, 3310101000, 1, 1110),
    (3310104000, "barley", 3, 3310100000, 0, 1120),
    (3310104001, "winter_barley", 4, 3310104000, 1, 1120),
    (3310106000, "maize_corn_popcorn", 3, 3310100000, 0, 1130),
    (3310300000, "potatoes", 2, 3310000000, 0, 1310),
    (3310600000, "industrial_nonfood_crops", 2, 3310000000, 0, 3100),
    (3310604000, "oilseed_crops", 3, 3310600000, 0, 3100),
    (3310604011, "winter_rapeseed_rape", 4, 3310604000, 1, 1430),
    (3310700000, "fresh_vegetables", 2, 3310000000, 0, 1210),
    (3310719000, "beta_vulgaris", 3, 3310700000, 0, 1210),
    (3310719010, "sugar_beet", 4, 3310719000, 0, 1320),
    (3311100000, "fallow_land_not_crop", 2, 3310000000, 0, 3100),
    (3320000000, "grassland_grass", 1, None, 0, 4000),
    (3320100000, "permanent_grassland", 2, 3320000000, 0, 4200),
    (3330000000, "permanent_crops_perennial", 1, None, 0, 3200),
    (3330100000, "orchards_fruits", 2, 3330000000, 0, 2310),
    (3330600000, "vineyards_wine_vine_rebland_grapes", 2, 3330000000, 0, 2100),
)
"""Code, name, level, parent, seasonality (0 none, 1 winter) and Copernicus HRL crop type."""


TERMS = {"licence": "CC0-1.0", "attribution": "earthloom sample world"}
"""What the folder says of its tables: their rows were written for the world."""


def tables() -> dict[str, list[tuple[object, ...]]]:
    """Rows of every code table by file name, the heading first."""
    sources = [("XW", crop.code, crop) for crop in CROPS.values()]
    sources += [("XE", crop.east, crop) for crop in CROPS.values()]
    return {
        "s4a_fao_icc_taxonomy.csv": [
            ("code", "name", "level", "parent_code", "in_s4a_11_class_experiment"),
            *((code, name, *_above(code), int(code in STUDIED)) for code, name in ICC.items()),
        ],
        "s4a_lpis_class_mapping.csv": [
            ("source", "native_crop_code_or_name", "s4a_name", "s4a_code"),
            *((source, native, ICC[crop.icc], crop.icc) for source, native, crop in sources),
        ],
        "hcat3.csv": [("code", "name", "level", "parent_code"), *HCAT3],
        "hcat4.csv": [
            ("code", "name", "level", "parent_code", "seasonality_code", "seasonality_name",
             "copernicus_hrl_crop_type_code"),
            *((*row[:5], ("NA", "winter")[row[4]], row[5]) for row in HCAT4),
        ],
        "eurocrops_country_mappings.csv": [
            ("mapping_file", "original_code", "original_name", "translated_name", "hcat3_name",
             "hcat3_code"),
            *_third("xw_2021", ((crop.code, crop.west, crop) for crop in CROPS.values())),
            *_third("xe_2021", (("", crop.east, crop) for crop in CROPS.values())),
        ],
        "eurocrops_v2_code_mapping.csv": [
            ("nuts", "original_code", "original_name", "hcat4_code", "usage_code"),
            *(("xw", c.code, c.west, c.hcat4, c.usage) for c in CROPS.values()),
            *(("xe", c.east, c.east, c.hcat4, c.usage) for c in CROPS.values()),
        ],
    }  # fmt: skip


def _above(code: int) -> tuple[int, int | None]:
    """Level and parent of a code of FAO ICC."""
    if code % 100 == 0:
        return 1, None
    return (2, code // 100 * 100) if code % 10 == 0 else (3, code // 10 * 10)


def _third(name: str, rows: Iterable[tuple[str, str, Crop]]) -> list[tuple[object, ...]]:
    known = {code: text for code, text, *_ in HCAT3}
    return [(name, code, native, "", known[crop.hcat3], crop.hcat3) for code, native, crop in rows]


def gather(places: Sequence[Place], folder: Path, items: Sequence[Json]) -> tuple[Json, Json]:
    """Writes the code tables and their terms; returns no collection, and their numbers of rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables().items():
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        (folder / name).write_text(text.getvalue(), encoding="utf-8")
    (folder / "codes.json").write_text(json.dumps(TERMS, indent=1) + "\n", encoding="utf-8")
    return {}, {name: len(rows) - 1 for name, rows in tables().items()}
