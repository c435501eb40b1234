"""teacher-only: what the teacher's queries buy without any label: the texts of `teacher-labelled` alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cod_bench import Condition, TrainingSet
from cod_bench.condition import Given, Told, pseudo_labelled

if TYPE_CHECKING:
    from cod_bench.generator import Entry
    from cod_bench.split import Draw


class TeacherOnly(Condition):
    """n unlabelled texts with the teacher's labels and nothing else: distillation on unlabelled data, as model
    compression began (Bucila et al., KDD 2006)."""

    name = "teacher-only"
    short = "teacher-labelled texts alone"
    meaning = "the texts of `teacher-labelled` alone: no row with a human label"
    needs = "entries and texts"
    equal_k = False

    def texts_beside(self, k: int, queries: float) -> int:  # noqa: ARG002 - the entries are those of this k
        """As many as the counterfactuals asked about."""
        return math.ceil(queries)

    def paid(self, k: int, entries: Sequence[Entry]) -> Sequence[Entry]:  # noqa: ARG002 - they are counted alone
        """None: what their making asked is the size of its own budget."""
        return ()

    def rows(self, draw: Draw, k: int, given: Given) -> TrainingSet:  # noqa: ARG002 - k is in the texts
        """The texts, paired so that batches are balanced over the teacher's classes."""
        return TrainingSet(tuple(pseudo_labelled(given.texts, draw.classes, 0)))

    def substitutes(self, k: int, lacking: int) -> tuple[int, int]:  # noqa: ARG002 - no text of an entry is taken
        """None."""
        return 0, 0

    def faults(self, rows: Sequence[Told], k: int, version: int) -> str:  # noqa: ARG002 - any number of texts
        """Whether there are only texts that the teacher labelled."""
        alone = {role for _, _, role in rows} == {"u"}
        return "" if alone else "rows.roles: must be texts that the teacher labelled, and nothing else"


CONDITION = TeacherOnly()
