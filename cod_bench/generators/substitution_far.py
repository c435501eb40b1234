"""`substitution` with other parameters, for the condition `far`: flips with much room to spare, of more words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from cod_bench.generators._substitution.words import SETTINGS
from cod_bench.generators.substitution import Substitution


class Far(Substitution):
    """See `card`; everything but the settings named here is that of `substitution`."""

    name: ClassVar[str] = "substitution_far"
    version: ClassVar[int] = 1
    settings: ClassVar[Mapping[str, Any]] = {
        **SETTINGS, "margin": 2.0, "enough": 8.0, "dear": 16.0, "rounds": 4, "rescues": 8, "extra": 54,
    }  # fmt: skip
    card: ClassVar[str] = (
        "The search of `substitution` for versions that the teacher is very sure of: more room to spare is "
        "asked for, it counts for longer, words edited cost a quarter, and it is looked around for more "
        "rounds."
    )


GENERATOR = Far()
