"""Features of labelled texts -> scikit-learn's logistic regression, its settings told; what several methods share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

SETTINGS = {"C": 1.0, "penalty": "l2", "solver": "lbfgs", "tol": 1e-4, "max_iter": 1000}
"""Its defaults but for `max_iter`, at which states of a large backbone would not have converged."""

Features = Callable[[Sequence[str]], Any]


def logistic(features: Features, texts: Sequence[str], labels: Sequence[int], classes: int) -> Features:
    """Texts -> probabilities [texts, classes], fitted on these rows; a class without a row is never predicted.

    Features are taken in float64 and on one thread, so that a result is the same on every core count. Where all rows
    are of one class there is nothing to fit: that class is certain.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    present = sorted(set(labels))
    if len(present) == 1:
        return lambda asked: np.eye(classes)[[present[0]] * len(asked)]
    settings = {name: value for name, value in SETTINGS.items() if name != "penalty"}  # l2 is what no word means
    with threadpool_limits(1):
        model = LogisticRegression(**settings).fit(features(texts).astype(np.float64), labels)

    def predict(asked: Sequence[str]) -> Any:
        found = np.zeros((len(asked), classes))
        with threadpool_limits(1):
            found[:, present] = model.predict_proba(features(asked).astype(np.float64))
        return found

    return predict
