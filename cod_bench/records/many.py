"""Stored predictions of tasks with more than two classes -> the metrics of `evaluate`, of many runs at once. Pure.

Probabilities are of every class: integers in 1/10,000, row by row, each clipped to 1..9,999 (schema 2). Where two
classes are all there are, `evaluate` has exact formulas of its own, and its records hold p(class 1) alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Digits = NDArray[np.int64]
Floats = NDArray[np.float64]

SCALE = 10_000
"""Probabilities are stored as integers in 1/SCALE, clipped to 1..SCALE-1."""


def shaped(values: Sequence[int] | Digits, classes: int) -> Digits:
    """Stored probabilities as [rows, classes].

    Raises:
        ValueError: they are not of that many classes.
    """
    found = np.asarray(values, dtype=np.int64)
    if found.size % classes:
        raise ValueError(f"{found.size} probabilities are not of {classes} classes")
    return found.reshape(-1, classes)


def confusion(gold: Digits, predicted: Digits, classes: int) -> Digits:
    """Counts of (gold, predicted) [runs, classes, classes]; gold [rows], predicted [runs, rows]."""
    places = (gold * classes + predicted) + classes**2 * np.arange(len(predicted))[:, None]
    counts = np.bincount(places.ravel(), minlength=classes**2 * len(predicted))
    return np.asarray(counts.reshape(len(predicted), classes, classes))


def matthews(counts: Digits) -> Floats:
    """Gorodkin's correlation [runs] from `confusion`; 0 where one side names a single class, as scikit-learn has it."""
    c = counts.astype(np.float64)
    true, said, n = c.sum(2), c.sum(1), c.sum((1, 2))
    right = np.trace(c, axis1=1, axis2=2)
    scale = (n**2 - (said**2).sum(1)) * (n**2 - (true**2).sum(1))
    above = right * n - (true * said).sum(1)
    return np.where(scale <= 0, 0.0, above / np.sqrt(np.where(scale <= 0, 1.0, scale)))


def macro_f1(counts: Digits) -> Floats:
    """Unweighted mean of every class's F1 [runs] from `confusion`; a class never predicted has 0."""
    right = np.diagonal(counts, axis1=1, axis2=2)
    return np.asarray((2 * right / np.maximum(counts.sum(2) + counts.sum(1), 1)).mean(1))


def auroc(gold: Digits, p: Digits) -> Floats:
    """Unweighted mean over classes of the area under the curve of its p, one class against the rest [runs].

    Args:
        p: [runs, rows, classes]; so in all that follow.
    """
    from scipy.stats import rankdata

    found = []
    for label in range(p.shape[2]):
        ranks, own = rankdata(p[:, :, label], axis=1), gold == label
        n = int(own.sum())
        found.append((ranks[:, own].sum(1) - n * (n + 1) / 2) / (n * (len(gold) - n)))
    return np.asarray(np.mean(found, axis=0))


def kl(teacher: Digits, student: Digits) -> Floats:
    """KL(teacher || student) in nats [runs], mean over rows; both as shares of their stored sums, teacher [rows, C]."""
    t = teacher / teacher.sum(-1, keepdims=True)
    s = student / student.sum(-1, keepdims=True)
    return np.asarray((t * np.log(t / s)).sum(-1).mean(1))


def ece(gold: Digits, predicted: Digits, p: Digits, bins: int) -> Floats:
    """Expected calibration error of the predicted class [runs], bins of equal width, (low, high]."""
    confidence = np.take_along_axis(p, predicted[:, :, None], 2)[:, :, 0]
    place = -(-confidence * bins // SCALE) - 1 + bins * np.arange(len(p))[:, None]
    weights = (predicted == gold) - confidence / SCALE
    gap = np.bincount(place.ravel(), weights=weights.ravel(), minlength=bins * len(p))
    return np.asarray(np.abs(gap.reshape(len(p), bins)).sum(axis=1) / len(gold))


def matched(gold: Digits, p: Digits) -> Floats:
    """Whether each row is right where every class is named as often as gold has it [runs, rows].

    Of all ways to name the classes so, the one that is most probable under the rows' own p; of equal ones, one that the
    order of the rows decides. For two classes `evaluate.matched` cuts p(class 1) so that as many rows are above.
    """
    from scipy.optimize import linear_sum_assignment

    places = np.repeat(np.arange(p.shape[2]), np.bincount(gold, minlength=p.shape[2]))
    found = []
    for own in np.log(p / p.sum(2, keepdims=True)):
        _, taken = linear_sum_assignment(own[:, places], maximize=True)
        found.append(places[taken] == gold)
    return np.array(found, dtype=np.float64)


def collapsed(counts: Digits, above: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether some class is predicted on more rows than it has in gold by over a share `above` of all [runs]."""
    part, whole = above
    over = (counts.sum(1) - counts.sum(2)).max(1)
    return np.asarray(whole * over > part * counts.sum((1, 2)))


def contradiction(predicted: str, p: Sequence[int], classes: int) -> str:
    """The first row whose class is not of the largest probability, in a sentence; empty if there is none."""
    rows = shaped(p, classes)
    said = np.frombuffer(predicted.encode("ascii"), dtype=np.uint8).astype(np.int64) - ord("0")
    if len(said) != len(rows):
        return ""
    if said.max(initial=0) >= classes:
        return f"class {said.max()} where there are probabilities of {classes}"
    off = np.flatnonzero(rows[np.arange(len(said)), said] < rows.max(1))
    if not len(off):
        return ""
    row = int(off[0])
    return f"class {said[row]} in row {row}, whose probabilities are {', '.join(map(str, rows[row]))} in {SCALE}"
