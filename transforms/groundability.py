"""A trained table of visible tags: logistic regression on embeddings of the tags' words.

SkyScript had a classifier of this kind (arXiv 2312.12856: is a tag groundable at all, then the
coarsest ground sampling distance at which it still is) and published neither it nor its labels. Here
the labels are the rows of the expert table and of a user's file; what is learnt is written as further
rows of such a file, with its origin in the first line, and `--set osm.visible=FILE` takes it.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.chance import digest, unit
from schemas.errors import UsageError
from schemas.visible import UNSEEN, VALUE, Row

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Encode = Callable[[Sequence[str]], npt.NDArray[np.float32]]
"""Texts to embeddings, float32 (n, d): row i is that of text i, whatever else is in the call."""

FOLDS = 5
LEAST = 30
"""Labelled tags without which nothing can be learnt."""


@dataclass(frozen=True)
class Logistic:
    """A softmax classifier.

    Attributes:
        classes: metres (or 0 and 1), shape (k,).
        weights: shape (d + 1, k), the last row is the intercept.
    """

    classes: Floats
    weights: Floats

    def chances(self, x: Floats) -> Floats:
        """Probabilities, shape (n, k), of unit-length embeddings (n, d)."""
        return _softmax(_product(_with_one(x), self.weights))

    def predict(self, x: Floats) -> Floats:
        """The likeliest class of each, shape (n,); of equals the first."""
        return np.asarray(self.classes[self.chances(x).argmax(axis=1)])


@dataclass(frozen=True)
class Trained:
    """Both stages, and how well they did on tags that they had not seen.

    Attributes:
        seen: 1 for a groundable tag, else 0.
        coarsest: metres.
        origin: what the file's first line says.
    """

    seen: Logistic
    coarsest: Logistic
    origin: Mapping[str, Any]


def words(key: str, value: str) -> str:
    """The text of a tag: `leisure=golf_course` is "leisure: golf course"."""
    key, value = (part.replace("_", " ").replace(":", " ") for part in (key, value))
    return f"{key}: {value}"


def fit(x: Floats, y: Floats, penalty: float = 1.0) -> Logistic:
    """Softmax regression by maximum likelihood with `penalty` / 2 times the squared weights.

    The intercept is not penalised. The objective is convex and begins at zero, so the result does
    not depend on chance (Hastie et al., The Elements of Statistical Learning, 4.4).

    Args:
        x: embeddings, shape (n, d).
        y: class of each, shape (n,).
    """
    from scipy.optimize import minimize

    classes, place = np.unique(y, return_inverse=True)
    wanted = np.eye(len(classes))[place]
    one = _with_one(x)
    turned = np.ascontiguousarray(one.T)
    shape = (one.shape[1], len(classes))

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(shape)
        chances = _softmax(_product(one, weights))
        free = weights.copy()
        free[-1] = 0
        likely = np.log(np.maximum((chances * wanted).sum(axis=1), 1e-300)).sum()
        gradient = _product(turned, chances - wanted) + penalty * free
        return float(penalty / 2 * (free**2).sum() - likely), gradient.ravel()

    found = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B",
                     options={"maxiter": 300, "ftol": 1e-9})  # fmt: skip
    return Logistic(classes, np.asarray(found.x).reshape(shape))


def train(
    rows: Iterable[Row], encode: Encode, encoder: str, seed: int = 0, penalty: float = 1.0
) -> Trained:
    """Learn from labelled tags, and measure by cross-validation in five folds.

    Args:
        rows: labelled tags; those of value `*` are no tags and are left out.
        encoder: identity of `encode` for the origin, e.g. its name and digest.
        seed: decides which fold a tag is in.

    Raises:
        UsageError: too few tags, one class alone, or embeddings of a wrong shape.
    """
    rows = sorted((r for r in rows if r.value != "*"), key=lambda r: (r.key, r.value))
    gsd = np.array([row.gsd_m for row in rows])
    if len(rows) < LEAST or not (gsd > 0).sum() > FOLDS or not (gsd == 0).sum() > FOLDS:
        raise UsageError(
            f"{len(rows)} labelled tags, {int((gsd > 0).sum())} of them visible: too few to learn "
            "from; add rows of both kinds"
        )
    x = embedded([words(row.key, row.value) for row in rows], encode)
    fold = np.array([int(unit(seed, "fold", r.key, r.value) * FOLDS) for r in rows])
    guess, metres = np.zeros(len(rows)), np.zeros(len(rows))
    for held in range(FOLDS):
        rest, out = fold != held, fold == held
        if out.any():
            guess[out] = fit(x[rest], (gsd[rest] > 0).astype(float), penalty).predict(x[out])
            some = rest & (gsd > 0)
            metres[out] = fit(x[some], gsd[some], penalty).predict(x[out])
    seen = gsd > 0
    hits = float((guess[seen] == 1).sum())
    origin = {
        "method": "logistic regression on text embeddings, two stages",
        "encoder": encoder,
        "labels": {"tags": len(rows), "digest": digest([(r.key, r.value, r.gsd_m) for r in rows])[:16]},
        "seed": seed,
        "penalty": penalty,
        "cross_validation": {
            "folds": FOLDS,
            "visible_f1": round(2 * hits / (float(guess.sum()) + float(seen.sum())), 3),
            "visible_f1_of_always": round(2 * float(seen.mean()) / (1 + float(seen.mean())), 3),
            "gsd_accuracy": round(float((metres[seen] == gsd[seen]).mean()), 3),
            "gsd_accuracy_of_commonest": round(_commonest(gsd[seen]), 3),
        },
    }  # fmt: skip
    return Trained(fit(x, seen.astype(float), penalty), fit(x[seen], gsd[seen], penalty), origin)


def label(
    trained: Trained, tags: Iterable[tuple[str, str]], known: Iterable[Row], encode: Encode
) -> list[Row]:
    """Rows for tags that `known` does not have, sorted; a tag that cannot be shown is left out.

    A key that names objects in `known` goes on doing so; any other key only describes.
    """
    known = list(known)
    have = {(row.key, row.value) for row in known}
    main = {row.key for row in known if row.role == "main"}
    fresh = sorted({(k, v) for k, v in tags if VALUE.fullmatch(k) and VALUE.fullmatch(v)} - have)
    fresh = [tag for tag in fresh if not UNSEEN.fullmatch(tag[0])]
    if not fresh:
        return []
    x = embedded([words(*tag) for tag in fresh], encode)
    metres = np.where(trained.seen.predict(x) == 1, trained.coarsest.predict(x), 0.0)
    return [
        Row(key, value, float(gsd), "main" if key in main else "attribute")
        for (key, value), gsd in zip(fresh, metres, strict=True)
    ]


def written(rows: Iterable[Row], origin: Mapping[str, Any]) -> str:
    """The file: a remark with the origin, then the rows."""
    out = io.StringIO()
    out.write("# " + json.dumps(origin, sort_keys=True) + "\n")
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["key", "value", "gsd_m", "role"])
    table.writerows([row.key, row.value, f"{row.gsd_m:g}", row.role] for row in rows)
    return out.getvalue()


def embedded(texts: Sequence[str], encode: Encode) -> Floats:
    """Embeddings at unit length, float64 (n, d).

    Raises:
        UsageError: not one finite row for each text.
    """
    found = np.asarray(encode(texts), np.float64)
    if found.ndim != 2 or len(found) != len(texts) or not np.isfinite(found).all():
        raise UsageError(
            f"the text encoder gave {found.shape} for {len(texts)} texts, or values that are no "
            "numbers; it must give one finite row for each text"
        )
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.where(lengths > 0, lengths, 1.0))


def _product(a: Floats, b: Floats) -> Floats:
    """Matrix product in one fixed order of sums: a threaded library's depends on the machine's cores."""
    rows = np.ascontiguousarray(a), np.ascontiguousarray(b.T)
    return np.asarray(np.einsum("ij,kj->ik", *rows, optimize=False))


def _softmax(scores: Floats) -> Floats:
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))


def _with_one(x: Floats) -> Floats:
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)


def _commonest(values: Floats) -> float:
    return float(np.unique(values, return_counts=True)[1].max() / len(values))
