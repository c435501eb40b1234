"""A grid -> sentences, tables, CSV, figures and the page's charts of accuracy against cost."""

from __future__ import annotations

import csv
import io
import math
import re
import runpy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cod_bench.analysis import aggregate
from cod_bench.analysis import frontier as frontiers
from cod_bench.analysis.frontier import AXES, NO_PRICE, Point
from cod_bench.design.suite import Block, Suite
from cod_bench.reports import frontier, leaderboard
from cod_bench.reports.figures import scale
from cod_bench.reports.site import charts as site_charts
from cod_bench.reports.site import frontier as site_frontier
from cod_bench.reports.site import page as site
from cod_bench.spec import RunSpec
from tests import ROOT
from tests.reports.test_site import EVIL, FIVE_THOUSAND, Tags
from tests.samples import sample_cost

made = runpy.run_path(str(ROOT / "tests" / "golden" / "regenerate.py"))
SUITE: Suite = made["SUITE"]
CELLS = frontiers.cells


def counted(spec: RunSpec) -> dict[str, float]:
    """What a run of the current code counts: `cod` asks the teacher much, the others little or nothing."""
    asked = {"cod": 900.25 * spec.k, "random": 90.0 * spec.k, "unvalidated": 40.0 * spec.k}.get(spec.condition, 0.0)
    labels = spec.k + 1.5 * (spec.condition == "cod")
    return sample_cost(
        human_labels=labels, teacher_queries=asked, llm_requests=0.0, pool_seconds=asked / 300, unlabelled_texts=7.0
    )


def records(suite: Suite = SUITE, cost: Callable[[RunSpec], dict[str, float]] = counted, **options: Any) -> list[Any]:
    return [replace(record, cost=cost(record.spec)) for record in made["records"](suite, **options)]


def grid(found: list[Any] | None = None, suite: Suite = SUITE) -> aggregate.Grid:
    found = records(suite) if found is None else found
    return aggregate.collect(
        suite, protocol="last", track="minilm", records=found, expected=made["expected"](found),
        references=made["references"](suite.tasks),
    )  # fmt: skip


def point(accuracy: float, half: float | None = 0.01, k: int = 8, **costs: float | None) -> Point:
    low, high = (None, None) if half is None else (accuracy - half, accuracy + half)
    own = dict.fromkeys(AXES, None) | costs
    unknown = {axis: "not counted" for axis, spent in own.items() if spent is None}
    return Point("kd", "cod", k, False, 5, accuracy, low, high, own, unknown, dict.fromkeys(frontiers.OTHERS))


def sentence(*points: Point, axis: str = "labels") -> str:
    return frontier.sentence(grid(), points, AXES[axis])


def test_a_sentence_goes_up_the_frontier_and_says_what_is_not_told_apart() -> None:
    text = sentence(point(0.631, labels=8.0), point(0.7, k=16, labels=16.5), point(0.705, k=32, labels=1200.0))
    assert text == (
        "At up to 8 human labels a task the most accurate is `kd` with `cod` at k = 8 (63.1 % [62.1, 64.1]); at up to "
        "16.5 it is `kd` with `cod` at k = 16 (70.0 % [69.0, 71.0]); from 1,200 on it is `kd` with `cod` at k = 32 "
        "(70.5 % [69.5, 71.5], its interval overlaps that of the one before)."
    )


def test_a_sentence_keeps_to_four_steps_and_counts_the_others() -> None:
    text = sentence(*(point(0.5 + n / 100 + (n >= 3) * 0.05, k=n, labels=float(n)) for n in range(1, 8)))
    assert text.count("`kd`") == 4
    assert text.endswith("3 smaller steps between these are in the table.")
    assert "At up to 1 human label a task" in text
    assert "from 7 on it is" in text


def test_points_that_tie_are_named_together() -> None:
    text = sentence(*(point(0.682, None, k=k, labels=0.0) for k in (8, 16)), point(0.7, None, k=32, labels=32.0))
    assert text.startswith(
        "At 0 human labels a task the most accurate is `kd` with `cod` at k = 8, 16 (68.2 %); from 32 on"
    )
    assert "overlaps that" not in text


def test_one_step_nothing_paid_and_nothing_counted_are_told_as_such() -> None:
    best = point(0.7, None, labels=8.0, dollars=0.0)
    assert sentence(best, point(0.6, None, labels=9.0, dollars=0.0)) == (
        "The most accurate is `kd` with `cod` at k = 8 (70.0 %), and nothing costs less than its 8 human labels."
    )
    assert sentence(best, axis="dollars") == (
        "Every point that is counted costs 0 dollars. The most accurate is `kd` with `cod` at k = 8 (70.0 %)."
    )
    assert sentence(best, axis="queries") == "Teacher queries: not counted in these records."
    assert sentence(axis="queries") == "Teacher queries: not counted in these records."


def test_points_without_a_cost_are_named_and_counted() -> None:
    unpriced = replace(point(0.9, None), unknown=dict.fromkeys(AXES, "not counted") | {"dollars": NO_PRICE})
    others = [replace(point(0.9, None), condition=f"own-{n}") for n in range(5)]
    text = sentence(point(0.7, None, dollars=0.25), unpriced, *others, axis="dollars")
    assert "nothing costs less than its 0.25 dollars" in text
    assert "Price unknown, and so on no frontier: 1 of 7 points (`kd` with `cod`)." in text
    assert "Not counted, and so on no frontier: 5 of 7 points (`kd` with `own-0`" in text
    assert "2 more)." in text


def test_the_files_of_a_section_agree_with_one_another() -> None:
    files = frontier.files(grid())
    drawn = {f"frontier-{axis}.svg" for axis in ("labels", "queries", "seconds")}
    assert set(files) == {"frontier.md", "frontier.csv"} | drawn
    rows = list(csv.DictReader(io.StringIO(files["frontier.csv"])))
    assert len(rows) == 19
    points = {(p.method, p.condition, str(p.k)): p for p in frontiers.of(grid())}
    for row in rows:
        own = points[row["method"], row["condition"], row["k"]]
        assert float(row["accuracy"]) == pytest.approx(own.accuracy, abs=1e-6)
        assert float(row["low"]) < float(row["accuracy"]) < float(row["high"])
        assert float(row["teacher_queries"]) == own.costs["queries"]
        assert float(row["seconds"]) == pytest.approx(0.8 + float(row["teacher_queries"]) / 300, abs=1e-5)
        assert (row["dollars"], row["unlabelled_texts"], row["llm_prompt_tokens"]) == ("0.000000", "7.000000", "")
    for axis in AXES:
        on = [row for row in rows if row[f"on_frontier_{axis}"] == "true"]
        assert len(on) == len(frontiers.frontier(points.values(), axis)) > 0
    text = files["frontier.md"]
    assert [f"({name})" in text for name in sorted(drawn)] == [True] * 3
    assert text.count(" * |") == sum(row[f"on_frontier_{axis}"] == "true" for row in rows for axis in AXES)
    assert "Conditional on one teacher and one generator per task." in text
    assert "on the machines that made the records" in text
    for axis in AXES.values():
        assert frontier.sentence(grid(), list(points.values()), axis) in text


def test_records_that_count_nothing_are_told_and_have_no_figure() -> None:
    old = grid(made["records"](SUITE))
    files = frontier.files(old)
    assert set(files) == {"frontier.md", "frontier.csv"}
    assert "Not counted: none of these records" in files["frontier.md"]
    assert "0 human labels" not in files["frontier.md"]
    first = next(csv.DictReader(io.StringIO(files["frontier.csv"])))
    assert [first[name] for name in ("human_labels", "teacher_queries", "dollars", "seconds")] == [""] * 4
    assert first["on_frontier_labels"] == ""


def test_a_partial_grid_has_means_and_neither_interval_nor_frontier() -> None:
    some = grid(records()[:-1])
    files = frontier.files(some)
    assert "PARTIAL: 189 of 190 runs" in files["frontier.md"]
    assert "the most accurate is" not in files["frontier.md"]
    assert "PARTIAL: means only" in files["frontier-labels.svg"]
    for row in csv.DictReader(io.StringIO(files["frontier.csv"])):
        assert (row["low"], row["high"], row["on_frontier_labels"]) == ("", "", "")
        assert row["accuracy"]
    empty = frontier.files(grid([]))
    assert set(empty) == {"frontier.md", "frontier.csv"}
    assert "No point yet" in empty["frontier.md"]


def test_figures_are_the_same_bytes_each_time_and_stand_empty_where_none_is_drawn() -> None:
    found = grid()
    first = frontier.files(found)
    assert first == frontier.files(found)
    bare = frontier.files(found, figures=False)
    assert set(bare) == set(first)
    assert {name for name, text in bare.items() if not text} == {name for name in first if name.endswith(".svg")}
    svg = first["frontier-queries.svg"]
    for needed in ("track minilm, protocol last", "teacher queries a task", ">frontier<", ">label-preserving<"):
        assert needed in svg
    assert "dc:date" not in svg


def test_the_leaderboard_has_the_files_and_checks_them(tmp_path: Any) -> None:
    files = leaderboard.render(made["found"]([SUITE], records(), made["references"](SUITE.tasks)))
    assert "tiny/frontier-seconds.svg" in files
    leaderboard.write(tmp_path, files)
    assert leaderboard.check(tmp_path, files) == []
    (tmp_path / "tiny" / "frontier.csv").write_text("changed")
    (tmp_path / "tiny" / "frontier-labels.svg").unlink()
    assert leaderboard.check(tmp_path, files) == ["tiny/frontier-labels.svg: missing", "tiny/frontier.csv: stale"]


def floors(monkeypatch: pytest.MonkeyPatch, *methods: str) -> None:
    """Count these methods as floors."""
    monkeypatch.setattr(frontiers, "cells", lambda found, _: CELLS(found, methods))


def test_floors_have_a_marker_of_their_own_in_the_panels_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = frontier.files(grid())["frontier-labels.svg"]
    assert "(floor)" not in plain
    floors(monkeypatch, "lwd")
    files = frontier.files(grid())
    assert ">lwd (floor)<" in files["frontier-labels.svg"]
    assert "lwd (floor)" in files["frontier.md"]
    rows = list(csv.DictReader(io.StringIO(files["frontier.csv"])))
    assert {row["method"] for row in rows if row["floor"] == "true"} == {"lwd"}
    chart = site_frontier.chart(grid(), site_charts.styles(grid().shown))
    (panel,) = chart.views[0].panels
    assert panel.lines[-1].style is None
    assert len(panel.lines[-1].spots) == 8
    assert "floors lwd " in panel.label
    floors(monkeypatch, "kd", "lwd")
    chart = site_frontier.chart(grid(), site_charts.styles(grid().shown))
    assert [panel.method for panel in chart.views[0].panels] == [site_frontier.FLOORS]
    assert ">floors<" in frontier.files(grid())["frontier-labels.svg"]


@pytest.mark.parametrize(
    ("spent", "text"),
    [(0.0, "0"), (8.0, "8"), (16.25, "16.2"), (300.4, "300"), (14404.8, "14,405"), (0.0125, "0.013"), (0.5, "0.5")],
)
def test_amounts_have_the_digits_that_tell_something(spent: float, text: str) -> None:
    assert scale.amount(spent) == text


@given(st.lists(st.floats(0, 1e6).map(lambda v: round(v, 6)), min_size=1, max_size=20))
@example([1e-06])
def test_costs_keep_their_order_on_the_axis_and_ticks_stand_inside(costs: list[float]) -> None:
    axis = scale.of_costs(costs)
    places = [axis.at(cost) for cost in sorted(costs)]
    assert places == sorted(places)
    assert all(0 <= place <= 1 for place in places)
    ticks = axis.ticks
    assert 2 <= len(ticks) <= 9 or axis.log
    assert all(-1e-9 <= place <= 1 + 1e-9 and math.isfinite(place) for place, _ in ticks)
    assert len({text for _, text in ticks}) == len(ticks)
    above = [cost for cost in costs if cost > 0]
    assert axis.log == bool(above and max(above) >= 10 * min(above))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_every_accuracy_stands_between_round_ticks(accuracies: list[float]) -> None:
    axis = scale.of_accuracies([point(accuracy, labels=8.0) for accuracy in accuracies])
    assert all(-1e-9 <= axis.at(100 * (accuracy + off)) <= 1 + 1e-9 for accuracy in accuracies for off in (-0.01, 0.01))
    assert axis.ticks[0][0] == pytest.approx(0)
    assert axis.ticks[-1][0] == pytest.approx(1)


def section(text: str) -> str:
    return text.split('<section id="costs"')[1].split("</section>")[0]


def test_the_page_has_a_choice_of_axes_with_sentences_figures_and_a_table() -> None:
    found = grid()
    text = section(site.page([found]))
    tags = Tags(text).found
    radios = [attrs for tag, attrs in tags if tag == "input"]
    assert [attrs["value"] for attrs in radios] == list(AXES)
    assert {attrs["type"] for attrs in radios} == {"radio"}
    assert [attrs["value"] for attrs in radios if "checked" in attrs] == ["labels"]
    assert [attrs["data-axis"] for _, attrs in tags if "data-axis" in attrs] == list(AXES)
    panels = [attrs for tag, attrs in tags if tag == "svg" and attrs.get("role") == "img"]
    assert len(panels) == 6  # no figure of dollars: nothing was paid
    assert all(attrs["aria-label"] for attrs in panels)
    assert text.count("<title>") == 19 * 3
    assert text.count('class="ring"') == text.count(", on the frontier</title>") > 3
    assert "Every point that is counted costs 0 dollars" in text
    assert len(re.findall("<tr", text)) == 20
    points = frontiers.of(found)
    best = max(points, key=lambda p: p.accuracy)
    assert f"<code>{best.condition}</code> at k = {best.k} ({100 * best.accuracy:.1f} %" in text


def test_the_style_sheet_hides_what_is_not_chosen_on_every_axis() -> None:
    style = site._own("style.css")
    for axis in AXES:
        assert f'.costs:has(> .axes [value="{axis}"]:checked) > .cost:not([data-axis="{axis}"])' in style


def test_the_page_of_old_partial_and_several_sections() -> None:
    old, some = grid(made["records"](SUITE)), grid(records()[:-1])
    text = section(site.page([old, some, grid()]))
    assert "Not counted: none of these records" in text
    assert "No frontier before all runs are there." in text
    names = {attrs["name"] for tag, attrs in Tags(text).found if tag == "input"}
    assert names == {"cost-1", "cost-2"}
    partial = section(site.page([some]))
    assert 'class="ring"' not in partial
    assert 'class="whisker"' not in partial
    assert 'class="frontier"' not in partial


def test_names_from_records_stay_text() -> None:
    suite = replace(
        SUITE, tasks=("rt_quotes",), seeds=(0, 1), blocks=(Block((EVIL, "$x$"), ("standard", "cod"), (8, 16)),),
    )  # fmt: skip
    found = grid(records(suite), suite)
    text = section(site.page([found]))
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    files = frontier.files(found)
    assert EVIL not in files["frontier.md"]
    assert "$x$" in files["frontier-labels.svg"]


def test_the_page_of_five_thousand_records_that_count_fits_in_its_budget() -> None:
    found = grid(records(FIVE_THOUSAND), FIVE_THOUSAND)
    assert len(frontiers.of(found)) == 100
    assert len(site.page([found]).encode()) <= site.LIMIT
