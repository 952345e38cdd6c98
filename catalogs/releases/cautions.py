"""What to mind before using a release: too small, band names assumed, dates missing, deviations."""

from collections import Counter

from catalogs.releases.survey import Survey
from catalogs.releases.words import cell
from schemas.release import Staging
from schemas.text import counted

TASTE = 100
"""Fewer samples than this show what a dataset is like; nothing can be learnt from them."""


def taste(staging: Staging, found: Survey) -> str:
    """The warning of a release that is too small to train on, or that lacks a split; else ""."""
    total = sum(found.samples.values())
    wanted = [name for name, share in staging.split_rule.shares.items() if share > 0]
    empty = sorted(set(wanted) - set(found.samples))
    said = []
    if total < TASTE:
        said.append(
            f"This release holds {counted(total, 'sample')}: it is a taste of the dataset and not "
            "a training set. Class balance, band statistics and distances between splits say "
            "little at this size."
        )
    if empty:
        names = " and ".join(f"`{name}`" for name in empty)
        said.append(f"No sample fell to {names}: nothing can be measured on what is not there.")
    return "\n".join(["## Mind the size", "", *said, ""]) if said else ""


def known(staging: Staging, found: Survey) -> str:
    """Where the dataset departs from its published model, and what to mind; else ""."""
    caveats = dict.fromkeys(f"{text}." for credit in staging.credits for text in credit.caveats)
    notes = [*staging.recipe.card.deviations, *caveats, *assumed(staging)]
    undated = sum(shard.undated for shard in found.shards.values())
    if undated:
        come = "comes from a scene" if undated == 1 else "come from scenes"
        notes.append(
            f"{counted(undated, 'sample')} {come} without a recorded time; the STAC items say "
            "`datetime_unknown` and carry a stand-in."
        )
    if not notes:
        return ""
    return "\n".join(["## Known deviations", "", *(f"- {note}" for note in notes), ""])


def assumed(staging: Staging) -> list[str]:
    """A note for each list of band names that a source does not state: taken by position."""
    cases = Counter(
        (scene.collection, tuple(band.common or band.name for band in scene.bands))
        for scene in staging.scenes.values()
        if any(getattr(band, "assumed", False) for band in scene.bands)
    )
    return [
        f"The band names of {counted(scenes, 'scene')} of `{cell(collection)}` are assumed: the "
        f"files do not name their bands, so they are taken by position as {cell(', '.join(names))}."
        for (collection, names), scenes in sorted(cases.items())
    ]
