"""teacher-labelled: the rival at equal teacher queries: texts of the pool under the teacher's own labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cod_bench import Condition, Pair, Row, TrainingSet
from cod_bench.condition import Given, Told, partner_faults, pseudo_labelled

if TYPE_CHECKING:
    from cod_bench.generator import Entry
    from cod_bench.split import Draw


class TeacherLabelled(Condition):
    """k originals and n unlabelled texts with the teacher's labels: pseudo-labels (Lee, ICML 2013 workshop).

    n is what the counterfactuals of this very run asked the teacher, with their share of its word survey. It trains for
    the steps of k rows as every condition does: where these take fewer rows than it has, it sees some of them never,
    originals too.
    """

    name = "teacher-labelled"
    short = "teacher-labelled texts"
    meaning = (
        "k originals and as many texts of the pool under the teacher's labels as `cod` asks the teacher about, its "
        "word survey included"
    )
    needs = "entries and texts"
    equal_k = False

    def texts_beside(self, k: int, queries: float) -> int:  # noqa: ARG002 - the entries are those of this k
        """As many as the counterfactuals asked about."""
        return math.ceil(queries)

    def paid(self, k: int, entries: Sequence[Entry]) -> Sequence[Entry]:  # noqa: ARG002 - they are counted alone
        """None: what their making asked is the size of its own budget."""
        return ()

    def rows(self, draw: Draw, k: int, given: Given) -> TrainingSet:
        """The rows of `standard`, then the texts."""
        slots = zip(draw.slots(k), draw.partners(k), strict=True)
        own = [Pair(Row.of(s.original, s.index), Row.of(p, s.index, "partner")) for s, p in slots]
        return TrainingSet((*own, *pseudo_labelled(given.texts, draw.classes, len(own))))

    def substitutes(self, k: int, lacking: int) -> tuple[int, int]:  # noqa: ARG002 - no text of an entry is taken
        """None."""
        return 0, 0

    def faults(self, rows: Sequence[Told], k: int, version: int) -> str:  # noqa: ARG002 - of every version
        """Whether there are the k rows of `standard` and then only texts that the teacher labelled."""
        if len(rows) <= k or {role for _, _, role in rows[k:]} != {"u"}:
            return f"rows.roles: must be k={k} originals and then texts that the teacher labelled"
        return partner_faults(rows[:k], k, made=False, flips=True)


CONDITION = TeacherLabelled()
