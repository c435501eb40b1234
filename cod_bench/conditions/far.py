"""far: what the distance to the boundary pays: as `cod`, by flips of which the teacher is surer."""

from __future__ import annotations

from cod_bench import Partnered


class Far(Partnered):
    """The originals of `cod` and counterfactuals of the same generator under the parameters called `far`.

    Beside `near` it tells whether what `cod` pays comes from texts close to the teacher's boundary.
    """

    name = "far"
    short = "CoD, surer flips"
    meaning = "as `cod`, by a flip that the teacher is surer of, at the price of more words"
    text = "cfe"
    flips = True
    parameters = "far"


CONDITION = Far()
