"""A dataset told from its recipe: what a sample is, how it was made, what each column means."""

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.releases.words import cell, table
from schemas.chance import rank
from schemas.meanings import DROPS, ENGINE, FACTS, SPLITS, TEXTS
from schemas.recipes import name_of
from schemas.release import Staging
from schemas.tables import DROPS as DROPS_SCHEMA
from schemas.tables import SPLITS as SPLITS_SCHEMA
from schemas.tables import member_columns, samples_schema

ACTS = {
    "plan": "Choose where and when (no pixels yet)",
    "make": "Read and check pixels",
    "annotate": "Add what models say",
    "pack": "Encode the members of a sample",
}
EXAMPLES_SHOWN = 6
SHOWN = 6  # entries of a long argument
HIDDEN = ("needs", "gives", "media_type", "feature")


def sample(staging: Staging) -> str:
    """The members of a sample."""
    rows = []
    for ext, encoder in staging.recipe.pack.members.items():
        bands = getattr(encoder, "bands", ())
        about = {
            "image": "picture to look at and to feed to an encoder",
            "binary": f"{_shown(encoder)}stored values with CRS, transform and names of the bands",
            "string": "text",
            "json": "every fact of the sample; flat, never null (unknown: empty text or -1)",
        }.get(getattr(encoder, "feature", ""), "")
        if getattr(encoder, "groups", None):
            about = about.replace("; flat,", "; flat, and some again in the groups below;")
        if bands:
            about += f": {', '.join(bands)}"
        rows.append((f"`KEY.{ext}`", getattr(encoder, "media_type", ""), about))
    lead = "Each sample is a run of neighbouring tar members with one `KEY`:"
    return "\n".join(["## A sample", "", lead, "", *table(("member", "type", "content"), rows), ""])


def _shown(encoder: Any) -> str:
    """Which image a raster member holds, where it is not the main one."""
    image = getattr(encoder, "image", "image")
    return "" if image == "image" else f"`{image}`: "


def examples(stage: Path, staging: Staging) -> str:
    """A few texts with their labels, chosen by a hash of the key from the first row group."""
    recipe = staging.recipe
    text = next((name for name in recipe.columns() if name in TEXTS), "")
    if not text:
        return ""
    names = list(dict.fromkeys(["key", *([recipe.label] if recipe.label else []), text]))
    with pq.ParquetFile(stage / "metadata" / "samples.parquet") as file:
        rows = file.read_row_group(0, columns=names).to_pylist()
    rows = sorted((row for row in rows if row[text]), key=lambda row: rank(0, row["key"]))
    shown = [tuple(cell(str(row[name])) for name in names) for row in rows[:EXAMPLES_SHOWN]]
    return "\n".join(["For example:", "", *table([f"`{name}`" for name in names], shown), ""])


def method(staging: Staging) -> str:
    """The recipe's steps in order with their arguments."""
    recipe, lines, act = staging.recipe, ["## How it was made", ""], ""
    for name, step in recipe.steps():
        if name == "pack":
            break
        if name != act:
            lines += [*([""] if act else []), f"**{ACTS.get(name, name)}**", ""]
            act = name
        lines.append(f"1. `{name_of(step)}`{arguments(step)}")
    lines += ["", f"**{ACTS['pack']}**", ""]
    lines += [f"1. `{name_of(rule)}`{arguments(rule)}" for rule in recipe.pack.keep]
    lines += [
        f"1. `{ext}`: `{name_of(step)}`{arguments(step)}"
        for ext, step in recipe.pack.members.items()
    ]
    lines += ["", "Sources:", ""]
    for credit in staging.credits:
        when = f", as of {credit.datetime}" if credit.datetime else ""
        lines.append(f"- {credit.role}: {credit.title}{when}")
    lines += [
        "",
        "Every setting: `provenance/config.yaml`. Every scene: `provenance/sources.parquet`.",
    ]
    return "\n".join([*lines, ""])


def arguments(step: Any) -> str:
    """` (px = 224, gsd = 0.6)`: the arguments of a step, long ones cut."""
    if not is_dataclass(step):
        return ""
    shown = [item.name for item in fields(step) if item.name not in HIDDEN]
    said = ", ".join(f"{name} = {short(getattr(step, name))}" for name in shown)
    return f" ({said})" if said else ""


def short(value: Any) -> str:
    """A value for people; of long collections the first entries."""
    if isinstance(value, dict):
        value = [f"{k}={short(v)}" for k, v in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else list(value)
        said = ", ".join(short(item) for item in items[:SHOWN])
        more = f", ... {len(items)} in all" if len(items) > SHOWN else ""
        return f"({said}{more})"
    text = cell(str(value))
    return text if len(text) <= 80 else text[:77] + "..."


def columns(staging: Staging) -> str:
    """Columns of the tables below `metadata/`: type, meaning and, for facts, the step."""
    recipe = staging.recipe
    givers = {fact: name_of(step) for _, step in recipe.steps() for fact in step.gives}
    ranges = {name: ext for ext in recipe.pack.members for name in member_columns(ext)}
    about = dict(ENGINE)
    for name, ext in ranges.items():
        end = "first byte" if name.endswith("_offset") else "length in bytes"
        about[name] = f"{end} of the sample's `.{ext}` in the tar file"
    for name, step in givers.items():
        if name not in about:
            about[name] = "; ".join([*([FACTS[name]] if name in FACTS else []), f"by `{step}`"])
    tables = (
        ("samples", samples_schema(recipe), about),
        ("splits", SPLITS_SCHEMA, SPLITS),
        ("drops", DROPS_SCHEMA, DROPS),
    )
    lines = []
    for name, schema, said in tables:
        rows = [(f"`{item.name}`", kind(item.type), said[item.name]) for item in schema]
        lines += [f"## Columns of `metadata/{name}.parquet`", ""]
        lines += [*table(("column", "type", "meaning"), rows), ""]
    if recipe.tables:
        further = [(f"`metadata/{beside.name}`", beside.about) for beside in recipe.tables]
        lines += ["## Further tables", "", *table(("file", "content"), further), ""]
    return "\n".join(lines)


def kind(dtype: pa.DataType) -> str:
    """A column type in few words."""
    if pa.types.is_struct(dtype):
        return "struct"
    if pa.types.is_fixed_size_list(dtype):
        return f"{dtype.list_size} x {dtype.value_type}"
    if pa.types.is_list(dtype):
        return f"list of {dtype.value_type}"
    return "timestamp, UTC" if pa.types.is_timestamp(dtype) else str(dtype)
