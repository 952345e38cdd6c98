"""How much of the parcels a mapping covers: by count and by area, and what it does not know."""

from collections import defaultdict
from typing import Any

import pyarrow as pa

from catalogs.sources.crop_codes import Codes

SCHEMES = ("s4a", "hcat3", "hcat4")


class Tally:
    """Counts mapped parcels; memory grows with native crops, not with parcels."""

    def __init__(self, codes: Codes) -> None:
        self.codes = codes
        self._seen: dict[tuple[str, ...], list[float]] = defaultdict(lambda: [0, 0.0])

    def add(self, mapped: pa.Table) -> None:
        """Count some parcels, as `Codes.map` gives them."""
        by = ["code_list", "crop_code", "crop_name", *(f"{scheme}_status" for scheme in SCHEMES)]
        groups = mapped.group_by(by).aggregate([("area_m2", "sum"), ("area_m2", "count")])
        for row in groups.to_pylist():
            entry = self._seen[tuple(row[name] for name in by)]
            entry[0] += row["area_m2_count"]
            entry[1] += row["area_m2_sum"]

    def report(self) -> dict[str, Any]:
        """Plain JSON-able facts: coverage of each scheme, unmapped crops, conflicts, version.

        Shares are of all parcels counted; an ambiguous crop is not covered.
        """
        total = sum(int(count) for count, _ in self._seen.values())
        area = sum(size for _, size in self._seen.values())
        schemes = {}
        for place, scheme in enumerate(SCHEMES, start=3):
            covered = [entry for crop, entry in self._seen.items() if crop[place] == "mapped"]
            counted = sum(int(count) for count, _ in covered)
            sized = sum(size for _, size in covered)
            schemes[scheme] = {
                "mapped": counted,
                "share": counted / total if total else 0.0,
                "area_share": sized / area if area else 0.0,
                "unmapped": self._lacking(place, "unmapped"),
                "ambiguous": self._lacking(place, "ambiguous"),
            }
        return {
            "parcels": total,
            "area_m2": round(area, 1),
            "schemes": schemes,
            "lists": list(self.codes.lists),
            "conflicts": list(self.codes.conflicts),
            "strays": list(self.codes.strays),
            "version": self.codes.version,
        }

    def _lacking(self, place: int, status: str) -> list[dict[str, Any]]:
        """Native crops of one status, the most frequent first."""
        groups: dict[tuple[str, ...], list[float]] = defaultdict(lambda: [0, 0.0])
        for crop, (count, size) in self._seen.items():
            if crop[place] == status:
                groups[crop[:3]][0] += count
                groups[crop[:3]][1] += size
        found = [
            {"code_list": crop[0], "code": crop[1], "name": crop[2],
             "parcels": int(count), "area_m2": round(size, 1)}
            for crop, (count, size) in groups.items()
        ]  # fmt: skip
        return sorted(found, key=lambda r: (-r["parcels"], r["code_list"], r["code"], r["name"]))
