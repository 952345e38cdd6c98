"""How evenly samplers put places on the ground, and how many a second.

    python -m benchmarks.samplers [--land FILE --cities FILE] [--many N ...]

Without files the ground is a made continent from 30 S to 75 N with cities, most of them between 40 and
55 N, and a catalogue of scenes whose revisits rise towards the pole and that clouds thin out in the
tropics: the two biases that users of S2-100K report.
"""

import argparse
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import shapely

from catalogs.sources.land import Land, cut, open_land
from catalogs.sources.points import open_cities, open_points
from catalogs.sources.terms import Override
from schemas.scenes import Scene
from schemas.sources import About
from schemas.windows import Grid as Pixels
from schemas.windows import from_lonlat, to_lonlat
from schemas.zones import crs_for
from transforms import samplers
from transforms.context import Context
from transforms.samplers.compare import as_table, compare

FREE = Override("CC0-1.0")
START = datetime(2021, 1, 1, 10, 0, tzinfo=UTC)


def continent() -> Land:
    """A box from 30 S to 75 N with a coast of 400,000 vertices."""
    t = np.linspace(0, 1, 100_001)[:-1]
    side = 10 + 0.5 * np.sin(900 * t) + 0.02 * np.sin(60_000 * t)
    west, east = np.stack([-side, -30 + 105 * t], 1), np.stack([30 + side - 10, 75 - 105 * t], 1)
    north = np.stack([-10 + 40 * t, 75 + 0.02 * np.sin(9000 * t)], 1)
    south = np.stack([30 - 40 * t, -30 + 0.02 * np.sin(9000 * t)], 1)
    shape = shapely.make_valid(shapely.Polygon(np.concatenate([west, north, east, south])))
    pieces = [
        p for g in shapely.get_parts(shape).tolist() if g.geom_type == "Polygon" for p in cut(g)
    ]
    return Land(np.array(pieces, object), About("continent", "CC0-1.0", "made"))


def catalogue() -> list[Scene]:
    """Tiles of 100 km: two dates at the equator and more towards the pole, one within 15 degrees."""
    found = []
    for lat in np.arange(-29.5, 74.5, 0.9).tolist():
        for lon in np.arange(-9.5, 29.5, 0.9 / np.cos(np.radians(lat))).tolist():
            crs = crs_for(lon, lat)
            x, y = from_lonlat(crs, np.array([lon]), np.array([lat]))
            left, top = round(float(x[0]) - 50_000), round(float(y[0]) + 50_000)
            grid = Pixels(crs, (10.0, 0.0, left, 0.0, -10.0, top), 10_000, 10_000)
            w, s, e, n = grid.bounds()
            ring = np.stack(to_lonlat(crs, np.array([w, e, e, w]), np.array([s, s, n, n])), 1)
            outline = shapely.to_wkt(shapely.Polygon(ring), rounding_precision=6)
            dates = 1 if abs(lat) < 15 else round(2 / np.cos(np.radians(lat)))
            found += [
                Scene(f"{lon:.1f}_{lat:.1f}_{k}", "made", START + timedelta(days=k), grid, outline,
                      (), "CC0-1.0", "made")
                for k in range(dates)
            ]  # fmt: skip
    return found


def cities(folder: Path) -> Path:
    """Three hundred cities as CSV."""
    rng = np.random.default_rng(8)
    lat = np.append(rng.uniform(40, 55, 250), rng.uniform(-30, 75, 50))
    rows = [
        f"c{n},{lon:.4f},{y:.4f},{1000 + n}"
        for n, (lon, y) in enumerate(zip(rng.uniform(-9, 29, 300), lat, strict=True))
    ]
    path = folder / "cities.csv"
    path.write_text("\n".join(["id,lon,lat,population", *rows]) + "\n")
    return path


def points(folder: Path, n: int) -> Path:
    """So many points as CSV."""
    lon, lat = np.random.default_rng(9).uniform((-180, -85), (180, 85), (n, 2)).T
    path = folder / f"points{n}.csv"
    rows = (f"p{k},{x:.6f},{y:.6f}" for k, (x, y) in enumerate(zip(lon, lat, strict=True)))
    path.write_text("id,lon,lat\n" + "\n".join(rows) + "\n")
    return path


def timed(sampler: Any, ctx: Context) -> tuple[int, float]:
    """(places, seconds) of a sampler whose places are let go as they come."""
    start, count = time.perf_counter(), 0
    for part in sampler.scan(ctx, lambda drop: None):
        count += len(part)
    return count, time.perf_counter() - start


def speed(many: list[int], ctx: Context, folder: Path) -> None:
    """Print places a second of each sampler by number of places."""
    print("\n| sampler | places | seconds | places a second | largest resident size |")
    print("|---|---|---|---|---|")
    area = 41.5e6  # square kilometres of the continent
    tiles = len({(s.grid.crs, s.grid.transform) for s in ctx.sources["imagery"].scenes})
    for n in many:
        ctx.sources["points"] = open_points(points(folder, n), FREE)
        rows = {
            "Grid over land": samplers.Grid(km=(area / n) ** 0.5, over="land"),
            "Grid over imagery": samplers.Grid(km=(area / n) ** 0.5),
            "Tiles": samplers.Tiles(
                px=max(8, round(10_000 * (tiles / n) ** 0.5) if n > tiles else 10_000)
            ),
            "Points": samplers.Points(),
            "Cities": samplers.Cities(count=n),
            "Scenes": samplers.Scenes(count=n),
        }
        for label, sampler in rows.items():
            count, seconds = timed(sampler, ctx)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"| {label} | {count:,} | {seconds:.1f} | {count / seconds:,.0f} | {peak:,.0f} MB |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--land", type=Path)
    parser.add_argument("--cities", type=Path)
    parser.add_argument("--many", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ctx = Context(
            sources={
                "land": open_land(args.land, FREE) if args.land else continent(),
                "cities": open_cities(args.cities or cities(folder), FREE),
                "imagery": SimpleNamespace(scenes=catalogue()),
            }
        )
        audit = samplers.Audit(over="land", step_km=20, cell_km=400)
        found = compare(
            {
                "`Grid`": samplers.Grid(km=23, over="land"),
                "`Cities`": samplers.Cities(count=25_000),
                "`Cities`, faithful": samplers.Cities(count=25_000, faithful=True),
                "`Scenes`": samplers.Scenes(count=25_000),
                "`Scenes`, weighted": samplers.Scenes(count=25_000, weighted=True),
            },
            ctx,
            audit,
        )
        print(as_table(found))
        speed(args.many, ctx, folder)


if __name__ == "__main__":
    main()
