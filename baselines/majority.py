"""The most frequent class of the training rows -> that class for every text: what any other method must beat."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from cod_bench import Fitted

if TYPE_CHECKING:
    from cod_bench import Material, Track
    from cod_bench.distiller import Predictor

LEAST = 0.5002
"""Least probability of the class that is predicted, so that a stored value tells it where classes are balanced."""


class Majority(Fitted):
    """Idea: the most frequent class of the training rows, the lower label where several are, whatever the text says.

    Source: common knowledge (ZeroR). When: as the lowest floor; rows are drawn balanced, so that it mostly is the first
    class.

    Its probability is the class's share of the rows, just above one half at the least; the rest is shared out evenly.
    """

    name = "majority"
    short = "majority class"
    version = 1
    summary = "The lowest floor: the most frequent class of the training rows, whatever the text."

    @classmethod
    def hparams(cls, track: Track, k: int) -> dict[str, Any]:  # noqa: ARG003 - the same everywhere
        """How ties end, and the least probability of what is predicted."""
        return {"ties": "lowest-label", "least": LEAST}

    def fit(self, material: Material) -> Predictor:
        """Count the rows of each class."""
        import numpy as np

        counts = Counter(row.label for row in material.rows)
        most = min(counts, key=lambda label: (-counts[label], label))
        p = max(counts[most] / counts.total(), LEAST)
        rest = (1 - p) / (len(material.classes) - 1)
        row = [p if label == most else rest for label in range(len(material.classes))]
        return lambda texts: np.array([row] * len(texts))


DISTILLER = Majority
