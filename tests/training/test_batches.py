"""Batches that keep the rows of a pair apart, whatever the number of pairs and the size of a batch."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cod_bench.training.batches import apart_batches


@given(st.integers(2, 40), st.integers(1, 8), st.integers(1, 30), st.integers(0, 5))
@settings(deadline=None)
def test_split_pairs_never_meet_and_every_row_comes_once_an_epoch(pairs: int, size: int, steps: int, seed: int) -> None:
    starts = [(2 * i, 2 * i + 1) for i in range(pairs)]
    batches, epoch = apart_batches(starts, [i % 2 for i in range(pairs)], size, steps, ("t", seed, 2 * pairs))
    assert len(batches) == steps
    for batch in batches:
        assert not any(row ^ 1 in batch for row in batch)
        assert len(set(batch)) == len(batch)
    for first in range(0, steps - epoch + 1, epoch):
        assert sorted(row for batch in batches[first : first + epoch] for row in batch) == list(range(2 * pairs))
