"""Acceptance checks 7 and 9 of the release: splits without leaks, and all that the original lacks."""

import json
from collections import defaultdict
from datetime import UTC, datetime

import numpy as np
import pyarrow.parquet as pq
import shapely

from pipelines.datasets.skyscript import RECIPE
from schemas.licences import licence
from tests.skyscript.conftest import Built


def test_acceptance_7_no_object_and_no_box_on_two_sides(built: Built) -> None:
    """Neither the focus nor the ground of a chip meets that of another split."""
    sides = defaultdict(set)
    for row in built.rows:
        sides[row["osm_type"], row["osm_id"]].add(row["split"])
    assert all(len(splits) == 1 for splits in sides.values())
    shapes = shapely.from_wkb([row["geometry"] for row in built.rows])
    split = np.array([row["split"] for row in built.rows])
    one, two = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    assert len(one) > len(shapes), "some chips of one split do overlap"
    assert (split[one] == split[two]).all()


def test_acceptance_7_shares_are_those_asked_for(built: Built) -> None:
    """By cells, which are drawn whole: within the spread of a draw of so many cells."""
    rule = next(step for step in RECIPE.plan if hasattr(step, "buffer_km"))
    cells = pq.read_table(built.release / "metadata" / "splits.parquet").to_pylist()
    drawn = {row["cell"]: row["split"] for row in cells}
    for split, share in (("val", rule.val), ("test", rule.test)):
        found = sum(side == split for side in drawn.values()) / len(drawn)
        assert abs(found - share) < 3 * (share * (1 - share) / len(drawn)) ** 0.5


def test_acceptance_9_the_superset_is_there(built: Built) -> None:
    """Every column, filled, and of its kind."""
    for row in built.rows:
        assert row["osm_type"] in ("node", "way", "relation") and row["osm_id"] > 0
        assert row["osm_version"] >= 1
        for name in ("osm_timestamp", "datetime"):
            assert row[name].tzinfo is not None and datetime(2000, 1, 1, tzinfo=UTC) < row[name]
        assert row["scene_ids"] and row["collection"] and row["crs"].startswith("EPSG:")
        assert 0 < row["gsd_m"] < 100 and min(row["width"], row["height"]) > 0
        assert len(row["transform"]) == 6
        assert row["year"] == row["datetime"].year
        used = json.loads(row["center_tags"])
        assert used and set(used) <= {tag for tag in used if tag.islower()}
        assert row["main_tag"] == "=".join(next(iter(used.items())))
        for around in json.loads(row["surrounding_tags"]):
            assert around
        assert len(json.loads(row["surrounding_tags"])) == len(row["surrounding_ids"].split())
        assert licence(row["license"], "imagery").id == row["license"]
        assert row["attribution"]


def test_acceptance_9_scores_and_their_model_have_columns() -> None:
    """Once a model is named; without one nothing pretends to be a score."""
    from schemas.settings import override

    columns = override(RECIPE, {"scores.model": "a-model"}).columns()
    assert columns["clip_score"] == "float64" and columns["clip_model"] == "string"
