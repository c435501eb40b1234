"""near: what the distance to the boundary pays: as `cod`, by the nearest flips that are found."""

from __future__ import annotations

from cod_bench import Partnered


class Near(Partnered):
    """The originals of `cod` and counterfactuals of the same generator under the parameters called `near`.

    A counterfactual explanation is the smallest change that gives the other outcome (Wachter et al. 2018, 31 Harv. J.
    Law & Tech. 841, arXiv 1711.00399; Hamman et al., arXiv 2510.21631).
    """

    name = "near"
    short = "CoD, nearest flips"
    meaning = "as `cod`, by the nearest flip: as few words edited as the search finds, without any pull for margin"
    text = "cfe"
    flips = True
    parameters = "near"


CONDITION = Near()
