"""Findings -> tables of gains and their words: means over methods, matched accuracy, what each condition is worth."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest

from cod_bench.analysis import claims
from cod_bench.analysis.aggregate import AboutCondition
from cod_bench.records.declarations import Declared
from cod_bench.reports import captions, exports, gains, leaderboard, page
from cod_bench.reports.site import data as site_data
from cod_bench.reports.site import page as site
from tests.analysis.test_aggregate import collect, hand_records, made
from tests.analysis.test_claims import LIFT, WHY, by_conditions, controlled, leaning

ABOUT = {"half": AboutCondition("half as many", equal_k=False), "random": AboutCondition("words at random")}


def tiny():
    suite = made["SUITE"]
    return collect(made["records"](suite), suite, made["references"](suite.tasks))


def lines(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_the_mean_over_methods_stands_first_in_both_tables():
    grid = tiny()
    found = claims.findings(grid)
    rows = lines(gains.gain_table(grid, found))
    assert [row[:2] for row in rows[:3]] == [
        ["*all methods*", f"`cod` - `{over}`"] for over in ("standard", "random", "unvalidated")
    ]
    assert {row[6] for row in rows[:3]} == {"–"}  # no Holm p
    table, text = gains.claim_parts(grid, found.claims)
    assert [row[0] for row in lines(table)] == ["*all methods*", "kd", "lwd"]
    assert "Holm" not in lines(table)[0][1]
    assert "one test a claim, so without Holm" in text
    assert "every estimate and its whole 95 % interval are above 0 and Holm's p over 2 declared methods" in text
    written = list(csv.DictReader(io.StringIO(exports.claims_csv(grid, found.claims))))
    pooled = [row for row in written if row["method"] == "(mean of methods)"]
    assert len(pooled) == 4
    assert {row["holm_p"] for row in pooled} == {""}


@pytest.mark.parametrize(
    ("seeds", "told"),
    [
        ((0, 1), ", so nothing can be shown here."),  # 4 units: p is at least 0.125
        ((0, 1, 2), ", so no lone method can be shown here."),  # 6 units: 0.03125, and twice that for two methods
        ((0, 1, 2, 3, 4), "can reach here is 0.0039. "),
    ],
)
def test_what_a_small_design_cannot_show_is_told(seeds: tuple[int, ...], told: str):
    suite = replace(made["SUITE"], seeds=seeds)
    grid = collect(made["records"](suite), suite, made["references"](suite.tasks))
    assert told in gains.claim_parts(grid, claims.findings(grid).claims)[1]


def test_the_caption_says_what_the_null_is_and_how_methods_correlate():
    grid = tiny()
    found = claims.findings(grid)
    told = gains.gain_caption(grid, found)
    assert "the two sides are exchangeable within a unit, not that the mean gain is 0" in told
    low, high = found.correlations["standard"]
    assert f"over units they correlate {low:.2f} (`cod` - `standard`)" in told
    assert low == high  # two methods make one pair
    assert "it rejects in 11 % of simulated grids of 10 units at a nominal 5 %" in told


@pytest.mark.parametrize("lean", [True, False])
def test_a_gain_that_vanishes_in_matched_accuracy_is_told_as_a_shift_of_threshold(*, lean: bool):
    if lean:
        grid = controlled(lambda spec: leaning(spec, to_one=spec.condition == "unvalidated"))
    else:
        grid = collect(hand_records())
    found = claims.findings(grid)
    heading, table, text = gains.matched_parts(grid, found, level=3)
    assert heading == "### Gains in matched accuracy"
    rows = lines(table)
    assert [row[0] for row in rows] == ["*all methods*", "kd", "lwd"]
    if lean:
        assert {row[-1] for row in rows} == {"yes"}
        assert "The gain of `cod` - `unvalidated` may be a shift of threshold (*all methods*: +50.00 [" in text
        assert "kd: +50.00 [+28.09, +71.91] in accuracy, +0.00 [+0.00, +0.00] in matched accuracy" in text
        assert "What remains" not in text
    else:
        gain = found.pooled[0]
        assert {row[-1] for row in rows} == {"no"}
        assert f"What remains of `cod` - `standard`: *all methods* +{100 * gain.effect.estimate:.2f} [" in text
        assert "may be a shift" not in text
    assert text.endswith(captions.conditional(grid))


def test_matched_and_agreement_stand_in_the_main_table():
    grid = controlled(lambda spec: leaning(spec, to_one=spec.condition == "unvalidated"), ("kd",))
    table = page.accuracy(grid)
    headers = [cell.strip() for cell in table.splitlines()[0].strip("|").split("|")]
    (_, lean) = lines(table)
    shown = dict(zip(headers, lean, strict=True))
    assert (shown["condition"], shown["mean over k"], shown["matched"]) == ("`unvalidated`", "50.0", "100.0")
    taught = [float(run.metrics["agreement"]) for spec, run in grid.runs.items() if spec.condition == "unvalidated"]
    assert shown["agreement"] == f"{100 * sum(taught) / len(taught):.1f}"
    assert shown["collapsed %"] == "100.0 (4/4)"
    assert "threshold at the evaluation prior" in page.accuracy_caption(grid)


def test_a_partial_grid_has_means_and_no_matched_gain():
    grid = collect(hand_records()[:-1])
    found = claims.findings(grid)
    assert gains.matched_parts(grid, found, level=2) == []
    assert [row[0] for row in lines(gains.gain_table(grid, found))] == ["*all methods*", "kd", "lwd"]


def test_what_each_condition_is_worth_has_a_verdict_a_line_and_marks_unequal_k():
    grid = replace(by_conditions(), conditions_about=ABOUT)
    found = claims.findings(grid)
    first, cod_over, second, over_standard, words = gains.worth(grid, found)
    assert first == "*`cod` over each condition*, 5 comparisons:"
    assert second == "*each condition over `standard`*, 5 comparisons:"
    rows = lines(cod_over) + lines(over_standard)
    assert len(rows) == 10
    assert {row[-1] for row in rows} == {"**shown**", "**not shown**", "**reversed**"}
    for row in rows:
        assert ("(not at equal k)" in row[1]) == ("`half`" in row[1])
    assert "Holm's p over the conditions of its table" in words
    text = page.main(grid, found, level=2)
    assert "## What each condition is worth (accuracy points)" in text
    assert "## Claims" not in text
    assert "Holm p: over the conditions of a table, method by method." in text
    assert not [name for name in claims.CLAIMS if f"*{name}*" in text]
    for sentence in re.split(r"[.:;] |\n", text):
        assert "half" not in sentence or "equal k" not in sentence.replace("(not at equal k)", "")


def test_what_was_declared_to_be_expected_stands_beside_the_verdicts_while_the_declaration_is_kept():
    expected = ({"condition": "cod", "over": "random", "sign": "below", "lead": "a trial"},)
    grid = replace(by_conditions(), declared_as=Declared("2026-01-01", expected=expected))
    parts = gains.worth(grid, claims.findings(grid))
    told = {row[1]: row[-1] for row in lines(parts[1])}
    assert told.pop("`cod` - `random`") == "below"
    assert {*told.values()} == {"nothing"}
    assert parts[-1].startswith(
        "`expected`: what was declared to be expected, and why: `cod` below `random` (a trial)."
    )
    assert parts[-1].endswith("all the same. 0 of 1 were shown; not shown so: `cod` below `random`.")
    right = replace(grid, declared_as=Declared("2026-01-01", expected=({**expected[0], "sign": "above"},)))
    assert gains.worth(right, claims.findings(right))[-1].endswith("all the same. 1 of 1 were shown.")
    partial = replace(by_conditions(drop=1), declared_as=grid.declared_as)
    assert "were shown" not in gains.worth(partial, claims.findings(partial))[-1]
    for other in (None, Declared("2026-01-01", "it departs", expected=expected)):
        plain = replace(grid, declared_as=other)
        assert "expected" not in " ".join(gains.worth(plain, claims.findings(plain)))


def test_what_is_ahead_of_cod_stands_before_everything_else():
    below = {**LIFT, "random": 0.9}
    grid = replace(
        by_conditions(lift=below), conditions_about={**ABOUT, "random": AboutCondition("more", equal_k=False)}
    )
    found = claims.findings(grid)
    told = gains.rivals([(grid, found.claims)])
    assert re.fullmatch(
        r"Ahead of `cod` in suite `hand-why` \(kd\): `random` by \+1[0-9.]+ .* points, not at equal k\.", told
    )
    assert gains.rivals([(by_conditions(), claims.findings(by_conditions()).claims)]) == ""
    text = leaderboard.render([(WHY, [grid])])["README.md"]
    assert text.index(told) < text.index("## ")
    plain = site_data.headline(site_data.section(grid)).sentence
    assert plain.endswith(gains.rivals([(grid, found.claims)], str))


def test_the_files_of_such_a_suite_tell_the_family_and_single_budgets():
    grid = replace(by_conditions(), conditions_about=ABOUT)
    files = leaderboard.section(grid, claims.findings(grid), figures=False)
    rows = list(csv.DictReader(io.StringIO(files["significance.csv"])))
    assert {row["family"] for row in rows} == {claims.COD_OVER, claims.OVER_STANDARD}
    assert {row["scope"] for row in rows} == {"primary", "k=8", "k=16"}
    keys = [(row["method"], row["condition"], row["over"], row["scope"], row["family"]) for row in rows]
    assert len(set(keys)) == len(keys)
    claimed = list(csv.DictReader(io.StringIO(files["claims.csv"])))
    assert len(claimed) == 10
    assert {row["verdict"] for row in claimed} == {"shown", "not shown", "reversed"}
    assert len(files["main.txt"].splitlines()) == 3  # heading, kd, state: cod - standard once
    assert WHY.name in files["main.txt"]


@pytest.mark.parametrize("drop", [0, 1])
def test_the_page_shows_what_each_condition_is_worth(drop: int):
    grid = replace(by_conditions(drop=drop), conditions_about=ABOUT)
    shown = site_data.section(grid)
    assert [row.method for row in shown.answer.rows] == ["kd"]
    for _, forests in shown.groups:
        assert all(len(plot.rows) == 1 for _, _, plot in forests)
    text = site.page([grid])
    if drop:
        assert "Not stated before the declared grid is complete." in text
    else:
        assert site_data.headline(shown).sentence.startswith("Here they do: +")
        assert "comparisons:" in shown.parts["claims"]
        assert "What remains of them in matched accuracy" in text
