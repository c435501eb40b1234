"""Records -> files: golden bytes, captions, partial and hostile input, checking, an A/A leaderboard."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cod_bench.analysis import aggregate, claims
from cod_bench.design.suite import Block, Suite
from cod_bench.errors import UsageError
from cod_bench.records.results import BadFile
from cod_bench.reports import leaderboard, page, tables
from tests import ROOT

GOLDEN = ROOT / "tests" / "golden"
REGENERATE = "python tests/golden/regenerate.py"
made = runpy.run_path(str(GOLDEN / "regenerate.py"))
SUITE: Suite = made["SUITE"]
SMOKE = Suite(
    "smoke", "Smoke", ("minilm",), ("rt_quotes",), (0, 1), (8,), (Block(("kd",), ("standard", "cod"), (8,)),), "g"
)


def rendered(suite: Suite, records: list, *, figures: bool = False, references=None, **kwargs) -> dict[str, str]:
    references = references or made["references"](suite.tasks)
    ways = {name: kwargs.pop(name) for name in ("bad", "states") if name in kwargs}
    return leaderboard.render(made["found"]([suite], records, references, **kwargs), figures=figures, **ways)


def collected(suite: Suite, records: list) -> aggregate.Grid:
    return aggregate.collect(
        suite,
        protocol="last",
        track="minilm",
        records=records,
        references=made["references"](suite.tasks),
        expected=made["expected"](records),
    )


def test_golden():
    files = made["render"](figures=False)
    texts = {name: text for name, text in files.items() if not name.endswith(".svg")}
    committed = {str(p.relative_to(GOLDEN)) for p in GOLDEN.rglob("*") if p.suffix in {".md", ".csv", ".txt"}}
    assert committed == set(texts), f"other files than committed; if that is meant: {REGENERATE}"
    for name, text in texts.items():
        same = (GOLDEN / name).read_bytes() == text.encode()
        assert same, f"{name} differs from tests/golden; if that is meant: {REGENERATE}"


def test_rendering_does_not_depend_on_the_order_of_records():
    records = made["records"](SUITE)
    assert rendered(SUITE, records) == rendered(SUITE, records[::-1])


def test_figures_are_the_same_bytes_each_time_and_name_track_and_protocol():
    records = made["records"](SMOKE)
    first = rendered(SMOKE, records, figures=True)["smoke/rt_quotes.svg"]
    assert first == rendered(SMOKE, records, figures=True)["smoke/rt_quotes.svg"]
    assert "track minilm, protocol last" in first
    assert "PARTIAL" not in first
    assert "date" not in first.lower()
    partial = rendered(SMOKE, records[:-1], figures=True)["smoke/rt_quotes.svg"]
    assert "PARTIAL" in partial


def test_captions_name_estimator_n_condition_protocol_track_and_smallest_p():
    text = rendered(SUITE, made["records"](SUITE))["tiny/README.md"]
    for needed in (
        "Conditional on one teacher and one generator per task. Protocol `last`, track `minilm`",
        "n = 10 units (2 tasks x 5 seeds)",
        "mean over tasks of the mean over seeds",
        "the smallest p that this design can reach is 0.0020",
        "stratified t over units (8 df)",
        "not estimable (needs at least 5 tasks)",
    ):
        assert needed in text
    # Every table of numbers is followed by its caption.
    assert text.count("Conditional on one teacher") == 6


def test_a_partial_grid_shows_means_and_n_and_nothing_more():
    records = made["records"](SUITE)[:-1]
    files = rendered(SUITE, records)
    text = files["tiny/README.md"] + files["README.md"]
    assert "PARTIAL: 189 of 190 runs" in text
    assert "Holm p" not in text
    assert "[+" not in text
    assert "[-" not in text
    assert "**shown**" not in text
    assert "Not stated before the declared grid is complete." in text
    for line in files["tiny/significance.csv"].splitlines()[1:]:
        # mean and pairs stand, every statistic is empty
        assert line.endswith("," * 17 + "methods")
    assert re.search(r"lwd .* unvalidated|brand_tweets", files["tiny/incomplete.md"])
    assert "1 of 190 runs are missing" in files["tiny/incomplete.md"]


def test_the_smoke_suite_renders_and_states_what_it_lacks():
    records = made["records"](SMOKE)
    text = rendered(SMOKE, records)["smoke/README.md"]
    assert "Not in this suite: through the flip, validation pays, validated counterfactuals." in text
    assert "No interval, p or claim from 2 units (1 task x 2 seeds): they take 4." in text
    assert "[+" not in text
    assert "[-" not in text
    assert "Holm p" not in text
    grid = collected(SMOKE, records)
    assert [c.verdict for c in claims.claims(grid, claims.gains(grid))] == [None]
    only = replace(SMOKE, blocks=(Block(("kd",), ("standard",), (8,)),))
    text = rendered(only, [r for r in records if r.spec.condition == "standard"])["smoke/README.md"]
    assert "Not in this suite: helps" in text
    assert "## Gains" not in text


def test_single_seed_and_missing_cfe_render():
    suite = replace(SMOKE, seeds=(0,))
    records = [replace(r, cfe=None) for r in made["records"](suite)]
    text = rendered(suite, records)["smoke/README.md"]
    assert "## Counterfactuals" not in text
    empty = dict.fromkeys(("edit_fraction", "margin_before", "margin_after")) | {"slots": 4, "valid": 0}
    empty |= dict.fromkeys(("first_flips", "redraws", "exhausted", "refused"), 0)
    records = [replace(r, cfe=empty if r.spec.condition == "cod" else None) for r in records]
    assert f"8 {'†'}" in rendered(suite, records)["smoke/README.md"]


def test_main_figure_complete_and_partial():
    records = made["records"](SUITE)
    lines = leaderboard.main_figure(collected(SUITE, records))
    assert lines[0] == "suite tiny, track minilm, protocol last: cod - standard, accuracy points"
    assert len(lines) == 5
    assert lines[-1] == "Submitted: nobody has re-run these records."
    end = r"n = 10 units \(2 tasks x 5 seeds\)"
    assert re.match(rf"all methods: \+\d\.\d\d, 95 % interval \[.*\], p = 0\.\d+ \(one test; .*{end}", lines[1])
    assert re.match(rf"kd: \+\d\.\d\d, 95 % interval \[.*\], p = 0\.\d+ \(Holm .*{end}", lines[2])
    lines = leaderboard.main_figure(collected(SUITE, [r for r in records if r.spec.seed == 0]))
    assert "PARTIAL: 38 of 190 runs" in lines[0]
    assert re.match(r"all methods: [+-]\d\.\d\d, n = 2 of 10 units, k = 8, 16$", lines[1])
    assert re.match(r"kd: [+-]\d\.\d\d, n = 2 of 10 units, k = 8, 16$", lines[2])
    assert leaderboard.main_figure(collected(SUITE, []))[2].startswith("kd: –, n = 0 of 10")


def test_protocols_and_tracks_never_share_a_table():
    suite = replace(SMOKE, tracks=("minilm", "toy"), protocols=("last", "paper"), main_track="toy")
    references = made["references"](suite.tasks) | made["references"](suite.tasks, track="toy")
    toy = made["records"](suite, track="toy")
    records = made["records"](suite)[:2] + toy + made["records"](suite, protocol="paper")
    files = rendered(suite, records, references=references)
    folders = {name.rpartition("/")[0] for name in files}
    assert folders == {"", "smoke", "smoke/last-minilm", "smoke/paper-minilm"}
    # The main section is protocol `last` on the suite's main track.
    assert files["smoke/README.md"].startswith("# Smoke (suite `smoke`): track `toy`, protocol `last`")
    assert "Unranked protocol." in files["smoke/paper-minilm/README.md"]
    assert "(smoke/last-minilm/README.md), 2 runs, submitted." in files["README.md"]


@pytest.mark.parametrize(
    ("main", "own", "other", "first"),
    [("minilm", 2, 4, "minilm"), ("", 2, 4, "minilm"), ("toy", 4, 4, "toy"), ("minilm", 0, 4, "toy")],
)
def test_the_main_section_is_the_main_tracks_while_it_has_a_run_and_else_of_most_runs(
    main: str, own: int, other: int, first: str
):
    suite = replace(SMOKE, tracks=("minilm", "toy"), main_track=main)
    references = made["references"](suite.tasks) | made["references"](suite.tasks, track="toy")
    records = made["records"](suite)[:own] + made["records"](suite, track="toy")[:other]
    files = rendered(suite, records, references=references)
    assert files["smoke/README.md"].startswith(f"# Smoke (suite `smoke`): track `{first}`")


def test_no_runs_and_only_stale_runs():
    assert "No run yet." in rendered(SMOKE, [])["README.md"]
    assert "4 stale records" in rendered(SMOKE, made["records"](SMOKE), expected={})["README.md"]


def test_stale_and_unreadable_files_are_listed_without_their_folder():
    records = made["records"](SMOKE)
    expected = made["expected"](records) | {records[0].spec: "0" * 12}
    bad = [BadFile(Path("/somewhere/private/k008-seed0-x.json"), "not JSON: <b>bad</b> | at line 1")]
    text = rendered(SMOKE, records, expected=expected, bad=bad)["smoke/incomplete.md"]
    assert "expects run 000000000000" in text
    assert "k008-seed0-x.json" in text
    assert "private" not in text
    assert "&lt;b&gt;bad&lt;/b&gt; \\| at line 1" in text


def test_names_are_escaped_everywhere():
    evil = "<script>|`$x$\n_y_"
    suite = replace(
        SMOKE, title="<img src=x> | [a](b)", tasks=(evil,), blocks=(Block((evil,), ("standard", "cod"), (8,)),)
    )
    files = rendered(suite, made["records"](suite), figures=True)
    figure = next(name for name in files if name.endswith(".svg"))
    assert figure == "smoke/_script____x___y_.svg"
    for name, text in files.items():
        # CSV and plain text are not markup.
        assert name.endswith((".csv", ".txt")) or "<script>" not in text
    assert len(files["smoke/main.txt"].splitlines()) == 3
    text = files["smoke/README.md"]
    assert "<img" not in text
    assert "\\|\\`\\$x\\$ \\_y\\_" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    # A border inside a name is escaped, so every row of a table keeps its number of cells.
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows[:4]} == {9 + 1}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("brand_tweets", "brand_tweets"),
        ("_a_", "\\_a\\_"),
        ("a|b", "a\\|b"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("a\nb", "a b"),
    ],
)
def test_escape(name, text):
    assert tables.escape(name) == text


def test_numbers_on_an_edge_do_not_depend_on_their_last_bits():
    assert tables.percent(0.1 + 0.2) == tables.percent(0.3)
    assert tables.percent(0.81249999999999) == tables.percent(0.8125000000001)
    assert tables.points(-1e-17) == "+0.00"
    assert (tables.p_value(0.00001), tables.p_value(0.001953125), tables.p_value(None)) == ("0.00001", "0.0020", "–")


def test_check_names_stale_and_missing_files(tmp_path):
    files = rendered(SMOKE, made["records"](SMOKE), figures=True)
    leaderboard.write(tmp_path, files)
    fast = rendered(SMOKE, made["records"](SMOKE))
    assert leaderboard.check(tmp_path, fast) == []
    (tmp_path / "smoke/rt_quotes.svg").unlink()
    (tmp_path / "smoke/cells.csv").write_text("old")
    assert leaderboard.check(tmp_path, fast) == ["smoke/cells.csv: stale", "smoke/rt_quotes.svg: missing"]


def test_writing_where_a_file_stands_is_a_usage_error(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        leaderboard.write(tmp_path / "out", {"README.md": "x"})


def test_an_a_a_leaderboard_shows_nothing():
    # The same chance of a right answer in every condition: nothing may be shown.
    records = made["records"](SUITE, chance=lambda spec: 0.7 if spec.task == "rt_quotes" else 0.6)
    text = rendered(SUITE, records)["tiny/README.md"]
    assert "**not shown**" in text
    assert "**shown**" not in text
    assert "**reversed**" not in text


def test_the_very_same_predictions_under_two_names_differ_by_nothing():
    four = replace(SMOKE, seeds=(0, 1, 2, 3))
    first = {(r.spec.task, r.spec.seed): r for r in made["records"](four) if r.spec.condition == "standard"}
    records = []
    for r in made["records"](four):
        twin = first[r.spec.task, r.spec.seed]
        records.append(replace(r, predictions=twin.predictions, probabilities=twin.probabilities, metrics=twin.metrics))
    (gain,) = claims.gains(collected(four, records))
    assert (gain.effect.estimate, gain.effect.p, gain.effect.low, gain.effect.high) == (0, 1, 0, 0)


def test_rendering_imports_nothing_of_the_training_side():
    code = (
        "import runpy, sys; made = runpy.run_path('tests/golden/regenerate.py'); made['render'](figures=True);"
        "print([m for m in ('torch', 'transformers', 'datasets', 'evaluate') if m in sys.modules])"
    )
    root = ROOT
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_a_task_with_a_metric_of_its_own_has_a_table_ranked_by_it():
    records = made["records"](SUITE)
    task = SUITE.tasks[0]
    about = {task: aggregate.About(metric="mcc")}
    plain, told = rendered(SUITE, records), rendered(SUITE, records, about=about)
    name = f"{SUITE.name}/README.md"
    assert told.keys() == plain.keys()
    assert {key for key in plain if plain[key] != told[key]} == {name}  # nothing else is ranked by it
    section = told[name].split(f"## {task} by Matthews correlation")[1].split("\n## ")[0]
    means = [line.split("|")[-3].strip() for line in section.splitlines() if line.startswith("|")][2:]
    values = [float(mean) for mean in means if mean != tables.NONE]
    assert len(values) > 3
    assert values == sorted(values, reverse=True)
    grid = collected(SUITE, records)
    method, condition = grid.methods[0], grid.conditions(grid.methods[0])[0]
    ks = grid.primary(method, condition)
    runs = [[float(r.metrics["mcc"]) for r in grid.cell(task, method, condition, k)] for k in ks]
    assert tables.number(sum(sum(r) / len(r) for r in runs) / len(ks), 3) in means
    partial = rendered(SUITE, records[1:], about=about)[name]
    assert "PARTIAL, so not ranked" in partial


def test_slices_and_unranked_tasks_are_marked_and_chance_is_what_the_rows_say():
    records = made["records"](SMOKE)
    suite = replace(SMOKE, tasks=("yelp+local-00000001",))
    moved = made["records"](suite)
    references = made["references"](suite.tasks)
    (key,) = references
    gold = references[key].gold
    assert "local slice" not in "".join(rendered(SMOKE, records).values())
    text = rendered(suite, moved)["smoke/README.md"]
    assert "1 local slice (`+local-` in the name): not the canonical data." in text
    assert "yelp+local-00000001" in text
    assert ("chance is 50.0" in text) == (gold.count("1") * 2 == len(gold))
    marked = rendered(suite, moved, about={suite.tasks[0]: aggregate.About(ranked=False)})["smoke/README.md"]
    assert "**Unranked tasks: yelp+local-00000001.**" in marked
    grid = replace(collected(suite, moved), majority={suite.tasks[0]: 0.691})
    assert "naming the larger class alone reaches 69.1 (yelp+local-00000001)" in page.accuracy_caption(grid)


def test_what_a_figure_stands_on_is_told_where_it_is_weak():
    grid = collected(SUITE, made["records"](SUITE))
    task = SUITE.tasks[0]
    best = max(float(run.metrics["accuracy"]) for spec, run in grid.runs.items() if spec.task == task)
    assert not any("Weak teacher" in line for line in leaderboard.footing(replace(grid, teachers={task: best})))
    (told, *_) = leaderboard.footing(replace(grid, teachers={task: best - 0.01}))
    assert told.startswith(f"Weak teacher: {task} ")
    assert leaderboard.footing(collected(SUITE, [])) == []
