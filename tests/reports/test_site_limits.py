"""Grids -> where the page says that `cod` does not gain, and what stands in its main table beside the students."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cod_bench.analysis import aggregate, claims, paired, stats
from cod_bench.analysis.aggregate import AboutCondition, Grid
from cod_bench.design.suite import Suite
from cod_bench.reports.site import charts as site_charts
from cod_bench.reports.site import data as site_data
from cod_bench.reports.site import limits
from cod_bench.reports.site import page as site
from cod_bench.reports.site import rows as site_rows
from cod_bench.spec import RunSpec
from tests.analysis.test_claims import LIFT, by_conditions
from tests.reports import test_floors
from tests.reports.test_site import SUITE, grid, made, outside_scripts, page


def only_quotes(spec: RunSpec, lift: float = 0.2, other: float = 0.0) -> float:
    return 0.6 + (spec.condition == "cod") * (lift if spec.task == "rt_quotes" else other)


def found(suite: Suite = SUITE, chance: Callable[[RunSpec], float] = only_quotes) -> Grid:
    return grid(suite, made["records"](suite, chance=chance))


def told(*grids: Grid) -> list[limits.Limit]:
    return limits.of([(one, claims.findings(one).claims) for one in grids])


def test_a_task_whose_interval_holds_0_is_named_and_one_that_gains_is_not() -> None:
    (limit,) = told(found())
    assert (limit.name, limit.suite, limit.rival, limit.elsewhere) == ("brand_tweets", "tiny", False, ())
    assert re.fullmatch(
        r"[+-]\d\.\d\d \[-\d\.\d\d, \+\d\.\d\d\] points, an interval that holds 0; \d of 5 seeds gains?", limit.told
    )
    units = paired.mean_differences(found(), "brand_tweets", ("kd", "lwd"), claims.MAIN_PAIR, (8, 16)).units
    assert limit.at == pytest.approx(float(units.mean()))
    assert f"{np.sum(units > 0)} of 5 seeds" in limit.told
    assert told(found(chance=lambda spec: only_quotes(spec, other=0.2))) == []


def test_a_task_that_loses_stands_before_one_that_is_level() -> None:
    first, second = told(found(chance=lambda spec: only_quotes(spec, lift=-0.25)))
    assert (first.name, second.name) == ("rt_quotes", "brand_tweets")
    assert "an interval that lies below 0; 0 of 5 seeds gain" in first.told


def test_under_four_seeds_the_seeds_are_counted_and_no_interval_is_made() -> None:
    few = replace(SUITE, seeds=(0, 1, 2))
    (limit,) = told(found(few, lambda spec: only_quotes(spec, other=-0.2)))
    assert re.fullmatch(r"-\d+\.\d\d points; 0 of 3 seeds gain, too few for an interval", limit.told)


def test_what_other_seeds_show_of_the_task_is_told_and_counts_no_more() -> None:
    more = replace(SUITE, name="more", seeds=tuple(range(10, 16)))
    flat, up = found(), found(more, lambda spec: only_quotes(spec, other=0.2))
    (limit,) = told(flat, up)
    assert limit.elsewhere == ("more",)
    assert told(flat, flat) == told(flat)  # the same runs speak once
    assert site_data.headline(site_data.section(flat)).but == "But in 1 task no gain is shown."
    assert site_data.headline(site_data.section(flat), site_data.section(up)).but == ""


def test_an_incomplete_grid_limits_nothing() -> None:
    partial = grid(SUITE, made["records"](SUITE, chance=only_quotes)[:-1])
    assert told(partial) == []


def test_what_somebody_submitted_never_speaks_at_the_head() -> None:
    mine = SUITE.variant(submitted=("mine",))
    assert told(found(mine, lambda spec: only_quotes(spec, other=-0.2))) == []
    assert told(found(), found(mine)) == told(found())


def test_only_the_method_that_the_others_are_ablations_of_speaks() -> None:
    def chance(spec: RunSpec) -> float:
        return 0.6 + 0.2 * (spec.condition == "cod") * (1 if spec.method == "kd" else -1)

    assert [limit.name for limit in told(found(replace(SUITE, pooled=False), chance))] == []
    assert {limit.name for limit in told(found(replace(SUITE), chance))} == {"rt_quotes", "brand_tweets"}


def test_what_is_ahead_stands_first_on_list_and_headline() -> None:
    about = {"random": AboutCondition("more", equal_k=False)}
    ahead = replace(by_conditions(lift={**LIFT, "random": 0.9}), conditions_about=about)
    first = told(ahead)[0]
    assert (first.name, first.rival) == ("random", True)
    assert re.fullmatch(
        r"is ahead of cod by \+\d[\d.]+ \[\+[\d.]+, \+[\d.]+\] points \(kd\); not at equal k", first.told
    )
    assert site_data.headline(site_data.section(ahead)).but.startswith("But 1 rival is ahead")
    text = outside_scripts(site.page([ahead]))
    beside = text.split('<aside class="limits"')[1].split("</aside>")[0]
    assert "<code>random</code> is ahead of cod by " in beside
    assert "suite hand-why" in beside


def test_the_page_shows_limits_beside_the_headline_and_none_where_there_are_none() -> None:
    text = outside_scripts(site.page([found()]))
    assert text.index('id="headline"') < text.index('<aside class="limits"') < text.index('id="leaderboard"')
    assert re.search(
        r'<h1 id="headline">Here they do: [^<]* <span class="but">But in 1 task no gain is shown.</span>', text
    )
    none = outside_scripts(site.page([found(chance=lambda spec: only_quotes(spec, other=0.2))]))
    assert '<aside class="limits"' not in none
    assert 'class="but"' not in none


def test_there_is_one_h1_whatever_is_missing() -> None:
    for text in (page(), page(records=made["records"](SUITE)[:-1])):
        assert outside_scripts(text).count("<h1") == 1


def test_a_line_has_the_interval_of_its_own_seeds_and_none_under_four_units() -> None:
    whole = found()
    by_key = {(r.task, r.method, r.condition, r.k): r for r in site_rows.rows(whole)}
    cell = by_key["rt_quotes", "kd", "cod", "8"]
    values = np.array([float(run.metrics["accuracy"]) for run in whole.cell("rt_quotes", "kd", "cod", 8)])
    assert cell.bounds == pytest.approx(stats.mean_interval(values))
    mean = by_key[site_rows.ALL_TASKS, "kd", "cod", site_rows.MEAN_K]
    assert mean.bounds is not None
    assert mean.accuracy is not None
    assert mean.bounds[0] < mean.accuracy < mean.bounds[1]
    few = {(r.task, r.condition): r.bounds for r in site_rows.rows(found(replace(SUITE, seeds=(0, 1)))) if r.k == "8"}
    assert few["rt_quotes", "cod"] is None  # two units
    assert few[site_rows.ALL_TASKS, "cod"] is not None  # four
    partial = grid(SUITE, made["records"](SUITE)[:-1])
    assert {(r.bounds, r.gain_bounds) for r in site_rows.rows(partial)} == {(None, None)}


def test_curves_have_no_whisker_under_four_seeds_and_say_how_many() -> None:
    for seeds, whiskers in (((0, 1, 2), False), ((0, 1, 2, 3), True)):
        few = found(replace(SUITE, seeds=seeds))
        (panel, *_), *_ = site_charts.panels(few, few.shown)
        marks = [mark for curve in panel.curves for mark in curve.marks]
        assert {mark.low is not None for mark in marks} == {whiskers}
        assert all(mark.text.endswith(f", n = {len(seeds)}") for mark in marks)
        assert f"{site_charts.CHANCE} 50.0 %" in [level.label for level in panel.levels]


def test_floors_ceilings_teacher_and_chance_are_lines_of_the_table() -> None:
    whole = test_floors.grid()
    own = [r for r in site_rows.rows(whole) if r.task == site_rows.ALL_TASKS]
    kinds = {r.kind for r in own}
    assert kinds == {"student", "floor", "ceiling", "teacher", "chance"}
    means = {(r.kind, r.method, r.condition): r.accuracy for r in own if r.k in (site_rows.MEAN_K, "–")}
    assert means["teacher", "–", "–"] == pytest.approx(np.mean([*whole.teachers.values()]))
    assert means["chance", "–", "–"] == pytest.approx(np.mean([*whole.majority.values()]))
    for method, condition in (("lexicon", "standard"), ("probe", "standard"), ("probe", "cod")):
        expected = aggregate.mean_accuracy(whole, method, condition, (8, 16))[0]
        assert means["floor", method, condition] == pytest.approx(expected)
    assert means["ceiling", "probe", "whole-pool"] == aggregate.mean_accuracy(whole, "probe", "whole-pool", (0,))[0]
    blind = next(r for r in own if r.method == "lexicon" and r.k == "8")
    assert (blind.sd, blind.bounds) == (0.0, None)  # nothing varies: no interval of width 0
    text = outside_scripts(site.page([whole])).split('id="cells"')[1].split("</table>")[0]
    assert text.count('<tr class="level">') == sum(r.kind != "student" for r in site_rows.rows(whole))
