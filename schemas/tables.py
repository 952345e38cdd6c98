"""Column schemas of every table the engine writes. Geometry is WKB in OGC:CRS84 lon/lat."""

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.recipes import Recipe

TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "binary": pa.binary(),  # never in the JSON member
}
"""Arrow type of a fact column, by the name that steps use in `gives`."""

VECTOR = re.compile(r"vector:([1-9]\d*)")
"""A further type: `vector:512` is a list of so many 32-bit floats. Never in the JSON member."""


def arrow_type(kind: str) -> pa.DataType:
    """The Arrow type of a column that a step gives as `kind`.

    Raises:
        KeyError: no such type.
    """
    found = VECTOR.fullmatch(kind)
    return TYPES[kind] if found is None else pa.list_(pa.float32(), int(found[1]))


def vector(kind: pa.DataType) -> bool:
    """Whether a column holds a model's vectors."""
    return bool(pa.types.is_fixed_size_list(kind) and kind.value_type == pa.float32())


def array(column: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    """A column of vectors as `(n, d)`; a missing one is a row of zeros."""
    size = column.type.list_size
    rows = [part.fill_null([0.0] * size) if part.null_count else part for part in column.chunks]
    parts = [row.flatten().to_numpy(zero_copy_only=False).reshape(-1, size) for row in rows]
    return np.concatenate([np.empty((0, size), np.float32), *parts])


def plain(kind: str) -> bool:
    """Whether a value of this kind can stand in a flat JSON object."""
    return kind != "binary" and not VECTOR.fullmatch(kind)


CORNERS = ("xmin", "ymin", "xmax", "ymax")
"""Fields of a box: degrees."""

BBOX = pa.struct([(corner, pa.float64()) for corner in CORNERS])

PLACE = pa.schema(
    [
        ("key", pa.string()),
        ("lon", pa.float64()),  # anchor, degrees: decides the split cell
        ("lat", pa.float64()),
        ("crs", pa.string()),
        ("transform", pa.list_(pa.float64(), 6)),  # row-major affine, CRS units per pixel
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("tile", pa.int32()),
        ("gsd_m", pa.float64()),
        ("col", pa.int32()),  # offset in the scene's own grid, pixels
        ("row", pa.int32()),
        ("scene_ids", pa.list_(pa.string())),  # `collection/id`
        ("layer_ids", pa.list_(pa.string())),  # `role=collection/id`
        ("centre_lon", pa.float64()),  # middle of the window, degrees
        ("centre_lat", pa.float64()),
        ("radius_m", pa.float64()),  # half the window's diagonal on the ground
        ("rank", pa.int64()),
    ]
)
"""What the engine itself knows of a planned sample; fact columns follow."""

DROPS = pa.schema(
    [
        ("key", pa.string()),
        ("act", pa.string()),
        ("step", pa.string()),
        ("code", pa.string()),
        ("message", pa.string()),
        ("outcome", pa.string()),  # rejected | failed
        ("retryable", pa.bool_()),
        ("attempts", pa.int32()),
        ("lon", pa.float64()),
        ("lat", pa.float64()),
        ("split", pa.string()),  # null where no split had been decided
    ]
)

SPLITS = pa.schema(
    [
        ("key", pa.string()),
        ("split", pa.string()),
        ("cell", pa.string()),
        ("buffer_dropped", pa.bool_()),
        ("reason", pa.string()),
    ]
)

BAND_STATS = pa.list_(
    pa.struct(
        [
            ("band", pa.string()),
            ("valid", pa.int64()),  # pixels counted
            ("nodata", pa.int64()),  # pixels left out
            ("sum", pa.float64()),
            ("squares", pa.float64()),
            ("min", pa.float64()),
            ("max", pa.float64()),
            (
                "histogram",
                pa.list_(pa.uint32(), 256),
            ),  # of sqrt(value / full scale), 256 equal bins
        ]
    )
)


def facts_schema(recipe: Recipe, acts: tuple[str, ...] = ()) -> pa.Schema:
    """Fact columns of a recipe (of some acts), in the order in which its steps give them."""
    return pa.schema([(name, arrow_type(kind)) for name, kind in recipe.columns(acts).items()])


def shipped(fact: str) -> bool:
    """Whether a fact leaves the engine: names that begin with "_" are for steps only."""
    return not fact.startswith("_")


def plan_schema(recipe: Recipe) -> pa.Schema:
    """A made sample: `PLACE` and the fact columns of plan and make (null until a step gives them)."""
    return pa.schema([*PLACE, *facts_schema(recipe, ("plan", "make"))])


def layered(recipe: Recipe) -> bool:
    """Whether raster layers beside the imagery go into a sample."""
    return any(name.startswith("layer_") for _, step in recipe.steps() for name in step.gives)


def hidden(recipe: Recipe) -> pa.Schema:
    """Facts that never ship with the samples, but that a table beside them is made from."""
    wanted = {name for table in recipe.tables for name in table.needs}
    return pa.schema([f for f in facts_schema(recipe) if f.name in wanted and not shipped(f.name)])


def member_columns(extension: str) -> tuple[str, str]:
    """Names of the offset and size columns of a member: `rgb.jpg` -> `rgb_jpg_offset`, `rgb_jpg_size`.

    The offset is that of the member's first data byte from the start of its shard.
    """
    stem = extension.replace(".", "_")
    return f"{stem}_offset", f"{stem}_size"


def samples_schema(recipe: Recipe) -> pa.Schema:
    """`metadata/samples.parquet`: one row for every shipped sample."""
    members = [(name, pa.int64()) for ext in recipe.pack.members for name in member_columns(ext)]
    return pa.schema(
        [
            ("key", pa.string()),
            ("split", pa.string()),
            ("shard", pa.string()),  # file name under data/, e.g. train-000000.tar
            ("index", pa.int32()),  # position within the shard
            *members,
            ("sha256", pa.string()),  # of the sample's member bytes, in order
            ("crs", pa.string()),
            ("transform", pa.list_(pa.float64(), 6)),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("gsd_m", pa.float64()),
            ("lon", pa.float64()),
            ("lat", pa.float64()),
            ("scene_ids", pa.list_(pa.string())),
            *([("layer_ids", pa.list_(pa.string()))] if layered(recipe) else []),
            ("license", pa.string()),  # of the pixels; LICENSE.md holds it for each part
            ("attribution", pa.string()),
            *(f for f in facts_schema(recipe) if f.name != "split" and shipped(f.name)),
            ("bbox", BBOX),
            ("geometry", pa.binary()),
        ]
    )


JSON_PLACE = {
    "key": "string",
    "split": "string",
    "crs": "string",
    "width": "int64",
    "height": "int64",
    "gsd_m": "float64",
    "lon": "float64",
    "lat": "float64",
    "scene_ids": "string",  # comma-separated: a list could be empty
    "license": "string",
    "attribution": "string",
}
"""Engine columns repeated in the JSON member, with their JSON types."""


def json_schema(recipe: Recipe) -> dict[str, str]:
    """The fixed flat schema of the JSON member: name -> `string`, `int64`, `float64` or `bool`.

    Readers infer types from the first five samples, so every key is always there and never null:
    an unknown string or time is "", an unknown number is -1.
    """
    without = _of_json(recipe, "without", ())
    facts = {
        name: "string" if kind == "timestamp" else kind
        for name, kind in recipe.columns().items()
        if shipped(name) and plain(kind) and name not in without
    }
    layers = {"layer_ids": "string"} if layered(recipe) else {}
    return {**JSON_PLACE, **layers, **{k: v for k, v in facts.items() if k not in JSON_PLACE}}


def json_groups(recipe: Recipe) -> dict[str, Any]:
    """What the JSON member repeats in groups, as templates of column names; see `grouped`."""
    found: dict[str, Any] = _of_json(recipe, "groups", {})
    return found


def _of_json(recipe: Recipe, name: str, default: Any) -> Any:
    """An argument of the recipe's JSON encoder, `default` without one."""
    members = recipe.pack.members.values()
    own = (getattr(m, name, default) for m in members if getattr(m, "feature", "") == "json")
    return next(own, default)


def grouped(template: Any, values: dict[str, Any]) -> Any:
    """A template with its column names replaced by values; objects and lists stay, numbers too.

    Raises:
        KeyError: a name is no column of the flat schema.
    """
    if isinstance(template, dict):
        return {name: grouped(part, values) for name, part in template.items()}
    if isinstance(template, list | tuple):
        return [grouped(part, values) for part in template]
    return values[template] if isinstance(template, str) else template


UNKNOWN: dict[str, str | int | float | bool] = {
    "string": "",
    "int64": -1,
    "float64": -1.0,
    "bool": False,
}
"""What stands for a value that is not known, where null is not allowed."""


def flat(value: Any, kind: str) -> str | int | float | bool:
    """`value` in the JSON type `kind`; unknown (None, NaN) becomes "", -1, -1.0 or False."""
    if value is None or value != value:
        return UNKNOWN[kind]
    if kind == "string":
        return value.isoformat() if hasattr(value, "isoformat") else str(value)
    if kind == "float64":
        return float(value)
    if kind == "bool":
        return bool(value)
    return int(value)
