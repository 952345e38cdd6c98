"""YAML front matter of the dataset card, as the Hugging Face hub and `datasets` read it."""

from typing import Any

import yaml

from catalogs.releases.parts import by_part, terms, whole
from catalogs.releases.survey import Survey
from schemas.release import Staging
from schemas.tables import json_groups, json_schema

SIZES = ((1000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
         (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"))  # fmt: skip
DTYPES = {"image": "image", "binary": "binary", "string": "string"}


def front_matter(staging: Staging, found: Survey) -> str:
    """The YAML block with its fences.

    `configs` names the tar files alone, since one repository has one builder; the features keep
    readers from guessing types out of the first five samples.
    """
    card = staging.recipe.card
    body: dict[str, Any] = {
        "pretty_name": card.title,
        **licence_fields(whole(by_part(staging, found))),
        "language": ["en"],
        "tags": tags(staging),
        "task_categories": list(card.tasks),
        "size_categories": [size_category(sum(found.samples.values()))],
        "source_datasets": ["original"],
        "annotations_creators": ["machine-generated"],
        "configs": [
            {
                "config_name": "default",
                "default": True,
                "data_files": [
                    {"split": split, "path": f"data/{split}-*.tar"} for split in found.samples
                ],
            }
        ],
        "dataset_info": {"config_name": "default", "features": features(staging)},
    }
    text = yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{text}---\n"


def licence_fields(spdx: str) -> dict[str, str]:
    """`license` as a hub id, or `other` with a name and a link."""
    hub = terms(spdx).hub if spdx else "other"
    if hub != "other":
        return {"license": hub}
    name = spdx.lower() if spdx else "several-see-license-md"
    return {"license": "other", "license_name": name, "license_link": "LICENSE.md"}


def tags(staging: Staging) -> list[str]:
    """What people search for."""
    found = ["geospatial", "remote-sensing", "earth-observation", "webdataset"]
    return [*found, *(["synthetic"] if staging.generated else [])]


def size_category(samples: int) -> str:
    """The hub's name for a number of samples."""
    return next((name for bound, name in SIZES if samples < bound), "100M<n<1B")


def features(staging: Staging) -> list[dict[str, Any]]:
    """Feature types of the WebDataset builder, one entry for each field of a sample."""
    found: list[dict[str, Any]] = []
    for ext, encoder in staging.recipe.pack.members.items():
        kind = getattr(encoder, "feature", "binary")
        if kind == "json":
            kinds = json_schema(staging.recipe)
            struct = [{"name": n, "dtype": t} for n, t in kinds.items()]
            groups = json_groups(staging.recipe).items()
            struct += [{"name": n, **group(part, kinds)} for n, part in groups]
            found.append({"name": ext, "struct": struct})
        else:
            found.append({"name": ext, "dtype": DTYPES.get(kind, kind)})
    return [*found, {"name": "__key__", "dtype": "string"}, {"name": "__url__", "dtype": "string"}]


def group(template: Any, kinds: dict[str, str]) -> dict[str, Any]:
    """The feature of a group of the JSON member; the parts of a list are alike."""
    if isinstance(template, dict):
        return {"struct": [{"name": n, **group(part, kinds)} for n, part in template.items()]}
    if isinstance(template, list | tuple):
        part = group(template[0], kinds)
        return {"list": part.get("struct") or part["dtype"]}
    return {"dtype": kinds[template] if isinstance(template, str) else "int64"}
