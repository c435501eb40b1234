"""Paired differences: of several teachers by hand, of trends as numpy fits them; what is not paired is left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cod_bench.analysis import claims, paired, stats
from cod_bench.analysis.aggregate import Grid
from cod_bench.design.suite import Suite
from cod_bench.spec import stream
from cod_bench.track import of_teacher
from tests import asked

PAIR = ("cod", "standard")


@pytest.fixture(scope="module")
def crossed() -> Grid:
    return asked.grid(asked.by_hand(), asked.TWO)


@pytest.fixture(scope="module")
def asking() -> Grid:
    return asked.grid()


@pytest.mark.parametrize("task", asked.TWO.tasks)
def test_a_unit_is_the_mean_over_teachers_of_differences_with_the_same_one(crossed: Grid, task: str) -> None:
    found = paired.differences(crossed, task, "kd", PAIR, [8])
    assert found.units == pytest.approx([asked.mean_of(task, seed) for seed in (0, 1)], abs=1e-12)
    for teacher, name in enumerate(crossed.on_teachers):
        alone = paired.mean_differences(crossed, task, ("kd",), PAIR, [8], teachers=(name,))
        assert alone.units == pytest.approx([asked.MORE[task, seed, teacher] / 100 for seed in (0, 1)], abs=1e-12)
    assert found.rows.mean() == pytest.approx(found.units.mean())


def test_the_test_is_over_units_and_not_over_runs(crossed: Grid) -> None:
    units = np.array([[asked.mean_of(task, seed) for task in asked.TWO.tasks for seed in (0, 1)]])
    (gain,) = claims.gains(crossed)
    assert gain.effect is not None
    # 15, 1, 2, 6 points: of sixteen sign patterns only all of one sign reach their sum
    assert (gain.effect.units, gain.effect.won, gain.effect.p) == (4, 4, 2 / 16)
    assert gain.effect.estimate == pytest.approx(units.mean())
    assert gain.effect.p == stats.sign_flip(units, np.full(4, 0.25), stream("any"))[0]
    assert gain.effect.se_units == pytest.approx(stats.unit_error([units[0, :2], units[0, 2:]]))
    assert gain.effect.df == 2


def test_a_seed_that_one_teacher_lacks_is_no_unit() -> None:
    def missing(track: str) -> Grid:
        own = asked.by_hand()
        gone = [r for r in own if (r.spec.track, r.spec.task, r.spec.seed, r.spec.condition) == (track, "t1", 0, "cod")]
        assert len(gone) == 1
        return asked.grid([record for record in own if record not in gone], asked.TWO)

    for track in ("minilm", "minilm@1"):
        found = paired.differences(missing(track), "t1", "kd", PAIR, [8])
        assert found.units == pytest.approx([asked.mean_of("t1", 1)])
        assert claims.gains(missing(track))[0].pairs == 3


def by_k(grid: Grid, task: str, ks: tuple[int, ...]) -> np.ndarray:
    """Differences of unit means by seed and k, from the records alone [seeds, ks]."""
    accuracy = {
        (s.condition, s.k, s.seed, of_teacher(s.track)[1]): float(run.metrics["accuracy"])
        for s, run in grid.runs.items()
        if s.task == task and s.method == "kd"
    }
    return np.array(
        [
            [
                np.mean([accuracy["cod", k, s, t] - accuracy["standard", k, s, t] for t in grid.suite.teachers])
                for k in ks
            ]
            for s in grid.suite.seeds
        ]
    )


@pytest.mark.parametrize("ks", [(8, 32), (8, 16, 32)])
@pytest.mark.parametrize("task", asked.ASKING.tasks)
def test_a_trend_is_the_negative_slope_that_numpy_fits(asking: Grid, task: str, ks: tuple[int, ...]) -> None:
    found = paired.trends(asking, task, "kd", PAIR, ks)
    slopes = [np.polyfit(np.log2(ks), own, 1)[0] for own in by_k(asking, task, ks)]
    assert found.units == pytest.approx([-slope for slope in slopes], abs=1e-9)
    assert found.rows.mean() == pytest.approx(found.units.mean())
    assert np.std(found.units) > 0


def test_a_trend_needs_every_budget_and_two_of_them_are_half_their_difference(asking: Grid) -> None:
    own = [r for r in asked.records() if (r.spec.task, r.spec.seed, r.spec.k, r.spec.condition) != ("t1", 1, 16, "cod")]
    assert len(paired.trends(asked.grid(own), "t1", "kd", PAIR, (8, 16, 32)).units) == 4
    assert len(paired.trends(asked.grid(own), "t1", "kd", PAIR, (8, 32)).units) == 5
    first, last = (paired.differences(asking, "t1", "kd", PAIR, [k]).units for k in (8, 32))
    assert paired.trends(asking, "t1", "kd", PAIR, (8, 32)).units == pytest.approx((first - last) / 2)  # two doublings


@given(gained=st.lists(st.integers(-40, 40), min_size=3, max_size=3), constant=st.integers(-5, 5))
def test_a_trend_does_not_see_what_is_the_same_at_every_k(gained: list[int], constant: int) -> None:
    def trend(extra: int) -> np.ndarray:
        suite = Suite("one", "One", ("minilm",), ("t1",), (0,), (8, 16, 32), asked.ASKING.blocks[:1], "g")
        more = dict(zip((8, 16, 32), gained, strict=True))
        own = asked.records(
            suite,
            lambda spec, target: asked.right(spec, target, 50 + (more[spec.k] + extra) * (spec.condition == "cod")),
        )
        return paired.trends(asked.grid(own, suite), "t1", "kd", PAIR, (8, 16, 32)).units

    assert trend(constant) == pytest.approx(trend(0), abs=1e-12)
    assert trend(0) == pytest.approx([(gained[0] - gained[2]) / 200], abs=1e-12)
