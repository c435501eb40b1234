"""unvalidated: what validation pays: each original with the generator's first answer, which nobody checked."""

from __future__ import annotations

from cod_bench import Partnered


class Unvalidated(Partnered):
    """The first answer under the counterfactual's class, whatever the teacher says of it."""

    name = "unvalidated"
    short = "unvalidated counterfactuals"
    meaning = "k/2 originals and, for each, the generator's first answer with the flipped label, never checked"
    text = "first"
    flips = True


CONDITION = Unvalidated()
