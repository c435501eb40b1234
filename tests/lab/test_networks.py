"""Stacks of networks: each is trained as if it were alone, whatever stands beside it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cod_bench.lab.networks import TEACHER, Recipe, Stack

SMALL = Recipe((8,), 60, 0.02)
RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((3, 12, 2))
LABELS = (ROWS[..., 0] > 0).astype(np.int64)
SOFT = np.stack([-2 * ROWS[..., 0], 2 * ROWS[..., 0]], -1)
GRID = RNG.standard_normal((50, 2))
NAMES = [("student", 0), ("student", 1), ("student", 0)]


def fitted(at: slice, weights: np.ndarray | None = None, soft: np.ndarray | None = SOFT) -> Stack:
    shown = np.ones(ROWS.shape[:2]) if weights is None else weights
    own = None if soft is None else soft[at]
    return Stack(NAMES[at], SMALL).fit(ROWS[at], LABELS[at], shown[at], own)


def test_a_network_learns_its_rows_and_those_of_one_name_start_alike() -> None:
    before = Stack(NAMES, SMALL)
    assert np.array_equal(before.margins(GRID)[0], before.margins(GRID)[2])
    assert not np.array_equal(before.margins(GRID)[0], before.margins(GRID)[1])
    margins = fitted(slice(0, 3)).margins(ROWS)
    assert (((margins > 0) == LABELS).mean(1) == 1).all()
    assert np.corrcoef(margins[0], 4 * ROWS[0, :, 0])[0, 1] > 0.98


@pytest.mark.parametrize("at", range(3))
def test_each_is_as_if_it_were_alone(at: int) -> None:
    together, alone = fitted(slice(0, 3)), fitted(slice(at, at + 1))
    assert np.allclose(together.margins(GRID)[at], alone.margins(GRID)[0], atol=1e-4)
    assert np.allclose(together.only(at).margins(GRID), together.margins(GRID)[at : at + 1])


def test_the_number_of_threads_changes_nothing() -> None:
    threads, found = torch.get_num_threads(), []
    points = RNG.standard_normal((4, 1000, 2))  # as large as a teacher's, so that products are shared out
    labels = (points[..., 0] > 0).astype(np.int64)
    try:
        for several in (1, 2):
            torch.set_num_threads(several)
            stack = Stack([("teacher", seed) for seed in range(4)], Recipe(TEACHER.hidden, 20, 0.01))
            found.append(stack.fit(points, labels, np.ones(labels.shape)).margins(GRID))
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(*found)


def test_rows_without_weight_are_padding() -> None:
    weights = np.ones(ROWS.shape[:2])
    weights[:, 8:] = 0
    short = Stack(NAMES, SMALL).fit(ROWS[:, :8], LABELS[:, :8], np.ones((3, 8)), SOFT[:, :8])
    assert np.allclose(fitted(slice(0, 3), weights).margins(GRID), short.margins(GRID), atol=1e-4)


def test_without_logits_hard_labels_are_learnt_alone() -> None:
    none = np.full_like(SOFT, np.nan)
    asked = [fitted(slice(0, 3), soft=soft).margins(GRID) for soft in (none, None)]
    assert np.allclose(*asked, atol=1e-4)
    some = SOFT.copy()
    some[1] = np.nan
    mixed = fitted(slice(0, 3), soft=some).margins(GRID)
    assert np.allclose(mixed[0], fitted(slice(0, 3)).margins(GRID)[0], atol=1e-4)
    assert np.allclose(mixed[1], fitted(slice(0, 3), soft=None).margins(GRID)[1], atol=1e-4)
    assert not np.allclose(mixed[1], fitted(slice(0, 3)).margins(GRID)[1], atol=1e-2)


def test_gradients_are_those_of_the_margin() -> None:
    stack, step = fitted(slice(0, 3)), 1e-2
    found = stack.gradients(ROWS)
    for axis in (0, 1):
        moved = np.zeros(2)
        moved[axis] = step
        slope = (stack.margins(ROWS + moved) - stack.margins(ROWS - moved)) / (2 * step)
        assert np.allclose(found[..., axis], slope, atol=2e-2)
