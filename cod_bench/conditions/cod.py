"""cod: the method of Hamman et al. (arXiv 2510.21631): each original with a counterfactual that flips the teacher."""

from __future__ import annotations

from cod_bench import Partnered


class Cod(Partnered):
    """The validated counterfactual, under the other class."""

    name = "cod"
    short = "counterfactuals (CoD)"
    meaning = "k/2 originals and, for each, a counterfactual that flips the teacher"
    text = "cfe"
    flips = True


CONDITION = Cod()
