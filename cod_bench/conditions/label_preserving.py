"""label-preserving: what the places pay: words where the counterfactual has them, under the original's label."""

from __future__ import annotations

from cod_bench import Partnered


class LabelPreserving(Partnered):
    """Words of the same lists at the same places, ranked for the original's class."""

    name = "label-preserving"
    short = "label-preserving edits"
    version = 2  # 1 took the counterfactual's class where there was none, so that batches lost their balance
    meaning = "k/2 originals and, for each, substitutions where its counterfactual has them; label kept"
    text = "preserving"
    flips = False
    rewrites = True


CONDITION = LabelPreserving()
