"""Stored predictions and a reference file -> metrics. numpy functions only; every value is recomputable from files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cod_bench.errors import UsageError
from cod_bench.record import SCALE, Reference, quantise

ECE_BINS = 15
COLLAPSED = 0.8
"""A run is collapsed when one class takes more than this share of its predictions."""

Digits = NDArray[np.int64]


def metrics(predictions: str, probabilities: Sequence[int], reference: Reference) -> dict[str, float | bool]:
    """Every metric of one run (protocol.md, "Metrics"), from the stored values alone.

    Args:
        predictions: one digit (class) per evaluation row, in the reference's order.
        probabilities: p(class 1) per row in 1/10,000.
        reference: gold labels and the teacher's values for the same rows.

    Returns:
        accuracy, mcc, macro_f1, auroc, agreement (share of rows on which student and teacher agree), kl in nats
        (teacher || student at temperature 1, mean over rows), ece, top_share, collapsed.

    Raises:
        UsageError: the lengths differ, or the reference does not have exactly two classes, both in its gold labels.
    """
    gold, teacher, taught = _decoded(reference)
    predicted, p = digits(predictions), np.array(probabilities, dtype=np.int64)
    name = f"{reference.task}-{reference.teacher_hash}"
    if not len(gold) == len(predicted) == len(p):
        raise UsageError(
            f"predictions: {len(predicted)} and {len(p)} probabilities for {len(gold)} rows of reference {name}; "
            "run it again"
        )
    if predicted.max() > 1:
        raise UsageError(
            f"predictions: class {predicted.max()} in a run on reference {name}, which has two classes; run it again"
        )
    share = top_share(predicted, 2)
    return {
        "accuracy": float(np.mean(predicted == gold)),
        "mcc": matthews(gold, predicted),
        "macro_f1": macro_f1(gold, predicted),
        "auroc": auroc(gold, p),
        "agreement": float(np.mean(predicted == taught)),
        "kl": kl(teacher, p),
        "ece": ece(gold, predicted, p),
        "top_share": share,
        "collapsed": bool(share > COLLAPSED),
    }


_known: dict[int, tuple[Reference, tuple[Digits, Digits, Digits]]] = {}
"""The references decoded last, by `id`: thousands of runs rest on a few of them."""
KEPT = 64


def _decoded(reference: Reference) -> tuple[Digits, Digits, Digits]:
    """Gold labels, teacher's p(class 1) in 1/10,000 and teacher's classes.

    Raises:
        UsageError: not exactly two classes, both in gold.
    """
    kept = _known.get(id(reference))
    if kept is not None and kept[0] is reference:
        return kept[1]
    if len(reference.classes) != 2 or set(reference.gold) != {"0", "1"}:
        raise UsageError(
            f"reference {reference.task}-{reference.teacher_hash}: metrics need two classes, both in gold; found "
            f"{sorted(set(reference.gold))}"
        )
    teacher = np.array(reference.teacher_probabilities, dtype=np.int64)
    found = digits(reference.gold), teacher, digits(reference.teacher_predictions)
    if len(_known) >= KEPT:
        _known.clear()
    _known[id(reference)] = reference, found
    return found


def stored(logits: NDArray[np.floating[Any]]) -> tuple[str, list[int]]:
    """Logits [rows, 2] as records keep them: predicted digits and p(class 1) in 1/10,000, clipped to 1..9,999."""
    exact = np.asarray(logits, dtype=np.float64)
    shifted = np.exp(exact - exact.max(1, keepdims=True))
    probabilities = (shifted / shifted.sum(1, keepdims=True))[:, 1]
    return "".join(str(int(i)) for i in exact.argmax(1)), [quantise(float(p)) for p in probabilities]


def digits(text: str) -> Digits:
    """A digit string as int64 [rows]."""
    return (np.frombuffer(text.encode("ascii"), dtype=np.uint8) - ord("0")).astype(np.int64)


def confusion(gold: Digits, predicted: Digits) -> tuple[int, int, int, int]:
    """True negatives, false positives, false negatives, true positives."""
    counts = np.bincount(2 * gold + predicted, minlength=4)
    return int(counts[0]), int(counts[1]), int(counts[2]), int(counts[3])


def matthews(gold: Digits, predicted: Digits) -> float:
    """Matthews correlation; 0 when one side names a single class, as scikit-learn has it."""
    tn, fp, fn, tp = confusion(gold, predicted)
    scale = float(tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return 0.0 if scale == 0 else float((tp * tn - fp * fn) / np.sqrt(scale))


def macro_f1(gold: Digits, predicted: Digits) -> float:
    """Unweighted mean of both classes' F1; a class never predicted has 0."""
    tn, fp, fn, tp = confusion(gold, predicted)
    return (2 * tp / (2 * tp + fp + fn) + 2 * tn / (2 * tn + fp + fn)) / 2


def auroc(gold: Digits, p: Digits) -> float:
    """Area under the ROC curve of p(class 1): the share of (1, 0) pairs in order, a tie counting half."""
    negative, positive = np.sort(p[gold == 0]), p[gold == 1]
    ordered = negative.searchsorted(positive).sum() + negative.searchsorted(positive, "right").sum()  # ties once
    return float(ordered / (2 * len(positive) * len(negative)))


def kl(teacher: Digits, student: Digits) -> float:
    """KL(teacher || student) in nats, mean over rows, for two classes with p(class 1) in 1/10,000."""
    t, s = teacher / SCALE, student / SCALE
    return float(np.mean(t * np.log(t / s) + (1 - t) * np.log((1 - t) / (1 - s))))


def ece(gold: Digits, predicted: Digits, p: Digits) -> float:
    """Expected calibration error of the predicted class, 15 bins of equal width, (low, high].

    Bins are found in whole numbers, so a confidence on an edge falls to the same side everywhere.
    """
    confidence = np.where(predicted == 1, p, SCALE - p)
    place = -(-confidence * ECE_BINS // SCALE) - 1
    gap = np.bincount(place, weights=(predicted == gold) - confidence / SCALE, minlength=ECE_BINS)
    return float(np.abs(gap).sum() / len(gold))


def top_share(predicted: Digits, classes: int) -> float:
    """Share of the most predicted class."""
    return float(np.bincount(predicted, minlength=classes).max() / len(predicted))
