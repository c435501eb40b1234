"""Figures: what stands on an axis is what the tables say; no single whisker rules it; the same bytes each time."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.markers import CARETDOWN, CARETUP

import cod_bench
from cod_bench import UsageError, figures, registry
from cod_bench.analysis import frontier as frontiers
from cod_bench.analysis.aggregate import Grid
from cod_bench.baselines.kd import DISTILLER as KD
from cod_bench.reports import plots
from cod_bench.reports.figures import costs, curves, limits, sheets, titles
from cod_bench.reports.figures.limits import Spot
from cod_bench.reports.figures.scale import of_costs
from tests import ROOT
from tests.reports.test_frontier import grid, records

RESULTS = ROOT / "results"


@pytest.fixture(scope="module")
def tiny() -> Grid:
    """Two tasks, two methods; complete."""
    return grid()


@pytest.fixture(scope="module")
def embedded() -> Grid:
    return cod_bench.grid(RESULTS)


@pytest.fixture
def ax() -> Axes:
    return Figure().subplots()


def bars(ax: Axes) -> dict[str, np.ndarray[Any, Any]]:
    """Label of each line with whiskers -> its means."""
    return {str(one.get_label()): np.asarray(one.lines[0].get_ydata()) for one in ax.containers}


def lines(ax: Axes) -> dict[str, np.ndarray[Any, Any]]:
    """Label of each plain line -> its values."""
    return {str(one.get_label()): np.asarray(one.get_ydata()) for one in ax.lines if one.get_label()[0] != "_"}


# the axis


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 40)), min_size=1, max_size=20), st.lists(st.floats(0, 100)))
def test_every_mean_and_level_is_on_the_axis(found: list[tuple[float, float]], others: list[float]) -> None:
    spots = [Spot(8, mean, mean - half, mean + half) for mean, half in found]
    low, high = limits.limits(spots, others, least=0.0, most=100.0)
    assert 0 <= low < high <= 100
    assert all(low <= value <= high for value in (*others, *(spot.mean for spot in spots)))


def test_a_single_whisker_does_not_rule_the_axis() -> None:
    usual = [Spot(8, mean, mean - 4, mean + 4) for mean in (58.0, 60.0, 62.0, 64.0)]
    low, high = limits.limits(usual)
    assert low < 54 < 68 < high
    assert not any(any(limits.beyond(spot, (low, high))) for spot in usual)
    long = Spot(8, 61.0, 21.0, 101.0)
    low, high = limits.limits([*usual, long])
    assert 50 < low < 54 < 68 < high < 72
    assert limits.beyond(long, (low, high)) == (True, True)
    assert limits.limits([], ()) == (0.0, 1.0)


def test_a_whisker_that_goes_on_ends_in_an_arrow(ax: Axes) -> None:
    spots = (Spot(8, 60.0, 20.0, 66.0), Spot(16, 64.0, 58.0, 70.0), Spot(32, 66.0, 60.0, 99.0))
    shown = curves.Curves((8, 16, 32), {"cod": spots}, (), (), plots.styles(["cod"]), {"cod": "CoD"})
    curves.draw(ax, shown, (50.0, 75.0))
    arrows = {line.get_marker(): line for line in ax.lines if line.get_marker() in (CARETDOWN, CARETUP)}
    assert {marker: (line.get_xdata()[0], line.get_ydata()[0]) for marker, line in arrows.items()} == {
        CARETDOWN: (8, 50.0), CARETUP: (32, 75.0),
    }  # fmt: skip
    assert {line.get_color() for line in arrows.values()} == {plots.styles(["cod"])["cod"][0]}
    assert ax.get_ylim() == (50.0, 75.0)


# what things are called


def test_things_are_called_as_people_write_them() -> None:
    assert titles.task("rt_quotes") == "Rotten Tomatoes quotes"
    assert titles.task("sst2+local-99b68202").replace("\u00a0", " ") == "SST-2 (local slice)"
    assert titles.condition("label-preserving") == "label-preserving edits"
    assert titles.method("kd") == "KD"
    for call in (titles.task, titles.condition, titles.method):
        assert call("of_mine") == "of_mine"


@pytest.mark.parametrize("kind", ["task", "condition", "baseline"])
def test_whatever_comes_with_the_package_says_what_it_is_called(kind: str) -> None:
    call = {"task": titles.task, "condition": titles.condition, "baseline": titles.method}[kind]
    called = [call(name) for name in registry.names(kind)]
    assert len({*called}) == len(called) > 8
    assert all(called)
    assert max(map(len, called)) < 35


def test_a_method_made_from_another_is_not_called_as_that_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(KD):
        name = "mine"

    monkeypatch.setattr(registry, "_values", {("baseline", "mine"): Mine})
    assert titles.method("mine") == "mine"


# one axis


def test_a_curve_is_what_the_table_says(embedded: Grid, ax: Axes) -> None:
    assert figures.learning_curve(embedded, ax, task="rt_quotes", method="kd") is ax
    with (ROOT / "leaderboard" / "embedded" / "cells.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if (row["task"], row["method"]) == ("rt_quotes", "kd")]
    for condition in embedded.conditions("kd"):
        means = [100 * float(row["accuracy"]) for row in rows if row["condition"] == condition]
        assert bars(ax)[titles.condition(condition)] == pytest.approx(means, abs=1e-4)
    grey = lines(ax)
    assert [label for label in grey if "floor" in label] == ["VADER (floor)", "probe (floor)"]
    assert set(grey["teacher"]) == {100 * embedded.teachers["rt_quotes"]}
    assert ax.get_title() == "KD, Rotten Tomatoes quotes"
    assert [text.get_text() for text in ax.get_xticklabels()] == ["8", "16", "32"]
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {*bars(ax), *grey}


def test_of_no_task_the_mean_over_tasks_is_drawn(embedded: Grid, ax: Axes) -> None:
    figures.learning_curve(embedded, ax, method="lwd", condition=("cod", "standard"), legend=False)
    with (ROOT / "leaderboard" / "embedded" / "overall.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if (row["method"], row["condition"]) == ("lwd", "cod")]
    means = [100 * float(row["accuracy"]) for row in rows if row["scope"].startswith("k=")]
    assert bars(ax)["counterfactuals (CoD)"] == pytest.approx(means, abs=1e-4)
    assert len(bars(ax)) == 2
    assert ax.get_title() == "LWD, mean of 2 tasks"
    assert ax.get_legend() is None


def test_axes_are_made_where_none_are_given(tiny: Grid) -> None:
    import matplotlib.pyplot as plt

    made = figures.learning_curve(tiny, task="rt_quotes", method="kd")
    assert isinstance(made, Axes)
    plt.close(made.figure)


def test_gains_are_those_of_the_function_of_that_name(embedded: Grid, ax: Axes) -> None:
    figures.gains(embedded, ax, method="kd")
    table = cod_bench.gains(embedded)
    wanted = table[table.method == "kd"]
    drawn = [line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata()) == 1]
    assert sorted(float(line.get_xdata()[0]) for line in drawn) == pytest.approx(sorted(wanted.points))
    spans = [tuple(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 2 and line.get_marker() == "None"]
    for low, high in zip(wanted.low, wanted.high, strict=True):
        assert any(span == pytest.approx((low, high)) for span in spans)
    filled = sum(to_hex(line.get_markerfacecolor()) != "#ffffff" for line in drawn)
    assert filled == int((wanted.holm <= 0.05).sum())
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert labels[:2] == ["counterfactuals (CoD) minus", "labelled texts"]
    assert "minus half the labelled texts" in labels


def test_what_is_not_shown_is_hollow(ax: Axes) -> None:
    why = cod_bench.grid(RESULTS, "why")
    figures.gains(why, ax)
    table = cod_bench.gains(why).drop_duplicates(["condition", "over"])  # one pair is in both families
    drawn = [line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata()) == 1]
    hollow = {round(float(m.get_xdata()[0]), 6) for m in drawn if to_hex(m.get_markerfacecolor()) == "#ffffff"}
    assert hollow == {round(points, 6) for points in table[table.holm > 0.05].points}
    assert 3 < len(hollow) < len(drawn) == len(table) == 31


def test_gains_of_single_conditions(tiny: Grid, ax: Axes) -> None:
    figures.gains(tiny, ax, condition=("cod", "random"), legend=False)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["counterfactuals (CoD) minus", "random edits"]
    marks = {line.get_marker() for line in ax.lines if len(line.get_xdata()) == 1}
    assert marks == {"D", "o", "s"}  # the mean of methods, and both


def test_costs_stand_at_their_own_values_and_the_frontier_is_ringed(tiny: Grid, ax: Axes) -> None:
    figures.frontier(tiny, ax, cost="queries", method="kd")
    points = [p for p in frontiers.of(tiny) if (p.method, p.condition) == ("kd", "unvalidated")]
    (own,) = [one for one in ax.containers if one.get_label() == "unvalidated counterfactuals"]
    assert own.lines[0].get_xdata() == pytest.approx([p.costs["queries"] for p in points], rel=0.05)
    assert own.lines[0].get_ydata() == pytest.approx([100 * p.accuracy for p in points])
    rings = [line for line in ax.lines if line.get_markerfacecolor() == "none"]
    assert len(rings) == sum(p.method == "kd" for p in frontiers.frontier(frontiers.of(tiny), "queries"))
    assert ax.get_xlabel() == "teacher queries a task"


@given(st.lists(st.floats(0, 1e5).map(lambda v: round(v, 3)), min_size=1, max_size=8), st.floats(0, 1e5))
def test_every_cost_has_its_own_place_and_every_place_its_cost(found: list[float], cost: float) -> None:
    across = of_costs(found)
    cost = max(cost, 0.0 if across.zero or not across.log else across.low / 2)
    assert costs._back(across, costs._forth(across, cost)) == pytest.approx(cost, rel=1e-6, abs=1e-6)
    places = [costs._forth(across, value) for value in sorted({0.0 if across.zero else across.low or 1.0, *found})]
    assert places == sorted(places)


def test_what_lacks_runs_has_no_whisker_and_says_so(ax: Axes) -> None:
    part = grid(records()[:-1])
    figures.learning_curve(part, ax, task="rt_quotes", method="kd")
    assert ", PARTIAL: means only, " in ax.get_title()
    for one in ax.containers:
        assert all(np.ptp(segment[:, 1]) == 0 for segment in one.lines[2][0].get_segments())
    gains = figures.gains(part, Figure().subplots())
    assert "PARTIAL" in gains.get_title()
    assert {to_hex(line.get_markerfacecolor()) for line in gains.lines if len(line.get_xdata()) == 1} == {"#ffffff"}
    for name in figures.NAMES:
        assert "PARTIAL: means only" in figures.sheet(name, part, cost="labels").get_suptitle()


@pytest.mark.parametrize(
    ("call", "asked", "sentence"),
    [
        ("learning_curve", {"task": "rt_quote", "method": "kd"}, "unknown task 'rt_quote': did you mean 'rt_quotes'"),
        ("learning_curve", {"method": "kdd"}, "unknown method 'kdd': did you mean 'kd'"),
        ("learning_curve", {"method": "kd", "condition": "codd"}, "unknown condition 'codd': did you mean 'cod'"),
        ("learning_curve", {}, "method: suite 'tiny' has several; name one of kd, lwd"),
        ("gains", {"condition": "codd"}, "unknown condition 'codd': did you mean 'cod'"),
        ("gains", {"method": "lwd", "condition": "half"}, "suite 'tiny': has no comparison of these"),
        ("frontier", {"method": "kd", "cost": "querys"}, "unknown cost 'querys': did you mean 'queries'"),
        ("frontier", {"method": "kd", "cost": "dollars"}, "cost 'dollars': nothing to draw; "),
        ("sheet", {"name": "curve"}, "unknown figure 'curve': did you mean 'curves'"),
        ("sheet", {"name": "curves", "width": "colum"}, r"width 'colum': name column \(3.25 in\), page"),
        ("sheet", {"name": "curves", "width": 0.5}, "width 0.5: name column .* or inches from 2 to 40"),
        ("sheet", {"name": "curves", "method": "lwd", "condition": "half"}, "has no curve of these methods"),
    ],
    ids=str,
)
def test_a_mistake_is_one_sentence(call: str, asked: dict[str, Any], sentence: str, tiny: Grid) -> None:
    with pytest.raises(UsageError, match=sentence):
        getattr(figures, call)(data=tiny, **asked)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"data": "typo"}, "'typo': is not there"),
        ({"suite": "embeded"}, "unknown suite 'embeded': did you mean 'embedded'"),
        ({"track": "minilm-fp23"}, "unknown track 'minilm-fp23'"),
        ({"protocol": "lats"}, "unknown protocol 'lats'"),
        ({"suite": "why", "method": "kd"}, "condition: kd has 17, too many for one axis; name some of standard, cod"),
    ],
    ids=str,
)
def test_a_folder_is_read_and_mistakes_in_it_told(asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        figures.learning_curve(**{"data": RESULTS, **asked})


# sheets and files


def test_a_sheet_has_a_panel_a_task_and_method_and_keeps_its_width(embedded: Grid) -> None:
    made = figures.sheet("curves", embedded)
    assert [ax.get_title() for ax in made.axes] == ["KD", "LWD", "TED", "", "", ""]
    assert made.axes[0].get_ylabel() == "Rotten Tomatoes quotes\naccuracy (%)"
    assert made.axes[3].get_ylabel() == "Tweets about brands\naccuracy (%)"
    assert [ax.get_xlabel() for ax in made.axes] == [*[""] * 3, *["labelled rows $k$"] * 3]
    assert len({ax.get_ylim() for ax in made.axes}) == 2  # an axis a task
    assert made.get_figwidth() == 6.75
    (legend,) = made.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts[:2] == ["labelled texts", "counterfactuals (CoD)"]
    assert "best ceiling" in texts
    assert legend.get_window_extent().width <= made.bbox.width
    narrow = figures.sheet("curves", embedded, width="column", task="rt_quotes")
    assert [ax.get_title() for ax in narrow.axes] == ["KD", "LWD", "TED"]
    assert narrow.get_figwidth() == 3.25
    (one,) = figures.sheet("curves", embedded, mean=True, method="kd", condition=("cod", "standard")).axes
    assert one.get_title() == "mean of 2 tasks, KD"
    assert len(one.containers) == 2


def test_many_conditions_have_a_panel_each_in_a_sheet() -> None:
    made = figures.sheet("curves", RESULTS, suite="why", task="brand_tweets")
    heads = [ax.get_title().replace("\n", " ") for ax in made.axes]
    assert len(heads) == 15
    assert "teacher-labelled texts alone" in heads
    assert {text.get_text() for text in made.legends[0].get_texts()} >= {"labelled texts (behind)", "teacher"}


def test_the_other_sheets_show_methods_and_what_was_not_counted(embedded: Grid, tiny: Grid) -> None:
    made = figures.sheet("frontier", tiny)
    assert [ax.get_title() for ax in made.axes] == ["KD", "LWD"]
    assert figures.uncounted(tiny) == ""
    assert figures.uncounted(embedded).startswith("Not counted, and so on no frontier: ")
    (ax,) = figures.sheet("gains", embedded, method="ted").axes
    assert ax.get_xlabel() == "accuracy points gained (TED)"
    assert {text.get_text() for text in figures.sheet("gains", embedded).legends[0].get_texts()} == {
        "mean of methods", "KD", "LWD", "TED",
    }  # fmt: skip


def test_a_pdf_brings_its_fonts_along_and_no_date(tiny: Grid, tmp_path: Path) -> None:
    made = figures.sheet("curves", tiny)
    found = figures.save(made, tmp_path / "new" / "curves.pdf").read_bytes()
    assert b"/FontFile2" in found  # type 42: TrueType
    assert b"/Type3" not in found
    assert b"CreationDate" not in found
    width, height = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+)", found).groups()  # type: ignore[union-attr]
    assert (float(width) / 72, float(height) / 72) == pytest.approx(made.get_size_inches(), abs=0.01)
    svg = figures.save(made, tmp_path / "curves.svg").read_text()
    assert "<text" not in svg
    assert "dc:date" not in svg
    assert figures.save(made, str(tmp_path / "curves.PNG")).read_bytes()[1:4] == b"PNG"
    with pytest.raises(UsageError, match=r"x\.jpg: the name must end in \.pdf, \.svg, \.png"):
        figures.save(made, "x.jpg")


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    script = (
        "import sys, cod_bench; from tests.reports.test_frontier import grid; from cod_bench import figures\n"
        "for form in figures.FORMATS:\n"
        "    for name in figures.NAMES:\n"
        "        figures.save(figures.sheet(name, grid()), f'{sys.argv[1]}/{name}.{form}')"
    )
    for seed in "12":
        (tmp_path / seed).mkdir()
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / seed)], cwd=ROOT, capture_output=True, text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert len(names) == 9
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name


def test_a_name_is_no_mathematics(tiny: Grid) -> None:
    made = Figure().subplots()
    looks = plots.styles(["$x$"])
    shown = curves.Curves((8,), {"$x$": (Spot(8, 50.0),)}, (), (), looks, {"$x$": "$x$"})
    curves.draw(made, shown, (0.0, 100.0))
    made.legend()
    assert b"PNG" in sheets.data(made.figure, "png")
    assert made.get_legend().get_texts()[0].get_text() == r"\$x\$"


def test_the_axes_are_of_what_is_asked_for_and_the_frontier_of_all(tiny: Grid) -> None:
    axis, points = frontiers.AXES["queries"], frontiers.of(tiny)
    found = costs.shown(points, axis, ("kd",), ("standard",))
    assert {(p.method, p.condition) for p in found} < {(p.method, p.condition) for p in points}
    assert frontiers.frontier(found, "queries") == frontiers.frontier(points, "queries")
    assert {p.condition for p in found if p.method == "kd"} >= {"standard"}
    assert costs.shown(points, axis, tiny.methods, ()) == points
