"""Sentinel-2 of the sample world, served as Planetary Computer has it: API, bands of three resolutions,
masks and by-products. Its builds run in processes of their own, as this file."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "engine"))
sys.path.append(str(Path(__file__).resolve().parents[1] / "stac"))

import building
from catalogs.world import World
from fault_server import FaultServer, file
from schemas.recipes import Pack, Recipe
from transforms import clouds, encode, gates, imagery

ROOT = Path(__file__).resolve().parents[2]

MOST = 0.5
"""Share of cloud from which a chip is refused."""

BANDS = ("red", "green", "blue", "nir", "swir16")
REDEDGE = ("B05", "B06", "B07", "B8A")
"""Bands that Planetary Computer calls by one name."""

BESIDE = ("AOT", "WVP", "visual")
"""Rasters that its items have beside bands and mask; nobody should ask for them."""


def gated(recipe: Recipe) -> Recipe:
    """A recipe whose chips have a band of 20 m, and must not be cloudy by the mask of their scene."""
    members = {"ms.geotiff": encode.GeoTiff(), "mask.geotiff": encode.GeoTiff("mask")}
    plan = (imagery.Find(max_cloud=60), *recipe.plan[1:])
    make = (
        imagery.Read(bands=BANDS, mask=True), gates.Valid(0.5), clouds.Fractions(),
        clouds.Clear(max_cloud=MOST),
        *(step for step in recipe.make if type(step).__name__ == "Captions"),
    )  # fmt: skip
    return replace(recipe, plan=plan, make=make, pack=Pack(members))


def items(world: World, server: FaultServer, ids: list[str]) -> list[dict[str, Any]]:
    """Items in the words of Planetary Computer (no types, no nodata, a picture that is called data)
    whose bands and masks are on a server."""
    found = []
    for name in ids:
        folder = world.root / "sentinel-2-l2a" / name
        item = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        assets: dict[str, Any] = {}
        for key, old in item["assets"].items():
            path = folder / old["href"]
            common = old["bands"][0].get("eo:common_name", "")
            named = {"name": key, "common_name": "rededge" if key in REDEDGE else common}
            assets[key] = {
                "href": server.on(f"/{name}/{key}.tif", file(path.read_bytes())),
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "roles": ["data"], "gsd": old["gsd"], "proj:shape": old["proj:shape"],
                "proj:transform": old["proj:transform"],
                **({"eo:bands": [named]} if key != "SCL" else {}),
            }  # fmt: skip
        for key in BESIDE:
            href = server.url(f"/{name}/{key}.tif")
            assets[key] = {**assets["B04"], "href": href, "eo:bands": [{"name": "B04"}] * 3}
        properties = {k: v for k, v in item["properties"].items() if k not in ("license", "gsd")}
        epsg = int(properties.pop("proj:code").removeprefix("EPSG:"))
        found.append({
            **item, "stac_version": "1.0.0", "stac_extensions": [], "links": [], "assets": assets,
            "properties": {**properties, "proj:epsg": epsg},
        })  # fmt: skip
    return found


def built(recipe: str, argv: list[str], env: dict[str, str]) -> Any:
    """A finished build of `gated` or of the plain recipe."""
    return subprocess.run(
        [sys.executable, __file__, recipe, *argv], cwd=ROOT, text=True, capture_output=True,
        env={**env, "PYTHONPATH": str(ROOT)}, timeout=180, check=False,
    )  # fmt: skip


def main(recipe: str, argv: list[str]) -> int:
    """Run a build in this process."""
    import pipelines.commands.build as command

    if recipe == "gated":
        known = command.recipe
        command.recipe = lambda name: gated(known(name))
    return building.main(argv, {})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
