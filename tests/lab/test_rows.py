"""The rows of each condition of two moons, by a teacher that is trained once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cod_bench.lab import moons, rows
from cod_bench.lab.rows import Cell, World

SEED = 3
CELL = Cell(SEED, 20, "standard", overshoot=0.05)


@pytest.fixture(scope="module")
def worlds() -> dict[tuple[int, float], World]:
    """A clean teacher and one whose labels were flipped at 40 %."""
    return moons.teachers([(SEED, 0.0), (SEED, 0.4)])


@pytest.fixture(scope="module")
def world(worlds: dict[tuple[int, float], World]) -> World:
    return worlds[SEED, 0.0]


def test_the_teacher_learnt_its_moons_and_noise_spoils_it(worlds: dict[tuple[int, float], World]) -> None:
    clean, noisy = worlds[SEED, 0.0], worlds[SEED, 0.4]
    assert np.array_equal(clean.points, noisy.points)
    assert np.array_equal(clean.gold, noisy.gold)
    right = [(one.classes(one.fresh) == one.fresh_gold).mean() for one in (clean, noisy)]
    assert right[0] > 0.95 > right[1] > 0.6
    assert np.array_equal(
        clean.logits(clean.fresh)[:, 1] - clean.logits(clean.fresh)[:, 0] > 0, clean.classes(clean.fresh) == 1
    )


@pytest.mark.parametrize("k", [8, 20, 40])
@pytest.mark.parametrize("condition", moons.CONDITIONS)
def test_every_condition_has_its_rows_balanced_where_it_says_so(world: World, condition: str, k: int) -> None:
    drawn = rows.draw(world, replace(CELL, condition=condition, k=k))
    assert len(drawn.points) == (k // 2 if condition == "half" else k)
    assert drawn.points.shape == (len(drawn.labels), 2)
    if condition != "unvalidated":
        assert drawn.labels.mean() == 0.5
    assert 0 <= drawn.valid <= 1


def test_originals_are_the_same_for_all_nested_and_right(world: World) -> None:
    most = rows.draw(world, replace(CELL, k=40))
    assert np.array_equal(world.classes(most.points), most.labels)
    for k in (8, 20):
        assert np.array_equal(rows.draw(world, replace(CELL, k=k)).points, most.points[:k])
    for condition in ("cod", "half", "random", "unvalidated", "shuffled"):
        assert np.array_equal(rows.draw(world, replace(CELL, condition=condition)).points[:10], most.points[:10])


@pytest.mark.parametrize("overshoot", [0.0, 0.05, 0.4])
def test_a_counterfactual_is_beyond_the_nearest_point_of_the_boundary(world: World, overshoot: float) -> None:
    drawn = rows.draw(world, replace(CELL, condition="cod", overshoot=overshoot))
    starts, ends = drawn.pairs
    assert len(starts) == round(drawn.valid * 10)
    assert (world.classes(starts) != world.classes(ends)).all()
    far, near = np.linalg.norm(ends - starts, axis=1), world.boundary.distances(starts)
    assert (far <= near + max(overshoot, rows.LEAST) + 1e-9).all()
    assert (far > near).all()
    assert np.array_equal(drawn.labels[10:], 1 - drawn.labels[:10])


def test_random_moves_as_far_and_keeps_the_class(world: World) -> None:
    plain = rows.draw(world, replace(CELL, condition="cod"))
    moved = rows.draw(world, replace(CELL, condition="random"))
    assert moved.valid == 1
    assert np.array_equal(moved.labels[10:], moved.labels[:10])
    assert np.array_equal(world.classes(moved.points[10:]), moved.labels[10:])
    lengths = [np.linalg.norm(one.points[10:] - one.points[:10], axis=1) for one in (plain, moved)]
    assert np.allclose(*lengths)


def test_shuffled_and_cfe_only_have_counterfactuals_of_the_other_rows(world: World) -> None:
    alone = rows.draw(world, replace(CELL, condition="cfe-only"))
    plain, other = (rows.draw(world, replace(CELL, condition=name)) for name in ("cod", "shuffled"))
    assert np.array_equal(alone.points[:10], plain.points[10:])
    assert np.array_equal(alone.points[10:], other.points[10:])


def test_one_linear_step_goes_down_the_gradient_and_nobody_looks(world: World) -> None:
    drawn = rows.draw(world, replace(CELL, condition="unvalidated"))
    starts, ends = drawn.pairs
    slopes = ((ends - starts) * world.gradients(starts)).sum(1)
    assert (np.sign(slopes) == -np.sign(world.margins(starts))).all()
    assert np.array_equal(drawn.labels[10:], 1 - world.classes(starts))
    assert drawn.valid == 1


def test_one_side_is_one_side(world: World) -> None:
    drawn = rows.draw(world, replace(CELL, sided=True))
    assert (drawn.points[:, 0] < rows.MIDDLE).all()
    assert drawn.labels.mean() == 0.5


def test_kept_rows_hold_what_the_teacher_gets_wrong(worlds: dict[tuple[int, float], World]) -> None:
    world = worlds[SEED, 0.4]
    kept = rows.draw(world, replace(CELL, k=40, noise=0.4, kept=True))
    wrong = world.classes(kept.points) != kept.labels
    assert wrong.any()
    truth = {tuple(point): label for point, label in zip(world.points, world.gold, strict=True)}
    assert [truth[tuple(point)] for point in kept.points] == list(kept.labels)
    flipped = rows.draw(world, replace(CELL, condition="cod", k=40, noise=0.4, kept=True))
    starts, ends = flipped.pairs
    assert (world.classes(starts) != world.classes(ends)).all()


def test_a_slot_without_a_counterfactual_takes_the_next_original(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = rows.draw(world, replace(CELL, k=40))
    found = rows._counterfactuals

    def lame(*given: object) -> tuple[np.ndarray, np.ndarray]:
        partners, there = found(*given)  # type: ignore[arg-type]
        there[:2] = False
        return partners, there

    monkeypatch.setattr(rows, "_counterfactuals", lame)
    drawn = rows.draw(world, replace(CELL, condition="cod"))
    assert drawn.valid == 0.8
    assert len(drawn.pairs[0]) == 8
    assert sorted(map(tuple, drawn.points[10:12])) == sorted(map(tuple, plain.points[20:22]))
    assert np.array_equal(drawn.labels[10:12], 1 - drawn.labels[:2])


def test_an_unknown_condition_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="'odd'"):
        rows.draw(world, replace(CELL, condition="odd"))
