"""Suites that name their comparisons -> their table, verdicts in words, exports, figures and page."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest

from cod_bench.analysis import claims, stats
from cod_bench.analysis.aggregate import AboutCondition, Grid
from cod_bench.design.suite import Asked
from cod_bench.records.declarations import Declared
from cod_bench.reports import captions, exports, gains, leaderboard, page
from cod_bench.reports.asked import comparisons, expected
from cod_bench.reports.figures import axes, forest
from cod_bench.reports.site import data as site_data
from cod_bench.reports.site import limits
from cod_bench.reports.site import page as site
from cod_bench.reports.tables import interval, points
from tests import asked
from tests.reports.test_gains import lines, tiny

AVERAGED = "Averaged over 3 teachers a task (seeds 0, 1, 2), conditional on them and on one generator per task."


@pytest.fixture(scope="module")
def grid() -> Grid:
    return asked.grid()


@pytest.fixture(scope="module")
def found(grid: Grid) -> claims.Findings:
    return claims.findings(grid)


@pytest.fixture(scope="module")
def partial() -> Grid:
    gone = ("minilm@2", "t2", 3)
    return asked.grid([r for r in asked.records() if (r.spec.track, r.spec.task, r.spec.seed) != gone])


def test_what_the_suite_asks_has_a_line_a_comparison_with_its_measure(grid: Grid, found: claims.Findings) -> None:
    table = comparisons.table(grid, found.claims)
    told = lines(table)
    assert [row[:4] for row in told] == [
        ["kd", "`cod` over `standard`", "points of accuracy", "8, 16"],
        ["kd", "`cod` over `unvalidated`", "points of matched accuracy", "8, 16"],
        ["kd", "gain of `cod` over `standard` falls with k", comparisons.MEASURES["trend"], "8, 16, 32"],
        ["kd", "`cod` within 1 point of `standard`", told[3][2], "32"],
        ["kd", "`cod` over `half`", "points of accuracy", "32"],
        ["lwd", "`cod` over `standard`", "points of accuracy", "16"],
    ]
    for row, gain, claim in zip(told, found.gains, found.claims, strict=True):
        e = gain.effect
        assert e is not None
        assert row[4:6] == [points(e.estimate), interval(e.low, e.high)]
        assert row[10:] == [f"{e.units}", f"{e.won}/{e.units}", f"**{claim.verdict}**"]
    headers = [cell.strip() for cell in table.splitlines()[0].strip("|").split("|")]
    assert headers == [*comparisons.COORDINATES, *comparisons.STATISTICS]


def test_an_equivalence_tells_the_interval_that_its_test_looks_at(grid: Grid, found: claims.Findings) -> None:
    e = found.gains[3].effect
    assert e is not None
    half = stats.half_width(e.se_units, e.se_rows, e.df, 0.9)
    low, high = comparisons.ninety(e)
    assert (low, high) == pytest.approx((e.estimate - half, e.estimate + half))
    assert lines(comparisons.table(grid, found.claims))[3][2] == (
        f"points of accuracy, 90 % interval {interval(low, high)}"
    )
    assert (e.p <= 0.05) == (low >= -claims.MARGIN and high <= claims.MARGIN)
    assert comparisons.ninety(None) is None


def test_verdicts_are_told_in_words_for_each_measure(grid: Grid, found: claims.Findings) -> None:
    said = comparisons.verdicts(grid, found.claims)
    kd, lwd = said.split(" lwd: ")
    shown, missed = kd.split("; *not shown*: ")
    assert shown.startswith("kd: *shown*: `cod` over `standard` (+")
    assert "`cod` over `unvalidated` in matched accuracy (+" in shown
    assert re.search(r"gain of `cod` over `standard` falls with k \(\+\d+\.\d\d a doubling\)", shown)
    assert "`cod` over `half` at k = 32 (+" in shown
    assert missed.startswith("`cod` within 1 point of `standard` at k = 32 (")
    assert lwd.startswith("*shown*: `cod` over `standard` (+")
    means = comparisons.meanings(found.claims)
    assert "(5 of kd, 1 of lwd)" in means
    assert "*shown* says that the gain falls as k doubles, *reversed* that it grows" in means
    assert "Holm's p of its two one-sided tests is at most 0.05" in means
    assert "the 90 % interval lies within 1 point of 0" in means
    plain = comparisons.meanings([claim for claim in found.claims if claim.gains[0].measure == "accuracy"])
    assert not [word for word in ("trend", "equivalence", "atched") if word in plain]


def test_the_section_has_the_table_the_teachers_and_no_claim_of_the_first_edition(
    grid: Grid, found: claims.Findings
) -> None:
    text = page.main(grid, found, level=2)
    heads = re.findall(r"^## .*", text, re.MULTILINE)
    assert heads == ["## Accuracy (%)", "## What the suite asks", "## By teacher", "## Gains in matched accuracy"]
    assert "Unit: (task, seed), averaged over 3 teachers and the k named; n = 10 units (2 tasks x 5 seeds)." in text
    assert "Holm p: over the comparisons that the suite names, method by method" in text
    assert ", of an equivalence that of its two one-sided tests; the smallest p" in text
    assert "not in this suite" not in text.lower()
    assert text.count(AVERAGED) == 4
    assert "one teacher and one generator" not in text
    matched = lines(gains.matched_parts(grid, found, level=2)[1])
    assert [row[1:3] for row in matched] == [
        ["`cod` - `standard`", "8, 16"], ["`cod` - `half`", "32"], ["`cod` - `standard`", "16"],
    ]  # fmt: skip


def test_before_all_runs_are_there_it_has_means_and_no_verdict(partial: Grid) -> None:
    own = claims.findings(partial)
    text = page.main(partial, own, level=2)
    told = lines(comparisons.table(partial, own.claims))
    assert [row[-1] for row in told] == ["9"] * 6  # units
    assert all(len(row) == 6 for row in told)
    assert "PARTIAL: means over the units" in text
    assert not re.search(r"\*\*(not )?shown\*\*|\*\*reversed\*\*", text)
    assert comparisons.parts(partial, own.claims) == [comparisons.table(partial, own.claims)]
    assert comparisons.parts(partial, []) == []


def test_an_expectation_is_of_the_difference_and_not_of_its_trend(grid: Grid) -> None:
    told = [
        {"condition": "cod", "over": "standard", "sign": "above", "lead": "a trial"},
        {"condition": "cod", "over": "unvalidated", "sign": "above", "lead": "a table"},
        {"condition": "cod", "over": "half", "sign": "below", "lead": "a guess"},
    ]
    declared = replace(grid, declared_as=Declared("2026-01-01", expected=tuple(told)))
    found = claims.findings(declared)
    own = [row[-1] for row in lines(comparisons.table(declared, found.claims))]
    assert own == ["above", "above", "nothing", "nothing", "below", "above"]
    (words,) = expected.words(declared, found.claims)
    assert (
        "`cod` above `standard` (a trial); `cod` above `unvalidated` (a table); `cod` below `half` (a guess)" in words
    )
    assert words.endswith("3 of 4 were shown; not shown so: kd: `cod` below `half`.")
    departed = replace(grid, declared_as=Declared("2026-01-01", departs="x", expected=tuple(told)))
    assert expected.words(departed, found.claims) == []


def test_a_condition_that_is_ahead_of_cod_is_told_by_what_the_suite_asks() -> None:
    suite = replace(
        asked.ASKING,
        asked=(Asked("cod", "half"), Asked("cod", "half", "matched"), Asked("cod", "unvalidated", ks=(32,))),
    )
    own = asked.records(
        suite, lambda spec, target: asked.right(spec, target, {"half": 80, "unvalidated": 70}.get(spec.condition, 60))
    )
    about = {"half": AboutCondition("half as many", equal_k=False)}
    grid = asked.grid(own, suite, conditions_about=about)
    found = claims.findings(grid)
    assert [claim.verdict for claim in found.claims] == ["reversed"] * 3
    told = gains.rivals([(grid, found.claims)])
    assert told.startswith("Ahead of `cod` in suite `asking` (kd): `half` by +20.00 [")
    assert "not at equal k, `unvalidated` by +10.00 [" in told
    assert told.endswith("points at k = 32.")
    assert [limit.name for limit in limits.of([(grid, found.claims)]) if limit.rival] == ["half", "unvalidated"]


def test_the_terminals_figure_is_the_asked_gain_and_tells_the_teachers(grid: Grid, found: claims.Findings) -> None:
    told = leaderboard.main_figure(grid, found)
    assert told[0] == "suite asking, track minilm, protocol last: cod - standard, accuracy points"
    kd, lwd = told[1:3]
    assert kd.startswith(f"kd: {points(found.gains[0].mean)}, 95 % interval ")
    assert "n = 10 units (2 tasks x 5 seeds, each averaged over 3 teachers), k = 8, 16" in kd
    assert lwd.endswith("k = 16")


def test_columns_of_exports_stay_and_the_family_tells_the_measure(grid: Grid, found: claims.Findings) -> None:
    first = next(csv.reader(io.StringIO(exports.significance_csv(tiny(), claims.gains(tiny())))))
    gained = list(csv.DictReader(io.StringIO(exports.significance_csv(grid, found.gains))))
    assert [*gained[0]] == first
    stated = list(csv.DictReader(io.StringIO(exports.claims_csv(grid, found.claims))))
    families = [
        "what the suite asks", "what the suite asks (matched)", "what the suite asks (trend)",
        "what the suite asks (equivalence)", "what the suite asks", "what the suite asks",
    ]  # fmt: skip
    assert [row["family"] for row in gained] == [row["family"] for row in stated] == families
    assert {gain.family_told for gain in claims.gains(tiny())} == {"methods"}


def test_a_forest_has_differences_alone_and_says_which_budgets(grid: Grid, found: claims.Findings) -> None:
    drawn = forest.of(grid)
    assert [gain.measure for gain in drawn] == ["accuracy", "matched", "accuracy", "accuracy"]
    assert [line.label for line in forest.rows(drawn)] == [
        "cod minus", "standard, k = 8, 16", "unvalidated (matched accuracy), k = 8, 16", "half, k = 32",
        "standard, k = 16",
    ]  # fmt: skip
    assert axes.undrawn(grid) == (
        "gain of cod over standard falls with k (kd); cod within a point of standard at k = 32 (kd)"
    )
    assert axes.undrawn(tiny()) == ""
    assert [line.label for line in forest.rows(forest.of(tiny()))][1] == "standard"
    said = comparisons.undrawn(grid, found.gains)
    assert said.startswith("Not drawn, since they are no gains in accuracy: kd: gain of `cod` over `standard` falls")
    assert comparisons.undrawn(tiny(), claims.gains(tiny())) == ""


def test_the_page_answers_by_the_asked_difference_and_draws_no_trend(grid: Grid, partial: Grid) -> None:
    shown = site_data.section(grid)
    told = site_data.headline(shown)
    first = [f"{100 * gain.mean:.1f}" for gain in claims.main_gains(shown.gains)]
    assert told.answer == f"Here they do: +{min(first)} to +{max(first)} accuracy points at the same number of labels."
    assert AVERAGED in told.basis
    assert "mean over k = 8, 16 (kd); 16 (lwd) and over 2 tasks × 5 seeds, each averaged over 3 teachers" in told.basis
    titles = [(title, [(a, b, f.rows[0].ks) for a, b, f in forests]) for title, forests in shown.groups]
    assert titles == [
        ("At the same k", [("cod", "standard", "8, 16"), ("cod", "standard", "16")]),
        ("At the same k, in matched accuracy", [("cod", "unvalidated", "8, 16")]),
        ("Over half as many labelled texts, trained as long", [("cod", "half", "32")]),
    ]
    text = site.page([grid])
    assert "falls with k" in text
    assert "By teacher" in text
    assert "runs of asking are made with several teachers" in text
    assert "standard deviation over seeds, and over teachers where there are several" in text
    not_yet = site_data.section(partial)
    assert not_yet.parts["claims"] == captions.untested(partial)
    assert "falls with k" in not_yet.parts["gains"]
    assert "Not decided yet" in site_data.headline(not_yet).answer
    assert "What the suite asks" not in site.page([tiny()])
    assert "By teacher" not in site.page([tiny()])


def test_the_headlines_limits_are_of_the_first_method_at_its_budgets(grid: Grid, found: claims.Findings) -> None:
    flat = asked.records(make=lambda spec, target: asked.right(spec, target, 60 - (spec.seed + 1) * (spec.method == "kd"
        and spec.task == "t1" and spec.condition == "cod")))  # fmt: skip
    own = asked.grid(flat)
    told = [limit for limit in limits.of([(own, claims.findings(own).claims)]) if not limit.rival]
    assert [(limit.name, limit.at) for limit in told] == [("t1", pytest.approx(-0.03)), ("t2", 0.0)]
    assert limits.of([(grid, found.claims)]) == []
