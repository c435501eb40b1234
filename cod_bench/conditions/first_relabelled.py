"""first-relabelled: `unvalidated` without wrong labels: the first answer under the class that the teacher gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cod_bench import Partnered
from cod_bench.condition import Told, partner_faults

if TYPE_CHECKING:
    from cod_bench.generator import Entry
    from cod_bench.split import Slot


class FirstRelabelled(Partnered):
    """A first answer that does not flip the teacher is an augmentation of its original's class, and labelled so.

    With two classes; batches lose their balance as often as first answers do not flip.
    """

    name = "first-relabelled"
    short = "first answers, relabelled"
    meaning = "k/2 originals and, for each, the generator's first answer under the class that the teacher gives it"
    text = "first"
    reads_verdicts = True
    flips = True

    def label(self, slot: Slot, entry: Entry) -> int:
        """The target where the first answer flips the teacher, else the original's class."""
        return slot.target if entry.first_flips else slot.original.label

    def faults(self, rows: Sequence[Told], k: int, version: int) -> str:
        """Whether there are k rows, each partner made from its original, under either label."""
        return partner_faults(rows, k, made=True, flips=None, substitutes=version == self.version)


CONDITION = FirstRelabelled()
