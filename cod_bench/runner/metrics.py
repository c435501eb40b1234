"""Stored predictions -> metrics through `evaluate.Metric`, used by `run` alone: importing `evaluate` loads torch.

Each metric is computed by cod_bench.records.evaluate, which readers of records use; a test holds the two equal.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import datasets
import evaluate

from cod_bench.records.evaluate import metrics
from cod_bench.records.record import Reference


class StoredPredictions(evaluate.Metric):
    """Accuracy, MCC, macro-F1, AUROC, teacher agreement, KL and calibration of predictions; works offline.

    References are rows of gold class, teacher class and teacher p(class 1); predictions are class and p(class 1);
    probabilities are integers in 1/10,000.
    """

    def _info(self) -> Any:
        integer = datasets.Value("int32")
        p = integer if self.config_name == TWO else datasets.Sequence(integer)
        return evaluate.MetricInfo(
            description="The metrics of cod-bench's protocol, computed from stored values.",
            citation="",
            inputs_description="Predicted class and p(class 1); gold class, teacher class and teacher p(class 1).",
            features=datasets.Features(
                {
                    "predictions": integer,
                    "references": integer,
                    "probabilities": p,
                    "teacher_predictions": integer,
                    "teacher_probabilities": p,
                }
            ),
        )

    def _compute(
        self, *, predictions: list[int], references: list[int], probabilities: list[int],
        teacher_predictions: list[int], teacher_probabilities: list[int], reference: Reference, **_: Any,
    ) -> dict[str, float | bool]:  # fmt: skip
        from dataclasses import replace

        rows = replace(
            reference,
            gold=_digits(references),
            teacher_predictions=_digits(teacher_predictions),
            teacher_probabilities=_flat(teacher_probabilities),
        )
        return metrics(_digits(predictions), _flat(probabilities), rows)


TWO, MANY = "two", "many"
"""Configurations: of two classes a probability a row, of more one a row and class."""


@cache
def _metric(classes: str) -> StoredPredictions:
    # keep_in_memory: by default every computation writes arrow and lock files into a folder that all workers share
    return StoredPredictions(config_name=classes, keep_in_memory=True)


def compute(predictions: str, probabilities: list[int], reference: Reference) -> dict[str, float | bool]:
    """All metrics of one run against its reference file."""
    classes = len(reference.classes)
    result = _metric(TWO if classes == 2 else MANY).compute(
        predictions=[int(c) for c in predictions],
        references=[int(c) for c in reference.gold],
        probabilities=_by_row(probabilities, classes),
        teacher_predictions=[int(c) for c in reference.teacher_predictions],
        teacher_probabilities=_by_row(list(reference.teacher_probabilities), classes),
        reference=reference,
    )
    return dict(result)


def _by_row(values: list[int], classes: int) -> list[Any]:
    """Stored probabilities, a value or a list a row."""
    return values if classes == 2 else [values[at : at + classes] for at in range(0, len(values), classes)]


def _flat(values: list[Any]) -> list[int]:
    """The other way round."""
    return [one for row in values for one in (row if isinstance(row, list) else [row])]


def _digits(values: list[int]) -> str:
    return "".join(str(value) for value in values)
