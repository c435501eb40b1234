"""first-answer: `unvalidated` on no selected sample: the first answer, whatever becomes of the slot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cod_bench import Partnered

if TYPE_CHECKING:
    from cod_bench.generator import Entry
    from cod_bench.split import Slot


class FirstAnswer(Partnered):
    """The first answer under the target class, also where no attempt flips the teacher: there `unvalidated` is `cod`.

    A first answer that is empty or its original again, whatever its case and spaces, is none: a substitute. So is one
    that may be near an evaluation row: where the search turned such a text down and found no counterfactual, the entry
    does not tell whether it was the first answer. With `unvalidated` it differs in the other slots without a
    counterfactual, and in those where the first answer repeats its original.
    """

    name = "first-answer"
    short = "first answers"
    meaning = (
        "k/2 originals and, for each, the generator's first answer with the flipped label, never checked, whatever "
        "becomes of its counterfactual"
    )
    text = "first"
    flips = True

    def fills(self, slot: Slot, entry: Entry) -> bool:
        """Whether there is a first answer that may be trained on."""
        words = entry.first.lower().split()
        near = entry.cfe is None and entry.refused > 0
        return bool(words) and words != slot.original.text.lower().split() and not near

    def substitutes(self, k: int, lacking: int) -> tuple[int, int]:  # noqa: ARG002 - no record tells of first answers
        """Any number: whether a slot lacks a counterfactual says nothing about its first answer."""
        return 0, k // 2


CONDITION = FirstAnswer()
