"""Grids of several teachers -> what each says, captions, curves and whoever keys runs by their seed: none collide."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from cod_bench.analysis import claims, paired, stats
from cod_bench.analysis.aggregate import Grid
from cod_bench.records.declarations import Declared
from cod_bench.records.record import Record, Reference
from cod_bench.reports import beside, captions, floors, frontier, gains, leaderboard, page, plots, standing
from cod_bench.reports.asked import teachers
from cod_bench.reports.paper import claims as paper_claims
from cod_bench.reports.site import charts, evidence, facts, rows
from cod_bench.reports.site import data as site_data
from cod_bench.spec import RunSpec
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
def two() -> Grid:
    return asked.grid(asked.by_hand(), asked.TWO)


@pytest.fixture(scope="module")
def partial() -> Grid:
    gone = ("minilm@2", "t2", 3)
    return asked.grid([r for r in asked.records() if (r.spec.track, r.spec.task, r.spec.seed) != gone])


def test_each_teacher_alone_and_the_spread_between_them(two: Grid) -> None:
    found = claims.findings(two)
    heading, table, sentence, own, caption = teachers.parts(two, found.gains, level=3)
    assert heading == "### By teacher"
    (row,) = lines(table)
    # first teacher 10, 2 | -4, 6; second 20, 0 | 8, 6: means 3.5 and 8.5 points
    assert row == ["kd", "`cod` - `standard`", "8", "+6.00", "+3.50", "+8.50", f"{np.std([3.5, 8.5], ddof=1):.2f}"]
    assert sentence == (
        "1 of 1 comparison has the same sign with every teacher; between teachers the estimates have a standard "
        "deviation of 3.54 points."
    )
    assert [row[:3] for row in lines(own)] == [["t1", "100.0", "99.0"], ["t2", "100.0", "99.0"]]
    assert "is in no interval, p or verdict: these are of the mean over these 2 teachers" in caption
    assert page.main(two, found, level=2).count("## By teacher") == 1  # of a suite with claims too


def test_teachers_of_asked_comparisons_are_those_of_the_records(grid: Grid, found: claims.Findings) -> None:
    shown = teachers.compared(grid, found.gains)
    assert [(gain.method, gain.over, gain.ks) for gain in shown] == [
        ("kd", "standard", (8, 16)), ("kd", "half", (32,)), ("lwd", "standard", (16,)),
    ]  # fmt: skip
    for gain in shown:
        alone = [teachers.alone(grid, gain, teacher) for teacher in (0, 1, 2)]
        assert gain.effect is not None
        assert np.mean(alone) == pytest.approx(gain.effect.estimate)
        assert teachers.spread(grid, gain) == pytest.approx(np.std(alone, ddof=1))
        runs = {condition: [] for condition in ("cod", gain.over)}
        for spec, run in grid.runs.items():
            if spec.track == "minilm@1" and spec.method == gain.method and spec.k in gain.ks and spec.condition in runs:
                runs[spec.condition].append(float(run.metrics["accuracy"]))
        assert alone[1] == pytest.approx(np.mean(runs["cod"]) - np.mean(runs[gain.over]))


def test_a_teacher_without_runs_leaves_its_place_empty() -> None:
    grid = asked.grid([record for record in asked.by_hand() if record.spec.track == "minilm"], asked.TWO)
    found = claims.findings(grid)
    _, table, sentence, own, _ = teachers.parts(grid, found.gains, level=2)
    assert lines(table)[0][3:] == ["–", "+3.50", "–", "–"]  # a unit needs both teachers
    assert "nothing is said of how they differ" in sentence
    assert lines(own)[0][1:] == ["100.0", "–", "–"]
    assert teachers.parts(tiny(), claims.findings(tiny()).gains, level=2) == []


def test_captions_say_whom_the_numbers_are_averaged_over(grid: Grid, two: Grid) -> None:
    assert captions.conditional(grid).startswith(AVERAGED + " Protocol")
    assert captions.conditional(two).startswith("Averaged over 2 teachers a task (seeds 0, 1), conditional on them")
    assert captions.conditional(tiny()).startswith("Conditional on one teacher and one generator per task. Protocol")
    for text in (page.accuracy_caption(grid), floors.caption(grid), frontier.caption(grid)):
        assert "seeds and teachers" in text
    assert "Unit: (task, seed), averaged over 2 teachers and the primary k named" in gains.gain_caption(
        two, claims.findings(two)
    )
    (_, _, caption) = page.per_task(grid)
    assert "seeds won), each averaged over 3 teachers, n = 5 seeds declared" in caption
    assert "the slots of all seeds and teachers" in page.counterfactuals(grid)[2]
    plain = "\n".join(leaderboard.section(tiny(), claims.findings(tiny()), figures=False).values())
    assert "teachers and" not in plain
    assert "and teachers" not in plain


def test_a_declaration_that_rests_on_three_teachers_names_no_lack_of_them(grid: Grid) -> None:
    three = replace(grid, suite=replace(grid.suite, seeds=(200, 201, 202, 203, 204)))
    told = standing.declared(replace(three, declared_as=Declared("2026-01-01", teachers=3)))
    assert told == "Confirmatory: declared on 2026-01-01 before its first record."
    two_alone = standing.declared(replace(three, declared_as=Declared("2026-01-01", teachers=2)))
    assert two_alone.startswith("Confirmatory, for 2 teachers a task: declared")


def test_missing_runs_name_the_seed_of_their_teacher(grid: Grid, partial: Grid) -> None:
    text = leaderboard.incomplete(partial)
    assert "| task   | method   | condition     |   k |   teacher's seed |   missing seeds |   n |" in text
    told = lines("\n".join(line for line in text.splitlines() if line.startswith("|")))
    assert Counter((row[0], row[4], row[5]) for row in told) == {("t2", "2", "3"): 4 * 3 + 2}
    assert "missing seeds" in leaderboard.incomplete(replace(partial, suite=replace(asked.ASKING, teachers=(0,))))
    stale = leaderboard.incomplete(asked.grid(asked.records(), expected={}))
    assert re.search(r"teacher=1 \| `[0-9a-f]{12}`", stale)
    assert leaderboard.incomplete(grid).count("|") == 0


def test_a_curve_is_the_mean_over_teachers_with_an_interval_over_seeds(two: Grid) -> None:
    units = [np.array([70.0, 56.0]), np.array([57.0, 61.0])]
    (spot,) = plots.curve(two, two.suite.tasks, "kd", "cod")
    half = stats.quantile(2) * stats.unit_error(units)
    assert (spot.mean, spot.n) == (pytest.approx(61.0), 8)
    assert (spot.low, spot.high) == pytest.approx((61 - half, 61 + half))
    (row,) = [r for r in rows.rows(two) if (r.task, r.condition, r.kind) == (rows.ALL_TASKS, "cod", "student")]
    assert row.bounds == pytest.approx((0.61 - half / 100, 0.61 + half / 100))
    assert row.sd == pytest.approx(np.std([63.5, 58.5], ddof=1) / 100)
    assert row.gain == pytest.approx(0.06)
    assert (row.n, row.declared) == (8, 8)


def test_panels_of_the_page_are_means_over_teachers(grid: Grid) -> None:
    panel = charts.panels(grid, grid.shown)[0][0]
    runs = [float(run.metrics["accuracy"]) for run in grid.cell("t1", "kd", "cod", 8)]
    low, high = stats.mean_interval(100 * np.array(runs).reshape(3, 5).mean(axis=0))
    (curve,) = [own for own in panel.curves if own.style.condition == "cod"]
    assert curve.marks[0].text == f"cod, k = 8: {100 * np.mean(runs):.1f} % [{low:.1f}, {high:.1f}], n = 15"


def test_the_page_leads_to_the_records_and_files_of_every_teacher(grid: Grid) -> None:
    told = evidence.of(grid)
    assert told["teachers"] == ["minilm", "minilm@1", "minilm@2"]
    there = {f"_reference/{spec.track}/{run.record.reference}.json" for spec, run in grid.runs.items()}
    assert {path for paths in told["references"].values() for path in paths} == there
    assert [len(paths) for paths in told["references"].values()] == [3, 3]
    (method, _) = facts.methods([site_data.section(grid)], {})
    assert [recipe.track for recipe in method.recipes] == ["minilm"]  # a teacher's seed is no other recipe
    own = facts.teachers([grid])
    assert [(row[0], row[1], row[5]) for row in own] == [
        (track, task, f"{100 - turn:.1f}")
        for turn, track in enumerate(("minilm", "minilm@1", "minilm@2"))
        for task in ("t1", "t2")
    ]


def test_a_submission_stands_beside_runs_of_its_teachers_alone() -> None:
    mine = asked.TWO.variant(submitted=("mine",))
    made = asked.records(mine, lambda spec, target: asked.right(spec, target, 70))
    own, declared = asked.grid(made, mine), asked.grid(asked.by_hand(), asked.TWO)
    table, caption = beside.figures(own, declared)
    told = [row for row in lines(table) if row[0] == "`cod`"]
    assert [(row[1], row[3], row[4], row[-1]) for row in told] == [
        ("**mine**", "–", "70.0", "8"), ("kd", "same", "61.0", "8"),
    ]  # fmt: skip
    assert "(task, condition, k, teacher, seed) alone" in caption
    table, _ = beside.differences(own, declared)
    rows = {row[1]: row for row in lines(table)}
    assert rows["`cod`"][3] == "+9.00"
    assert rows["`cod`"][6:] == ["paired", "4"]
    # of the second teacher alone: what is declared is cut to it
    part = asked.grid([record for record in made if record.spec.track == "minilm@1"], mine)
    told = [row for row in lines(beside.figures(part, declared)[0]) if row[0] == "`cod`"]
    assert [(row[1], row[4], row[-1]) for row in told] == [("**mine**", "70.0", "4"), ("kd", "68.5", "4")]


def test_floors_are_compared_with_the_same_teacher() -> None:
    suite = replace(asked.TWO, floors=(replace(asked.TWO.blocks[0], methods=("probe",)),))

    def make(spec: RunSpec, target: Reference) -> Record:
        teacher = {"minilm": 0, "minilm@1": 1}[spec.track]
        more = asked.MORE[spec.task, spec.seed, teacher] if (spec.method, spec.condition) == ("kd", "cod") else 0
        return asked.right(spec, target, 50 + 10 * teacher + more)

    grid = asked.grid(asked.records(suite, make), suite)
    found = {one.floor.condition: one.found for one in floors.differences(grid)}
    assert found["standard"].estimate == pytest.approx(0.06)
    assert (found["standard"].units, found["standard"].paired) == (4, True)
    assert "averaged over 2 teachers and the k named" in floors.against(grid)[2]


def test_the_papers_claims_take_whole_cells_of_every_teacher(two: Grid) -> None:
    claim = next(
        one for one in paper_claims.claims() if one.kind == "superiority" and one.parts[0].plus == ("kd", "cod")
    )
    (first, _) = paper_claims.answer(claim, (two,) * len(claim.parts), decides=False)
    kd = [one for one, part in zip(first.estimates, claim.parts, strict=True) if part.plus[0] == "kd"]
    assert kd[0] is not None
    assert kd[0].units == 4
    assert kd[0].estimate == pytest.approx(0.06)
    gone = [r for r in asked.by_hand() if (r.spec.track, r.spec.seed, r.spec.condition) != ("minilm@1", 0, "cod")]
    short = asked.grid(gone, asked.TWO)
    assert paper_claims.answer(claim, (short,) * len(claim.parts), decides=False)[0].estimates[0] is None


def test_differences_of_the_section_files_are_of_the_same_runs(grid: Grid, found: claims.Findings) -> None:
    files = leaderboard.section(grid, found, figures=False)
    told = list(csv.DictReader(io.StringIO(files["cells.csv"])))
    assert {row["n"] for row in told} == {row["declared"] for row in told} == {"15"}
    single = [row for row in csv.DictReader(io.StringIO(files["significance.csv"])) if row["scope"] == "k=32"]
    by_over = {row["over"]: float(row["mean"]) for row in single if row["condition"] == "cod"}
    own = np.mean([paired.differences(grid, t, "kd", ("cod", "standard"), [32]).units.mean() for t in ("t1", "t2")])
    assert by_over["standard"] == pytest.approx(own, abs=1e-6)


def test_rows_of_unvalidated_are_set_beside_those_of_cod_with_the_same_teacher() -> None:
    def rows(one: Record) -> Record:
        # the same rows with the second teacher alone; each teacher's own otherwise
        other = "" if one.spec.track == "minilm@1" else one.spec.condition
        told = f"{one.spec.task} {one.spec.track} {one.spec.seed} {one.spec.k} {other}"
        return replace(one, rows={**one.rows, "hash": told, "roles": "op" * (one.spec.k // 2)})

    grid = asked.grid(list(map(rows, asked.records())))
    # two tasks, five seeds, three budgets; three teachers, one of them alike
    assert captions.selection(grid) == (
        "Its rows are those of `cod` in 30 of 90 (task, teacher, seed, k): the difference of the two says nothing "
        "about validation there."
    )
    assert "in 30 of 90 (task, teacher, seed, k)" in gains.gain_caption(grid, claims.findings(grid))
