"""words-only: what naming opinion words pays: the partner is nothing but the words that the counterfactual put in."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from cod_bench import Partnered

if TYPE_CHECKING:
    from cod_bench.generator import Entry
    from cod_bench.split import Slot


class WordsOnly(Partnered):
    """The inserted words of each counterfactual without their text, under the counterfactual's label.

    Where a counterfactual only takes words away, a substitute. A control of our own; no precedent is known to us.
    """

    name = "words-only"
    short = "inserted words alone"
    meaning = "k/2 originals and, for each, the words alone that its counterfactual puts in"
    text = "cfe"
    flips = True

    def made(self, slot: Slot, entry: Entry) -> str | None:
        """The words that the counterfactual has and the original lacks, in their order."""
        before, after = slot.original.text.split(), str(entry.cfe).split()
        parts = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        words = [word for tag, _, _, start, end in parts if tag in ("insert", "replace") for word in after[start:end]]
        return " ".join(words) if words else None


CONDITION = WordsOnly()
