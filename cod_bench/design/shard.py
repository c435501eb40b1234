"""Runs, i/n -> the i-th of n disjoint parts, the same on every machine, with teachers and pool blocks kept whole. Pure.

A part is a function of the runs alone: neither of what is done already nor of the machine.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from cod_bench.design import tracks
from cod_bench.errors import UsageError
from cod_bench.spec import RunSpec

MOST = 100_000
"""Shards of one suite; a larger number is a slip of the hand."""


@dataclass(frozen=True, slots=True)
class Shard:
    """The part `index` of `of`, counted from 1."""

    index: int
    of: int

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"


def parse(text: str) -> Shard | None:
    """The shard that `--shard` names; None if it was not given.

    Raises:
        UsageError: not i/n with 1 <= i <= n.
    """
    if not text:
        return None
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text, re.ASCII)
    shard = Shard(int(found[1]), int(found[2])) if found else Shard(0, 0)
    if not 1 <= shard.index <= shard.of <= MOST:
        raise UsageError(
            f"--shard {text!r}: write i/n with whole numbers 1 <= i <= n <= {MOST}, for example 3/8 for the third of "
            "eight parts"
        )
    return shard


def cut(specs: Sequence[RunSpec], shard: Shard | None) -> list[RunSpec]:
    """The runs of a shard in the order of `specs`; all of them if None.

    Runs of a task lie together and within it those of a seed, for these share a teacher and pool blocks. Shards are
    of like size, whole blocks of (task, seed) as long as there are no more shards than blocks; beyond that blocks are
    divided, runs without a generator apart, so that few shards search the same counterfactuals.
    """
    if shard is None:
        return list(specs)
    ordered = sorted(set(specs), key=_place)
    start, end = _bounds([len(list(block)) for _, block in groupby(ordered, _block)], shard)
    own = set(ordered[start:end])
    return [spec for spec in specs if spec in own]


def _block(spec: RunSpec) -> tuple[str, str, int, bool]:
    """What shares a teacher and the blocks of a pool."""
    return spec.track, spec.task, spec.seed, tracks.keeps_wrong(spec.protocol, spec.track)


def _place(spec: RunSpec) -> tuple[object, ...]:
    return *_block(spec), spec.generator, spec.k, spec.method, spec.condition, spec.protocol


def _bounds(sizes: Sequence[int], shard: Shard) -> tuple[int, int]:
    """[start, end) of a shard in a row of blocks of these sizes."""
    total, ends = sum(sizes), [0]
    for size in sizes:
        ends.append(ends[-1] + size)
    cuts = [round(i * total / shard.of) for i in range(shard.of + 1)]
    if shard.of <= len(sizes):
        at = 0
        for i in range(1, shard.of):  # the nearest end of a block that leaves every shard at least one
            allowed = range(at + 1, len(sizes) - (shard.of - i) + 1)
            at = min(allowed, key=lambda j: (abs(ends[j] - i * total / shard.of), j))
            cuts[i] = ends[at]
    return list(pairwise(cuts))[shard.index - 1]
