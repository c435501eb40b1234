"""`substitution` with other parameters, for the condition `near`: the cheapest flips, without any pull for margin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from cod_bench.generators._substitution.words import SETTINGS
from cod_bench.generators.substitution import Substitution


class Near(Substitution):
    """See `card`; everything but the settings named here is that of `substitution`."""

    name: ClassVar[str] = "substitution_near"
    version: ClassVar[int] = 1
    settings: ClassVar[Mapping[str, Any]] = {**SETTINGS, "margin": 0.0, "enough": 0.0, "carried": 0.0, "valence": 0.0}
    card: ClassVar[str] = (
        "The search of `substitution` for the cheapest version that flips the teacher at all: no room to "
        "spare is asked for, and neither a larger margin nor ratings nor words of the old verdict taken away "
        "make up for an edit."
    )


GENERATOR = Near()
