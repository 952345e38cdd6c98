"""odc-stac: the year of each chip in one load, its files read by eight threads."""

from __future__ import annotations

import odc.stac
import pystac
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS

from benchmarks import contender, dates
from benchmarks.encoding import Tars
from benchmarks.stack import CHIP, EPSG

THREADS = 8


def main() -> None:
    """Loads and encodes every chip, checks pixels, and prints the contender's line."""
    options = dates.arguments().parse_args()
    path = contender.start(options, dates.make(options.cache, options.tile))
    year = list(pystac.ItemCollection.from_file(str(path)))
    bands = list(dates.ALL)[: options.bands]
    spots = dates.places(options.n, options.where == "anywhere")
    tars = Tars(options.out, "part", options.zlevel)
    begun = contender.clock()
    for spot in spots:
        box = GeoBox((CHIP, CHIP), spot.transform, CRS.from_epsg(EPSG))
        loaded = odc.stac.load(
            year, bands=bands, geobox=box, groupby="id", fail_on_error=True, pool=THREADS
        )
        pixels = loaded[bands].to_array("band").transpose("time", "band", "y", "x").values
        tars.add(pixels.reshape(-1, CHIP, CHIP), spot)
    tars.close()
    used = contender.clock() - begun
    done = contender.Done(tars.chips, tars.bytes, contender.peak_mb())
    dates.check(spots, options, contender.tar_members(options.out))
    contender.report(
        "odc-stac", odc.stac.__version__, done, used, options.workers,
        f"a load a chip, {THREADS} threads", planes=len(dates.DATES) * len(bands),
    )  # fmt: skip


if __name__ == "__main__":
    main()
