"""Grids -> gains of the mean over methods, what remains of them in matched accuracy, verdicts, families. By hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from cod_bench.analysis import aggregate, claims, paired, power, stats
from cod_bench.design.suite import Block, Suite
from cod_bench.spec import RunSpec
from tests import asked
from tests.analysis.test_aggregate import HAND, collect, hand_record, hand_records, made

WHY = Suite(
    "hand-why", "By hand", ("minilm",), ("t1", "t2"), (0, 1, 2, 3, 4), (8, 16),
    (
        Block(("kd",), ("standard", "cod", "random", "unvalidated", "half"), (8, 16)),
        Block(("kd",), ("label-preserving",), (16,)),
    ),
    "g", families="conditions",
)  # fmt: skip
LIFT = {"standard": 0.6, "cod": 0.75, "random": 0.6, "unvalidated": 0.68, "half": 0.5, "label-preserving": 0.6}


def by_conditions(suite: Suite = WHY, *, drop: int = 0, lift: Mapping[str, float] = LIFT) -> aggregate.Grid:
    records = made["records"](suite, chance=lambda spec: lift[spec.condition])
    return collect(records[: len(records) - drop], suite, made["references"](suite.tasks))


def leaning(spec: RunSpec, *, to_one: bool) -> object:
    """A run whose order of rows is perfect; one that leans calls all of them class 1."""
    reference = made["reference"](spec.task, rows=10)
    gold = [int(g) for g in reference.gold]
    p = [(9000 if g else 6000 if to_one else 1000) - row for row, g in enumerate(gold)]
    return made["from_predictions"](spec, reference, "".join(str(int(value > 5000)) for value in p), p)


def controlled(run: Callable[[RunSpec], object], methods: tuple[str, ...] = ("kd", "lwd")) -> aggregate.Grid:
    suite = replace(HAND, blocks=(Block(methods, ("cod", "unvalidated"), (8,)),))
    return collect([run(spec) for spec in suite.expand(track="minilm")], suite)


def test_the_mean_over_methods_by_hand():
    # kd .2 .1 | .1 .2 and lwd 0 -.1 | .1 0 (see test_aggregate): .1 0 | .1 .1 -> task means .05, .1 -> 7.5 points.
    # Sums of +-.1 +-0 +-.1 +-.1 that reach .3 in size: 2 signs x 2 of the zero, of sixteen.
    grid = collect(hand_records())
    (gain,) = claims.pooled(grid)
    assert (gain.method, gain.condition, gain.over, gain.ks) == (claims.POOLED, "cod", "standard", (8,))
    assert gain.effect.estimate == pytest.approx(0.075)
    assert (gain.effect.p, gain.effect.won, gain.holm) == (0.25, 3, None)
    found = paired.mean_differences(grid, "t1", ("kd", "lwd"), ("cod", "standard"), (8,))
    parts = [paired.differences(grid, "t1", method, ("cod", "standard"), (8,)) for method in ("kd", "lwd")]
    assert found.units == pytest.approx((parts[0].units + parts[1].units) / 2)
    assert found.rows == pytest.approx((parts[0].rows + parts[1].rows) / 2)
    # Deviations of kd .05 -.05 -.05 .05 and of lwd 0 -.1 .1 0: their products cancel.
    assert claims.correlations(grid)["standard"] == pytest.approx((0, 0), abs=1e-9)


def test_a_pooled_claim_is_one_test_and_comes_first():
    suite = made["SUITE"]
    grid = collect(made["records"](suite), suite, made["references"](suite.tasks))
    found = claims.findings(grid)
    firsts = {claim.name: claim for claim in reversed(found.claims)}
    assert {claim.method for claim in firsts.values()} == {claims.POOLED}
    for claim in firsts.values():
        assert claim.holm is None
        assert claim.p == max(gain.effect.p for gain in claim.gains)
        assert claim.verdict in ("shown", "not shown")
    low, high = found.correlations["standard"]
    assert -1 <= low <= high <= 1


def test_a_lone_method_has_no_mean_and_budgets_are_those_of_all():
    alone = replace(HAND, blocks=(Block(("kd",), ("standard", "cod"), (8,)),))
    grid = collect([r for r in hand_records() if r.spec.method == "kd"], alone)
    assert (claims.pooled(grid), claims.correlations(grid)) == ([], {})
    ablations = replace(HAND, pooled=False)
    grid = collect(hand_records(), ablations)
    assert (claims.pooled(grid), claims.correlations(grid)) == ([], {})
    assert {claim.method for claim in claims.findings(grid).claims} == {"kd", "lwd"}
    blocks = (Block(("kd",), ("standard", "cod"), (8, 16)), Block(("lwd",), ("standard", "cod"), (16,)))
    suite = replace(HAND, primary_k=(8, 16), blocks=blocks)
    records = [hand_record(spec, 5 + (spec.condition == "cod")) for spec in suite.expand(track="minilm")]
    (gain,) = claims.pooled(collect(records, suite))
    assert gain.ks == (16,)


def test_what_is_pooled_leaves_every_methods_own_numbers_as_they_are(monkeypatch):
    # More units than are enumerated, so patterns are drawn: each purpose has a stream of its own.
    monkeypatch.setattr(stats, "EXACT_UNITS", 2)
    monkeypatch.setattr(stats, "DRAWS", 999)
    grid = collect(hand_records())
    before = claims.gains(grid)
    claims.pooled(grid)
    assert claims.gains(grid) == before
    assert [gain.effect.p for gain in claims.findings(grid).gains] == [gain.effect.p for gain in before]


def test_before_all_runs_are_there_the_mean_has_no_statistics():
    found = claims.findings(collect(hand_records()[:-1]))
    (gain,) = found.pooled
    assert (gain.effect, gain.matched, gain.pairs) == (None, None, 3)
    assert {(claim.p, claim.verdict) for claim in found.claims} == {(None, None)}
    assert found.correlations == {}


def test_a_gain_by_leaning_alone_vanishes_in_matched_accuracy():
    grid = controlled(lambda spec: leaning(spec, to_one=spec.condition == "unvalidated"))
    for gain in (*claims.pooled(grid), *claims.gains(grid)):
        assert gain.effect.estimate == pytest.approx(0.5)
        assert claims.above(gain.effect)
        assert (gain.matched.estimate, gain.matched.low, gain.matched.high) == (0, 0, 0)
    assert {run.metrics["matched"] for run in grid.runs.values()} == {1.0}
    cells = {(cell["condition"], cell["matched"], cell["collapsed_share"]) for cell in aggregate.cells(grid)}
    assert cells == {("cod", 1.0, 0.0), ("unvalidated", 1.0, 1.0)}


def test_ties_at_the_cut_are_fractions_in_the_differences():
    # hand records have two values of p: of ten rows, five of class 1; right = 8 leaves rows 8 and 9 wrong, one a class.
    grid = controlled(lambda spec: hand_record(spec, 8 if spec.condition == "cod" else 7), ("kd",))
    found = paired.mean_differences(grid, "t1", ("kd",), ("cod", "unvalidated"), (8,), "matched")
    means = {spec.condition: float(run.metrics["matched"]) for spec, run in grid.runs.items() if spec.task == "t1"}
    assert found.units == pytest.approx([means["cod"] - means["unvalidated"]] * 2)
    # cod: 5 rows called 1, exact. unvalidated: row 7 (gold 1) is called 0 too, so 4 of p = 9000 and one of six at 1000.
    assert means["cod"] == pytest.approx(0.8)
    assert means["unvalidated"] == pytest.approx((3 + 2 * (1 / 6) + 4 * (5 / 6)) / 10)


@pytest.mark.parametrize(
    ("estimate", "low", "high", "p", "verdict"),
    [
        (0.02, 0.001, 0.039, 0.01, "shown"),
        (0.02, -0.001, 0.041, 0.01, "not shown"),  # the test alone does not do
        (0.02, 0.001, 0.039, 0.06, "not shown"),  # nor does the interval alone
        (0.02, None, None, 0.01, "not shown"),  # a single seed has no interval
        (-0.02, -0.039, -0.001, 0.01, "reversed"),
        (-0.02, -0.041, 0.001, 0.01, "not shown"),
    ],
)
def test_a_verdict_needs_test_and_interval(
    estimate: float, low: float | None, high: float | None, p: float, verdict: str
):
    suite = replace(HAND, blocks=(Block(("kd",), ("standard", "cod"), (8,)),))
    grid = collect([r for r in hand_records() if r.spec.method == "kd"], suite)
    (gain,) = claims.gains(grid)
    forced = replace(gain, effect=replace(gain.effect, estimate=estimate, low=low, high=high, p=p))
    (claim,) = claims.claims(grid, [forced])
    assert (claim.verdict, claim.holm) == (verdict, p)
    (pooled, _) = claims.claims(grid, [forced], [replace(forced, method=claims.POOLED)])
    assert (pooled.method, pooled.verdict, pooled.holm) == (claims.POOLED, verdict, None)


def test_families_over_conditions_ask_what_each_condition_is_worth():
    grid = by_conditions()
    gains = claims.gains(grid)
    others = ["standard", "unvalidated", "random", "label-preserving", "half"]
    cod_over = [gain for gain in gains if gain.family == claims.COD_OVER]
    over_standard = [gain for gain in gains if gain.family == claims.OVER_STANDARD]
    assert len(cod_over) + len(over_standard) == len(gains) == 10
    assert {(gain.condition, gain.over) for gain in cod_over} == {("cod", other) for other in others}
    assert {(gain.condition, gain.over) for gain in over_standard} == {
        (one, "standard") for one in ("cod", *others) if one != "standard"
    }
    for family in (cod_over, over_standard):
        assert [gain.holm for gain in family] == pytest.approx(stats.holm([gain.effect.p for gain in family]))
    # cod - standard is asked in both, by one and the same test
    both = [gain for gain in gains if (gain.condition, gain.over) == claims.MAIN_PAIR]
    assert len(both) == 2
    assert both[0].effect == both[1].effect
    assert claims.main_gains(gains) == both[:1]
    assert {gain.ks for gain in gains if "label-preserving" in (gain.condition, gain.over)} == {(16,)}
    assert {gain.ks for gain in gains if "label-preserving" not in (gain.condition, gain.over)} == {(8, 16)}


def test_families_over_conditions_make_a_claim_a_comparison_and_none_of_the_four():
    grid = by_conditions()
    found = claims.findings(grid)
    assert (found.pooled, found.correlations) == ((), {})
    assert [claim.gains for claim in found.claims] == [(gain,) for gain in found.gains]
    assert not {claim.name for claim in found.claims} & set(claims.CLAIMS)
    verdicts = {(c.gains[0].family, c.name): c.verdict for c in found.claims}
    assert verdicts[claims.COD_OVER, "cod over half"] == "shown"
    assert verdicts[claims.OVER_STANDARD, "half over standard"] == "reversed"
    assert verdicts[claims.OVER_STANDARD, "random over standard"] == "not shown"
    assert claims.main_verdicts(found.claims) == {"kd": "shown"}
    unfinished = claims.findings(by_conditions(drop=1))
    assert {claim.verdict for claim in unfinished.claims} == {None}


def test_single_budgets_of_families_over_conditions_are_adjusted_over_conditions_and_budgets():
    found = claims.exploratory(by_conditions())
    assert {gain.scope for gain in found} == {"k=8", "k=16"}
    for family in (claims.COD_OVER, claims.OVER_STANDARD):
        own = [gain for gain in found if gain.family == family]
        assert len(own) == 9  # four at k = 8, five at 16
        assert [gain.holm for gain in own] == pytest.approx(stats.holm([gain.effect.p for gain in own]))
        assert all(gain.matched is None for gain in own)


def test_a_condition_that_is_tried_in_such_a_suite_stays_exploratory():
    suite = replace(WHY, tried=("random",), blocks=(Block(("kd",), ("standard", "cod", "random"), (8, 16)),))
    grid = by_conditions(suite)
    assert not claims.by_conditions(grid)
    assert [(g.condition, g.over) for g in claims.gains(grid)] == [("random", "standard"), ("cod", "random")]
    assert claims.pooled(grid) == []


def test_power_is_asked_at_the_level_of_the_family():
    grid = by_conditions()
    (need,) = power.needs(grid, 0.05)
    units = [paired.differences(grid, task, "kd", claims.MAIN_PAIR, (8, 16)).units for task in WHY.tasks]
    spread = [float(np.std(own, ddof=1)) for own in units]
    assert need.power_now == pytest.approx(power.power(0.05, spread, 5, claims.ALPHA / 5))


def test_a_suite_that_names_its_comparisons_is_one_family_of_each_method():
    grid = asked.grid()
    found = claims.findings(grid)
    told = [(g.method, g.condition, g.over, g.measure, g.ks) for g in found.gains]
    assert told == [
        ("kd", "cod", "standard", "accuracy", (8, 16)),
        ("kd", "cod", "unvalidated", "matched", (8, 16)),
        ("kd", "cod", "standard", "trend", (8, 16, 32)),
        ("kd", "cod", "standard", "equivalence", (32,)),
        ("kd", "cod", "half", "accuracy", (32,)),
        ("lwd", "cod", "standard", "accuracy", (16,)),  # it has k = 16 alone, so that no trend is asked of it
    ]
    assert {gain.family for gain in found.gains} == {claims.ASKED}
    own = sorted((gain.effect.p, place) for place, gain in enumerate(found.gains[:5]))
    holm, largest = {}, 0.0
    for turn, (p, place) in enumerate(own):
        largest = max(largest, min(1.0, p * (5 - turn)))
        holm[place] = largest
    assert [gain.holm for gain in found.gains[:5]] == pytest.approx([holm[place] for place in range(5)])
    assert found.gains[5].holm == found.gains[5].effect.p  # a family of one
    assert (found.pooled, found.correlations) == ((), {})
    assert [claim.gains for claim in found.claims] == [(gain,) for gain in found.gains]
    assert [claim.name for claim in found.claims] == [
        "cod over standard",
        "cod over unvalidated in matched accuracy",
        "gain of cod over standard falls with k",
        "cod within a point of standard at k = 32",
        "cod over half",
        "cod over standard",
    ]


def test_each_asked_comparison_is_measured_by_its_own_measure():
    grid = asked.grid()
    plain, matched, trend, equal, half, _ = claims.gains(grid)

    def mean(how: Callable[[str], paired.Differences]) -> float:
        return float(np.mean([how(task).units.mean() for task in grid.suite.tasks]))

    pair = ("cod", "standard")
    assert plain.effect.estimate == pytest.approx(mean(lambda t: paired.differences(grid, t, "kd", pair, (8, 16))))
    own = ("cod", "unvalidated")
    told = mean(lambda t: paired.mean_differences(grid, t, ("kd",), own, (8, 16), "matched"))
    assert matched.effect.estimate == pytest.approx(told)
    assert trend.effect.estimate == pytest.approx(mean(lambda t: paired.trends(grid, t, "kd", pair, (8, 16, 32))))
    e = equal.effect
    assert e.estimate == pytest.approx(mean(lambda t: paired.differences(grid, t, "kd", pair, (32,))))
    assert e.p == stats.equivalence(e.estimate, e.se_units, e.se_rows, e.df, 0.01)
    assert (plain.matched is None, trend.matched, matched.matched) == (False, None, None)
    assert half.ks == (32,)


def test_verdicts_of_a_trend_and_of_an_equivalence():
    grid = asked.grid()
    told = {claim.name: claim.verdict for claim in claims.findings(grid).claims if claim.method == "kd"}
    assert told["gain of cod over standard falls with k"] == "shown"  # it is 15 points less at k = 32
    assert told["cod within a point of standard at k = 32"] == "not shown"  # the rows tell too little
    same = asked.records(make=lambda spec, target: asked.right(spec, target, 60))
    found = {claim.name: claim for claim in claims.findings(asked.grid(same)).claims if claim.method == "kd"}
    equal = found["cod within a point of standard at k = 32"]
    assert (equal.verdict, equal.holm) == ("shown", pytest.approx(0, abs=1e-12))
    assert found["gain of cod over standard falls with k"].verdict == "not shown"
    grows = asked.records(
        make=lambda spec, target: asked.right(spec, target, 50 + (spec.condition == "cod") * (spec.k + spec.seed))
    )
    found = {claim.name: claim for claim in claims.findings(asked.grid(grows)).claims if claim.method == "kd"}
    trend = found["gain of cod over standard falls with k"]
    assert trend.gains[0].effect.estimate < 0
    assert (trend.verdict, trend.p) == ("reversed", 2 / 1024)


def test_the_headlines_gain_is_the_asked_difference_in_accuracy():
    found = claims.findings(asked.grid())
    main = claims.main_gains(found.gains)
    assert [(gain.method, gain.measure, gain.ks) for gain in main] == [
        ("kd", "accuracy", (8, 16)), ("lwd", "accuracy", (16,)),
    ]  # fmt: skip
    verdicts = claims.main_verdicts(found.claims)
    assert verdicts == {"kd": found.claims[0].verdict, "lwd": found.claims[5].verdict}


def test_a_partial_grid_that_asks_has_means_and_no_verdict():
    grid = asked.grid(asked.records()[:-1])
    found = claims.findings(grid)
    assert all(gain.effect is None and gain.holm is None for gain in found.gains)
    assert {claim.verdict for claim in found.claims} == {None}
    assert found.gains[2].mean is not None


def test_a_variant_that_tries_a_condition_asks_nothing_by_name():
    tried = asked.ASKING.variant(tried=("mine",))
    grid = asked.grid(
        asked.records(tried, lambda spec, target: made["record"](spec, target, chance=lambda _: 0.6)), tried
    )
    assert not claims.by_asking(grid)
    assert {gain.family for gain in claims.gains(grid)} == {claims.METHODS}
    assert claims.asked(grid, "kd") == []
