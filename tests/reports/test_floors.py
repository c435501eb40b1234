"""A grid -> floors, ceilings and where `cod` stands against them, on page and site, in CSV, figures and terminal."""

from __future__ import annotations

import csv
import io
import re
import runpy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cod_bench.analysis import claims, compare
from cod_bench.analysis.aggregate import Grid
from cod_bench.design import suites
from cod_bench.design.suite import Block, Suite
from cod_bench.reports import beside, exports, floors, leaderboard, page, plots
from cod_bench.reports.figures import board
from cod_bench.reports.site import charts as site_charts
from cod_bench.reports.site import page as site
from cod_bench.reports.tables import percent
from cod_bench.spec import RunSpec
from tests import ROOT
from tests.reports.test_site import Tags
from tests.reports.test_site import grid as collected

made = runpy.run_path(str(ROOT / "tests" / "golden" / "regenerate.py"))
BARE: Suite = made["SUITE"]
SUITE = replace(
    BARE,
    floors=(
        Block(("lexicon",), ("standard",), (8, 16)),
        Block(("probe",), ("standard", "cod"), (8, 16)),
        Block(("probe",), ("whole-pool",), (0,), (0,)),
    ),
)
WHY = replace(suites.suite("why"), tracks=("minilm",), main_track="", seeds=(10, 11))
ACCURACY = {"lexicon": 0.7, "probe": 0.6}


def chance(spec: RunSpec) -> float:
    if spec.condition == "whole-pool":
        return 0.85
    return ACCURACY.get(spec.method) or 0.64 + 0.08 * (spec.condition == "cod") + 0.001 * spec.k


def records(suite: Suite = SUITE, *, without: str = "") -> list[Any]:
    """Runs of a suite; the lexicon reads no row, so that its predictions are the same at every k and seed."""
    own = {}
    for record in made["records"](suite, chance=chance):
        blind = record.spec.method == "lexicon"
        first = own.setdefault(record.spec.task, record) if blind else record
        same = {"predictions": first.predictions, "probabilities": first.probabilities, "metrics": first.metrics}
        if record.spec.method != without or not without:
            cost = {**record.cost, "human_labels": 0.0 if blind else 8.0}
            own[record.spec] = replace(record, cost=cost, **same)
    return [record for spec, record in own.items() if isinstance(spec, RunSpec)]


def grid(suite: Suite = SUITE, found: list[Any] | None = None) -> Grid:
    return collected(suite, records(suite) if found is None else found)


def rows(text: str) -> dict[tuple[str, str, str], list[str]]:
    """(what, method, rows) -> the numbers of the table."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]
    return {(one[0], one[1], one[2]): one[3:] for one in cells}


def test_the_main_part_of_page_and_index_opens_with_them() -> None:
    found = grid()
    text = page.page(found, claims.findings(found), [])
    assert text.index("## Floors and ceilings (%)") < text.index("## Accuracy (%)")
    files = leaderboard.render([(SUITE, [found])], figures=False)
    assert files["README.md"].index("### Floors and ceilings (%)") < files["README.md"].index("### Accuracy (%)")
    assert "## Per task: floors and ceilings (%)" in files["tiny/README.md"]
    assert "`floors.csv` (`cod` minus each floor)" in files["tiny/README.md"]
    assert "[frontier.md](frontier.md) and `frontier.csv`" in files["tiny/README.md"]


def test_a_line_is_the_mean_over_tasks_of_the_mean_over_seeds() -> None:
    found = grid()
    table = rows(floors.table(found))
    expected = []
    for k in (8, 16):
        own = [[run.metrics["accuracy"] for run in found.cell(task, "probe", "cod", k)] for task in SUITE.tasks]
        expected.append(float(np.mean(own)))
    assert table["floor", "probe", "`cod`"][:2] == [percent(value) for value in expected]
    assert table["floor", "probe", "`cod`"][2] == percent(float(np.mean(expected)))
    assert table["floor", "probe", "`cod`"][-1] == "20"
    pool = [found.cell(task, "probe", "whole-pool", 0)[0].metrics["accuracy"] for task in SUITE.tasks]
    assert table["ceiling", "probe", "`whole-pool`"][:3] == ["–", "–", percent(float(np.mean(pool)))]
    assert table["ceiling", "probe", "`whole-pool`"][-1] == "2"
    assert table["teacher", "–", "–"][2] == f"{100 * np.mean([*found.teachers.values()]):.1f}"
    assert table["student", "kd", "`cod`"][2] == rows_of_accuracy(found)["kd", "`cod`"][2]


def rows_of_accuracy(found: Grid) -> dict[tuple[str, str], list[str]]:
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in page.accuracy(found).splitlines()[2:]]
    return {(one[0], one[1]): one[2:] for one in cells}


def test_what_is_the_same_at_every_k_is_shown_once() -> None:
    found = grid()
    table = rows(floors.table(found))
    assert table["floor", "lexicon", "any"][:2] == ["=", "="]
    assert float(table["floor", "lexicon", "any"][2]) > 50
    one = next(record for record in records() if record.spec.method == "lexicon")
    other = [r if r.spec != one.spec else replace(r, **right(r)) for r in records()]
    assert rows(floors.table(grid(found=other)))["floor", "lexicon", "`standard`"][0] != "="


def right(record: Any) -> dict[str, Any]:
    """What a record says whose run is right on every row."""
    made_right = made["record"](record.spec, made["reference"](record.spec.task), chance=lambda _: 1.0)
    return {name: getattr(made_right, name) for name in ("predictions", "probabilities", "metrics")}


def test_differences_are_the_estimators_with_an_interval_and_without_p() -> None:
    found = grid()
    known = {(one.method, one.floor.method, one.floor.condition): one.found for one in floors.differences(found)}
    assert len(known) == 2 * 3
    one = known["kd", "probe", "cod"]
    by_hand = compare.compare(
        ("kd", compare.side(found, "kd", "cod", (8, 16))), ("probe", compare.side(found, "probe", "cod", (8, 16)))
    )
    assert (one.estimate, one.low, one.high) == (by_hand.estimate, by_hand.low, by_hand.high)
    assert one.p is None
    assert one.paired
    assert one.units == 10
    table, caption = floors.against(found)[1:]
    assert table.count("[") == 6
    assert "Exploratory: in no family of claims, no p, no correction and no verdict." in caption
    assert "lexicon  " in table
    assert "probe on `cod`" in table
    assert not [gain for gain in claims.gains(found) if gain.method in found.floors]


def test_before_the_grid_is_complete_there_are_means_alone() -> None:
    found = grid(found=records()[:-1])
    assert not found.complete
    text = "\n".join(floors.main_parts(found, level=2))
    assert "[" not in text
    assert "nothing is imputed" in text
    (line,) = [line for line in leaderboard.main_figure(found) if "Best floor" in line]
    assert re.fullmatch(
        r"Best floor: lexicon, \d\d\.\d % \(cod minus it: kd [-+]\d+\.\d\d, lwd [-+]\d+\.\d\d\)\.", line
    )


def test_floors_that_nobody_has_run_are_told_and_keep_the_grid_partial() -> None:
    found = grid(found=[r for r in records() if r.spec.method in ("kd", "lwd")])
    assert not found.complete
    assert floors.main_parts(found, level=2) == [
        "## Floors and ceilings (%)",
        "The suite declares floors and ceilings, and none of their 62 runs is there yet; nothing is imputed.",
    ]
    assert floors.per_task(found) == floors.against(found) == []
    assert floors.sentence(found) == ""
    some = grid(found=records(without="probe"))
    text = "\n".join(floors.main_parts(some, level=2))
    assert "42 of 62 runs are missing (`probe`); nothing is imputed." in text
    assert rows(floors.table(some))["floor", "probe", "`cod`"] == ["–"] * 5 + ["0"]
    assert all(effect is None for effect in (gain.effect for gain in claims.gains(some)))


def test_a_task_without_a_run_has_no_mean() -> None:
    found = grid(found=[r for r in records() if r.spec.method != "probe" or r.spec.task == "rt_quotes"])
    assert rows(floors.table(found))["ceiling", "probe", "`whole-pool`"][2] == "–"
    assert not [one for one in floors.differences(found) if one.floor.method == "probe"]
    assert "rt_quotes    | ceiling" in floors.per_task(found)[1]
    assert "brand_tweets | ceiling" not in floors.per_task(found)[1]


def test_the_best_floor_and_the_best_without_a_label_are_named() -> None:
    best = {"probe", "cod"}
    better = [
        replace(r, **right(r)) if {r.spec.method, r.spec.condition} == best and r.spec.k == 8 else r for r in records()
    ]
    text = floors.sentence(grid(found=better))
    assert re.match(r"Best floor: `probe` on the rows of `cod`, \d\d\.\d % \(`cod` minus it: `kd` -", text)
    assert "; best without a labelled row: `lexicon`, " in text
    assert floors.sentence(grid()).startswith("Best floor: `lexicon`, ")
    assert "labelled row" not in floors.sentence(grid())


def test_csv_has_floors_and_ceilings_and_what_cod_is_above_them() -> None:
    found = grid()
    overall = [*csv.DictReader(io.StringIO(exports.overall_csv(found)))]
    (ceiling,) = [row for row in overall if row["condition"] == "whole-pool"]
    assert (ceiling["method"], ceiling["scope"], ceiling["ks"], ceiling["runs"]) == ("probe", "whole-pool", "0", "2")
    assert sum(row["method"] == "probe" for row in overall) == 2 * 3 + 1
    told = [*csv.DictReader(io.StringIO(floors.csv(found)))]
    assert len(told) == len(floors.differences(found))
    assert all(float(row["low"]) < float(row["mean"]) < float(row["high"]) for row in told)
    bare = collected(BARE, records(BARE))
    assert "floors.csv" not in leaderboard.section(bare, claims.findings(bare), figures=False)


def test_a_suite_without_floors_says_nothing_of_them() -> None:
    found = collected(BARE, records(BARE))
    assert floors.main_parts(found, level=2) == floors.per_task(found) == []
    assert "loor" not in "\n".join(leaderboard.main_figure(found))


def test_a_submission_shows_those_of_its_suite_or_says_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = SUITE.variant(submitted=("mine",))
    assert mine.floors == ()
    own = collected(mine, records(mine))
    assert floors.main_parts(own, level=2) == []  # no suite of that name has any here
    monkeypatch.setattr(suites, "SUITES", {**suites.SUITES, "tiny": SUITE})
    assert floors.main_parts(own, level=2)[1] == (
        "This variant has none of its own: they stand in the section of suite `tiny`, track `minilm`, protocol `last`."
    )
    parts = beside.parts(own, grid())
    place = parts.index("### Floors and ceilings (%) of suite `tiny`")
    assert "| ceiling |" in "\n".join(parts[place:])


def test_curves_are_measured_against_floors_teacher_and_ceiling() -> None:
    found = grid()
    levels = {level.label: dict(level.points) for level in plots.levels(found, "rt_quotes")}
    assert list(levels) == ["teacher", "best ceiling (probe)", "lexicon (floor)", "probe (floor)"]
    assert set(levels["teacher"].values()) == {100 * found.teachers["rt_quotes"]}
    assert set(levels["lexicon (floor)"]) == {8, 16}
    text = board.learning_curve(found, "rt_quotes")
    assert text == board.learning_curve(found, "rt_quotes")
    for label in levels:
        assert f">{label}</text>" in text
    panel = site_charts.panels(found, found.shown)[0][0]
    assert panel.levels[0].label.startswith("teacher ")
    assert "best ceiling (probe)" in panel.label
    assert [level.label for level in plots.levels(collected(BARE, records(BARE)), "rt_quotes")] == ["teacher"]


def test_many_conditions_have_a_panel_each_before_standard_and_cod() -> None:
    found = grid(WHY, made["records"](WHY, chance=chance))
    drawn = plots.panels(found)
    assert [panel.title for panel in drawn] == [c for c in found.shown if c not in ("standard", "cod")]
    assert all(panel.behind == ("standard", "cod") for panel in drawn)
    text = board.learning_curve(found, "rt_quotes")
    assert ">words-only</text>" in text
    assert ">cod (behind)</text>" in text
    row = site_charts.panels(found, found.shown)[0]
    assert [panel.title for panel in row] == [panel.title for panel in drawn]
    assert sum(level.behind for level in row[0].levels) == 2
    assert [panel.title for panel in plots.panels(grid())] == ["kd", "lwd"]


def test_the_site_shows_the_table_and_the_lines() -> None:
    text = site.page([grid()])
    assert text.index("Floors and ceilings against") < text.index('id="cells"')
    assert text.count('<path class="level"') == 2 * 2 * 5  # tasks, methods, levels and chance
    assert 'aria-label="Grey lines"' in text
    regions = [attrs.get("aria-label") for _, attrs in Tags(text).found if attrs.get("role") == "region"]
    assert "Floors and ceilings" in regions
    assert len(text.encode()) < site.LIMIT
    assert "Floors and ceilings" not in site.page([collected(BARE, records(BARE))])
