"""Simulations -> the statistics hold their promises."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from cod_bench.analysis import stats
from cod_bench.reports import gains
from tests.analysis import selfchecks


@pytest.fixture(scope="module")
def figures():
    return selfchecks.figures(np.random.Generator(np.random.PCG64(20)), draws=2_000)


@pytest.mark.parametrize("name", sorted(selfchecks.GATES))
def test_gate(figures, name):
    sign, bound = selfchecks.GATES[name]
    assert figures[name] <= bound if sign == "<=" else figures[name] >= bound
    # A rate far on the safe side would mean that nothing was simulated.
    assert 0.02 < figures[name] < 1


def test_no_gate_fails_and_every_figure_is_a_rate(figures):
    assert selfchecks.failing(figures) == []
    assert all(0 <= value <= 1 for value in figures.values())


def test_task_varying_effects_break_the_test_as_documented(figures):
    # Why no claim is made about new tasks.
    assert figures["task_varying_rejection_2pt"] > 0.07


def test_a_one_sided_collapse_breaks_the_test_as_the_captions_say(figures):
    # Its null is exchangeability, not a mean of zero: told, not gated.
    assert figures["collapse_rejection_10x2pt"] == pytest.approx(gains.COLLAPSE_REJECTION, abs=0.02)
    assert 0.05 < figures["collapse_rejection_10x4pt"] < figures["collapse_rejection_10x2pt"]


def test_a_broken_gate_is_named(figures):
    assert selfchecks.failing({**figures, "null_rejection": 0.2}) == ["null_rejection: 0.2000 is not <= 0.07"]


def test_an_interval_without_the_row_part_would_fail(monkeypatch):
    # The check has teeth: leave the evaluation rows out and coverage drops below the gate where rows matter most.
    monkeypatch.setattr(stats, "row_error", lambda rows: 0.0)
    monkeypatch.setattr(stats, "quantile", lambda df, level=0.95: 1.96)
    rng = np.random.Generator(np.random.PCG64(5))
    assert selfchecks.coverage(rng, 400, tasks=2, spread=0.02) < 0.93


def test_power_rises_with_the_effect_and_with_tasks_and_is_far_above_the_level(figures):
    # What a design of 2 x 5 can see: told, not gated, since protocol.md asks for no power.
    assert 3 * figures["null_rejection"] < figures["power_2x5_2pt"] < figures["power_2x5_4pt"] < 0.95
    assert figures["power_2x5_2pt"] + 0.2 < figures["power_6x5_2pt"]


def test_the_figures_are_told(capsys, figures):
    with capsys.disabled():  # what a closing note quotes
        sys.stdout.write("\n" + ", ".join(f"{name} {value:.4f}" for name, value in figures.items()) + "\n")
