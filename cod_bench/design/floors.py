"""Budgets -> the blocks of floors and ceilings that a suite has beside its grid."""

from __future__ import annotations

from cod_bench.design.suite import Block

FLOORS = ("majority", "lexicon", "lexicon_median", "tfidf", "probe", "probe_teacher")
"""The methods that every table opens with, in its order: they are measured against, and no claim is made of them."""


def floors(ks: tuple[int, ...], seed: int = 0) -> tuple[Block, ...]:
    """The floors at these budgets, on the rows of `standard` and, where a method reads them, of `cod`; the ceilings
    once, since nothing of them depends on a seed."""
    return (
        Block(FLOORS[:3], ("standard",), ks),
        Block(FLOORS[3:], ("standard", "cod"), ks),
        Block(("majority", *FLOORS[3:]), ("whole-pool",), (0,), (seed,)),
    )
