"""`stats/stats.json` and `stats/quality.json`: what is in the release, and how it was checked."""

import math
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from catalogs.releases.bands import band_of, describe, full_scale, members
from catalogs.releases.conversations import totals
from catalogs.releases.survey import Survey
from schemas.near import alike_pairs, cross_split_pairs
from schemas.recipes import Recipe
from schemas.release import Staging
from schemas.spacing import nearest

NEAR_BITS, NEAR_M = 4, 25_000.0
"""Near-duplicates: at most so many of 64 bits differ, centres at most so many metres apart."""


def statistics(found: Survey, staging: Staging) -> dict[str, Any]:
    """Counts, class balance, band statistics (training samples only), texts, GSD and years."""
    samples = found.samples
    return {
        "samples": {"total": sum(samples.values()), "splits": samples},
        "classes": {
            split: balance(Counter({k: v[split] for k, v in found.labels.items() if v.get(split)}))
            for split in samples
        },
        "bands": {
            "computed_on": "train",
            "values": "as stored",
            "collections": band_statistics(found, staging),
        },
        "texts": {name: lengths(counts) for name, counts in sorted(found.lengths.items())},
        **({"questions": totals(found.questions)} if found.questions else {}),
        "gsd_m": dict(sorted(found.gsd.items(), key=lambda item: float(item[0]))),
        "years": {split: dict(sorted(found.years[split].items())) for split in samples},
        "licences": dict(sorted(found.licences.items())),
        "bbox": list(found.extent.bbox()),
    }


def band_statistics(found: Survey, staging: Staging) -> dict[str, dict[str, Any]]:
    """Statistics by collection and band: numbers of other sensors must not be pooled with them."""
    described = {}
    for group, sums in sorted(found.bands.items()):
        scenes = members(group, staging.scenes, staging.recipe)
        described[group] = {
            band: describe(total, full_scale(band_of(band, scenes)))
            for band, total in sorted(sums.items())
        }
    return described


def balance(counts: Counter[str]) -> dict[str, Any]:
    """Counts by class and their effective number exp(H), H the Shannon entropy in nats."""
    total = sum(counts.values())
    entropy = -sum(n / total * math.log(n / total) for n in counts.values()) if total else 0.0
    return {
        "counts": dict(sorted(counts.items())),
        "classes": len(counts),
        "effective_number": round(math.exp(entropy), 3) if total else 0.0,
    }


def lengths(counts: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Mean and quantiles of text length in characters; `counts[n]` texts have n characters."""
    total = int(counts.sum())
    if not total:
        return {"texts": 0}
    ends = np.cumsum(counts)
    quantiles = {
        f"p{int(q * 100)}": int(np.searchsorted(ends, max(q * total, 1))) for q in (0.01, 0.5, 0.99)
    }
    used = np.flatnonzero(counts)
    return {
        "texts": total,
        "empty": int(counts[0]),
        "mean": round(float((counts * np.arange(len(counts))).sum()) / total, 2),
        "min": int(used[0]),
        "max": int(used[-1]),
        **quantiles,
    }


def quality(found: Survey, staging: Staging) -> dict[str, Any]:
    """The split promise as measured on the shipped samples, losses by reason, licence mix."""
    rule = staging.split_rule
    gaps = {
        f"{found.splits[a]}-{found.splits[b]}": round(metres, 1)
        for (a, b), metres in sorted(nearest(found.xyz, found.radius_m, found.codes).items())
    }
    twins = 0
    if len(found.phash):
        pairs = cross_split_pairs(
            found.phash, found.comparable, found.codes, found.xyz, NEAR_BITS, NEAR_M
        )
        twins = len(pairs)
    return {
        "accounting": {**staging.counts, "balanced": balanced(staging.counts)},
        "splits": {
            "cell_km": rule.cell_km,
            "buffer_m": rule.buffer_m,
            "shares": rule.shares,
            "seed": rule.seed,
            "least_gap_m": gaps,
            "promise_kept": all(metres >= rule.buffer_m for metres in gaps.values()),
        },
        "near_duplicates": {
            "method": f"64-bit perceptual hash, at most {NEAR_BITS} bits differ, centres within "
            f"{NEAR_M / 1000:g} km, across splits",
            "compared": int(found.comparable.sum()),
            "too_flat": int((~found.comparable).sum()),
            "pairs": twins,
            "vectors": alike(found, staging.recipe),
        },
        "drops": [
            {"act": act, "step": step, "code": code, "outcome": outcome, "count": count}
            for act, step, code, outcome, count in staging.funnel
        ],
        "licences": dict(sorted(found.licences.items())),
    }


def alike(found: Survey, recipe: Recipe) -> list[dict[str, Any]]:
    """What each rule on the likeness of vectors promises, and the pairs that break it."""
    rules = [rule for rule in recipe.pack.keep if rule.column in found.vectors]
    return [
        {
            "column": rule.column,
            "cosine": rule.cosine,
            "radius_m": rule.radius_m,
            "compared": len(found.codes),
            "pairs": len(
                alike_pairs(
                    found.vectors[rule.column], found.codes, found.xyz, rule.cosine, rule.radius_m
                )
            ),
        }
        for rule in rules
    ]


def balanced(counts: dict[str, int]) -> bool:
    """Whether planned = shipped + rejected + failed."""
    losses = counts.get("rejected", 0) + counts.get("failed", 0)
    return counts.get("planned", 0) == counts.get("shipped", 0) + losses
