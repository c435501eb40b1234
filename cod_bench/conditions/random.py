"""random: what the flip pays: each original with as many words changed at random as in its counterfactual."""

from __future__ import annotations

from cod_bench import Partnered


class Random(Partnered):
    """Random words at random places, label kept; the teacher's class too, else drawn again."""

    name = "random"
    short = "random edits"
    version = 2  # 1 took the counterfactual's class where there was none, so that batches lost their balance
    meaning = "k/2 originals and, for each, itself with as many words changed at random as in its counterfactual"
    text = "random"
    flips = False


CONDITION = Random()
