"""Stored predictions and a reference file -> metrics. numpy functions only; every value is recomputable from files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cod_bench.errors import UsageError
from cod_bench.records import many
from cod_bench.records.record import SCALE, Reference, quantise

ECE_BINS = 15
COLLAPSED = 0.8
"""A stored `collapsed` says that one class takes more than this share of a run's predictions, whatever gold says.

Records keep this meaning, and readers compare it with their predictions; what tables call collapsed is `collapsed`.
"""
LEANING = (3, 10)
"""Tables call a run collapsed when its most predicted class exceeds that class's gold share by more than 3/10."""

Digits = NDArray[np.int64]
Floats = NDArray[np.float64]


def metrics(predictions: str, probabilities: Sequence[int], reference: Reference) -> dict[str, float | bool]:
    """Every metric of one run that records store (protocol.md, "Metrics"), from the stored values alone.

    Args:
        predictions: one digit (class) per evaluation row, in the reference's order.
        probabilities: p(class 1) per row in 1/10,000; where there are more than two classes, every class's, row by row.
        reference: gold labels and the teacher's values for the same rows.

    Returns:
        accuracy, mcc, macro_f1, auroc, agreement (share of rows on which student and teacher agree), kl in nats
        (teacher || student at temperature 1, mean over rows), ece, top_share, collapsed (in its stored meaning, see
        `COLLAPSED`).

    Raises:
        UsageError: the lengths differ, or the reference lacks one of its classes among its gold labels.
    """
    return metrics_of([(predictions, probabilities)], reference)[0].stored


def worst_group(predictions: str, reference: Reference) -> float:
    """Accuracy in that group, rows of one class and stratum, in which it is lowest.

    Raises:
        UsageError: the reference tells no strata, or the lengths differ.
    """
    if not reference.strata:
        raise UsageError(f"task {reference.task!r}: its reference file tells no strata; choose a task that has some")
    if len(predictions) != len(reference.gold):
        raise UsageError(f"predictions: {len(predictions)} for {len(reference.gold)} rows; run it again")
    groups: dict[tuple[str, str], list[bool]] = {}
    for said, gold, stratum in zip(predictions, reference.gold, reference.strata, strict=True):
        groups.setdefault((gold, stratum), []).append(said == gold)
    return min(float(np.mean(right)) for right in groups.values())


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run's stored values give."""

    stored: dict[str, float | bool]
    """The metrics that its record stores, under the stored definitions."""
    read: dict[str, float | bool]
    """What only readers compute, for old and new records alike: `matched`, and `collapsed` as tables tell it."""
    correct: NDArray[np.int8]
    """Which rows it got right, 0/1 [rows]."""
    matched: NDArray[np.float32]
    """Chance of being right with the threshold at the evaluation prior [rows]; 0 or 1 but for ties at the cut."""


BLOCK = 256
"""Runs computed at once: their arrays then stay in the processor's cache."""


def metrics_of(runs: Sequence[tuple[str, Sequence[int]]], reference: Reference) -> list[Measured]:
    """`metrics` of many runs on one reference, with what only readers compute.

    Raises:
        UsageError: as `metrics`, of the first run that is unfit.
    """
    classes = len(reference.classes)
    gold, teacher, taught = _decoded(reference)
    name = f"{reference.task}-{reference.teacher_hash}"
    found = []
    for start in range(0, len(runs), BLOCK):
        block = runs[start : start + BLOCK]
        for predictions, probabilities in block:
            if not len(gold) == len(predictions) or len(probabilities) != _stored_rows(len(gold), classes):
                raise UsageError(
                    f"predictions: {len(predictions)} and {len(probabilities)} probabilities for {len(gold)} rows of "
                    f"reference {name}; run it again"
                )
        predicted = digits("".join(predictions for predictions, _ in block)).reshape(len(block), len(gold))
        if predicted.max() >= classes:
            raise UsageError(
                f"predictions: class {predicted.max()} in a run on reference {name}, which has "
                f"{'two' if classes == 2 else classes} classes; run it again"
            )
        p = np.array([probabilities for _, probabilities in block], dtype=np.int64)
        right = predicted == gold
        share = top_share(predicted, classes)
        of_classes = _of_two if classes == 2 else _of_many
        own, at_prior, lean = of_classes(gold, predicted, p, teacher)
        columns: dict[str, list[float] | list[bool]] = {
            "accuracy": right.mean(axis=1).tolist(),
            **{metric: values.tolist() for metric, values in own.items()},
            "agreement": (predicted == taught).mean(axis=1).tolist(),
            "top_share": share.tolist(),
            "collapsed": (share > COLLAPSED).tolist(),
        }
        stored = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
        read: Iterable[dict[str, float | bool]] = (
            {"matched": mean, "collapsed": leaning}
            for mean, leaning in zip(at_prior.mean(axis=1).tolist(), lean.tolist(), strict=True)
        )
        rows = zip(stored, read, right.astype(np.int8), at_prior.astype(np.float32), strict=True)
        found += [Measured(*row) for row in rows]
    return found


def _stored_rows(rows: int, classes: int) -> int:
    """How many probabilities there are of so many rows: p(class 1) of two classes, of more every class's."""
    return rows if classes == 2 else rows * classes


Own = tuple[dict[str, Floats], Floats, NDArray[np.bool_]]
"""mcc, macro_f1, auroc, kl, ece of every run; `matched` of every row; `collapsed` of every run."""


def _of_two(gold: Digits, predicted: Digits, p: Digits, teacher: Digits) -> Own:
    found = {
        "mcc": matthews(gold, predicted), "macro_f1": macro_f1(gold, predicted), "auroc": auroc(gold, p),
        "kl": kl(teacher, p), "ece": ece(gold, predicted, p),
    }  # fmt: skip
    return found, matched(gold, p), collapsed(gold, predicted)


def _of_many(gold: Digits, predicted: Digits, p: Digits, teacher: Digits) -> Own:
    classes = p.shape[1] // len(gold)
    each, taught = p.reshape(len(p), len(gold), classes), many.shaped(teacher, classes)
    counts = many.confusion(gold, predicted, classes)
    found = {
        "mcc": many.matthews(counts), "macro_f1": many.macro_f1(counts), "auroc": many.auroc(gold, each),
        "kl": many.kl(taught, each), "ece": many.ece(gold, predicted, each, ECE_BINS),
    }  # fmt: skip
    return found, many.matched(gold, each), many.collapsed(counts, LEANING)


_known: dict[int, tuple[Reference, tuple[Digits, Digits, Digits]]] = {}
"""The references decoded last, by `id`: thousands of runs rest on a few of them."""
KEPT = 64


def _decoded(reference: Reference) -> tuple[Digits, Digits, Digits]:
    """Gold labels, teacher's probabilities in 1/10,000 as they are stored, and teacher's classes.

    Raises:
        UsageError: fewer than two classes, or one that gold has none of.
    """
    kept = _known.get(id(reference))
    if kept is not None and kept[0] is reference:
        return kept[1]
    classes = len(reference.classes)
    if classes < 2 or set(reference.gold) != {*map(str, range(classes))}:
        needed = "two classes, both in gold" if classes <= 2 else f"each of the {classes} classes in gold"
        raise UsageError(
            f"reference {reference.task}-{reference.teacher_hash}: metrics need {needed}; found "
            f"{sorted(set(reference.gold))}"
        )
    teacher = np.array(reference.teacher_probabilities, dtype=np.int64)
    found = digits(reference.gold), teacher, digits(reference.teacher_predictions)
    if len(_known) >= KEPT:
        _known.clear()
    _known[id(reference)] = reference, found
    return found


def stored(logits: NDArray[np.floating[Any]]) -> tuple[str, list[int]]:
    """Logits [rows, classes] as records keep them: predicted digits, and p in 1/10,000, clipped to 1..9,999.

    Probabilities are p(class 1) where there are two classes; of more every class's, row by row.
    """
    exact = np.asarray(logits, dtype=np.float64)
    shifted = np.exp(exact - exact.max(1, keepdims=True))
    probabilities = shifted / shifted.sum(1, keepdims=True)
    kept = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities.ravel()
    return "".join(str(int(i)) for i in exact.argmax(1)), [quantise(float(p)) for p in kept]


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


def matched(gold: Digits, p: Digits) -> Floats:
    """Chance of each row to be right with the threshold at the evaluation prior [runs, rows]; its mean is the accuracy.

    As many rows as have gold class 1 are called class 1: those of the highest p(class 1). Where several rows of one p
    lie across the cut (p is whole, in 1/10,000), they are taken as in random order: each is called class 1 with the
    share of them that there is room for, so the mean is the expected accuracy over all their orders. Nothing is drawn.
    """
    positives = int(gold.sum())
    cut = np.partition(p, len(gold) - positives, axis=1)[:, [len(gold) - positives]]  # the lowest p with room
    tied = p == cut
    room = positives - (p > cut).sum(axis=1, keepdims=True)
    called = np.where(tied, room / tied.sum(axis=1, keepdims=True), p > cut)
    return np.where(gold == 1, called, 1 - called)


def collapsed(gold: Digits, predicted: Digits) -> NDArray[np.bool_]:
    """Whether the most predicted class exceeds its own gold share by more than 30 points [runs].

    On balanced rows these are the runs with over 80 % of their predictions in one class; a run that names the larger
    class alone, where that class has 70 % or more of the rows, does no worse than that class and is none of them.
    """
    above, whole = LEANING
    ones, positives, n = predicted.sum(axis=1), int(gold.sum()), len(gold)
    over = np.where(2 * ones >= n, ones - positives, positives - ones)
    # of two classes that are predicted equally often, the one that is rarer in gold
    over = np.where(2 * ones == n, np.abs(ones - positives), over)
    return np.asarray(whole * over > above * n)


def top_share(predicted: Digits, classes: int) -> Floats:
    """Share of the most predicted class [runs]."""
    counts = np.stack([(predicted == c).sum(axis=1) for c in range(classes)])
    return np.asarray(counts.max(axis=0) / predicted.shape[1])
