"""Stored predictions and a reference file -> metrics. numpy functions only; every value is recomputable from files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cod_bench.errors import UsageError
from cod_bench.records.record import SCALE, Reference, quantise

ECE_BINS = 15
COLLAPSED = 0.8
"""A run is collapsed when one class takes more than this share of its predictions."""

Digits = NDArray[np.int64]
Floats = NDArray[np.float64]


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
    return metrics_of([(predictions, probabilities)], reference)[0][0]


BLOCK = 256
"""Runs computed at once: their arrays then stay in the processor's cache."""


def metrics_of(
    runs: Sequence[tuple[str, Sequence[int]]], reference: Reference
) -> list[tuple[dict[str, float | bool], NDArray[np.int8]]]:
    """`metrics` of many runs on one reference, and which rows each got right (0/1 [rows]).

    Raises:
        UsageError: as `metrics`, of the first run that is unfit.
    """
    gold, teacher, taught = _decoded(reference)
    name = f"{reference.task}-{reference.teacher_hash}"
    found = []
    for start in range(0, len(runs), BLOCK):
        block = runs[start : start + BLOCK]
        for predictions, probabilities in block:
            if not len(gold) == len(predictions) == len(probabilities):
                raise UsageError(
                    f"predictions: {len(predictions)} and {len(probabilities)} probabilities for {len(gold)} rows of "
                    f"reference {name}; run it again"
                )
        predicted = digits("".join(predictions for predictions, _ in block)).reshape(len(block), len(gold))
        if predicted.max() > 1:
            raise UsageError(
                f"predictions: class {predicted.max()} in a run on reference {name}, which has two classes; run it "
                "again"
            )
        p = np.array([probabilities for _, probabilities in block], dtype=np.int64)
        right = predicted == gold
        share = top_share(predicted, 2)
        columns: dict[str, list[float] | list[bool]] = {
            "accuracy": right.mean(axis=1).tolist(),
            "mcc": matthews(gold, predicted).tolist(),
            "macro_f1": macro_f1(gold, predicted).tolist(),
            "auroc": auroc(gold, p).tolist(),
            "agreement": (predicted == taught).mean(axis=1).tolist(),
            "kl": kl(teacher, p).tolist(),
            "ece": ece(gold, predicted, p).tolist(),
            "top_share": share.tolist(),
            "collapsed": (share > COLLAPSED).tolist(),
        }
        rows = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
        found += list(zip(rows, right.astype(np.int8), strict=True))
    return found


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


def confusion(gold: Digits, predicted: Digits) -> tuple[Digits, Digits, Digits, Digits]:
    """True negatives, false positives, false negatives, true positives of every run [runs].

    Args:
        gold: classes [rows].
        predicted: classes [runs, rows]; so in all that follow.
    """
    fp, tp = predicted[:, gold == 0].sum(axis=1), predicted[:, gold == 1].sum(axis=1)
    negative, positive = int(np.sum(gold == 0)), int(np.sum(gold == 1))
    return negative - fp, fp, positive - tp, tp


def matthews(gold: Digits, predicted: Digits) -> Floats:
    """Matthews correlation [runs]; 0 when one side names a single class, as scikit-learn has it."""
    tn, fp, fn, tp = confusion(gold, predicted)
    scale = (tp + fp).astype(np.float64) * (tp + fn) * (tn + fp) * (tn + fn)
    return np.where(scale == 0, 0.0, (tp * tn - fp * fn) / np.sqrt(np.where(scale == 0, 1.0, scale)))


def macro_f1(gold: Digits, predicted: Digits) -> Floats:
    """Unweighted mean of both classes' F1 [runs]; a class never predicted has 0."""
    tn, fp, fn, tp = confusion(gold, predicted)
    return np.asarray((2 * tp / (2 * tp + fp + fn) + 2 * tn / (2 * tn + fp + fn)) / 2)


def auroc(gold: Digits, p: Digits) -> Floats:
    """Area under the ROC curve of p(class 1) [runs]: the share of (1, 0) pairs in order, a tie counting half.

    In rows sorted by p, the negatives before a positive are counted twice: ties before it, and ties behind it.
    """
    ordered = np.zeros(len(p), dtype=np.int64)
    for positive_bit, bit in ((1, gold), (0, 1 - gold)):
        key = np.sort((2 * p + bit).astype(np.int16), axis=1)  # of 16 bits: sorted several times as fast
        positive = (key & 1) == positive_bit
        ordered += (np.cumsum(~positive, axis=1) * positive).sum(axis=1)
    positives = int(gold.sum())
    return np.asarray(ordered / (2 * positives * (len(gold) - positives)))


def kl(teacher: Digits, student: Digits) -> Floats:
    """KL(teacher || student) in nats [runs], mean over rows, for two classes with p(class 1) in 1/10,000."""
    t, s = teacher / SCALE, student / SCALE
    return np.asarray(np.mean(t * np.log(t / s) + (1 - t) * np.log((1 - t) / (1 - s)), axis=1))


def ece(gold: Digits, predicted: Digits, p: Digits) -> Floats:
    """Expected calibration error of the predicted class [runs], 15 bins of equal width, (low, high].

    Bins are found in whole numbers, so a confidence on an edge falls to the same side everywhere.
    """
    confidence = np.where(predicted == 1, p, SCALE - p)
    place = -(-confidence * ECE_BINS // SCALE) - 1 + ECE_BINS * np.arange(len(p))[:, None]
    weights = (predicted == gold) - confidence / SCALE
    gap = np.bincount(place.ravel(), weights=weights.ravel(), minlength=ECE_BINS * len(p))
    return np.asarray(np.abs(gap.reshape(len(p), ECE_BINS)).sum(axis=1) / len(gold))


def top_share(predicted: Digits, classes: int) -> Floats:
    """Share of the most predicted class [runs]."""
    counts = np.stack([(predicted == c).sum(axis=1) for c in range(classes)])
    return np.asarray(counts.max(axis=0) / predicted.shape[1])
