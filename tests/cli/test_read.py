"""The reading verbs on the published records: what they print, and the sentence for every mistake."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cod_bench.records.record import sealed, to_json
from cod_bench.records.results import Results
from tests import ROOT
from tests.cli.test_app import call
from tests.samples import sample_cost


def test_a_table_is_printed_and_written_in_three_forms(tmp_path: Path) -> None:
    done = call("table", "5", "--results", str(ROOT / "results"), "--out", str(tmp_path / "tables"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("# Table 5: KD and LWD, DeBERTa-v3-base to xsmall")
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == [
        "table-5.csv", "table-5.md", "table-5.tex",
    ]  # fmt: skip


def test_comparing_conditions_gives_the_published_gain(tmp_path: Path) -> None:
    done = call("compare", "cod", "standard", "--results", str(ROOT / "results"), cwd=tmp_path)
    published = (ROOT / "leaderboard" / "embedded" / "main.txt").read_text().splitlines()[2:5]
    *printed, standing = done.stdout.splitlines()[1:]
    assert standing.startswith("records: ")
    assert [line.split(": ")[1].split()[0] for line in printed] == [
        line.split(": ")[1].split(",")[0] for line in published
    ]


def test_a_comparison_with_unvalidated_tells_that_it_is_a_selected_sample(tmp_path: Path) -> None:
    told = "`unvalidated` is a selected sample: of its 280 slots 94.3 % have their first answer"
    for other, times in (("unvalidated", 1), ("random", 0)):
        done = call("compare", "cod", other, "--results", str(ROOT / "results"), cwd=tmp_path)
        assert done.stdout.replace("\n", " ").count(told) == times


def test_a_folder_compared_with_itself_differs_by_nothing(tmp_path: Path) -> None:
    folder = str(ROOT / "results")
    done = call("compare", folder, folder, cwd=tmp_path)
    lines = done.stdout.splitlines()[1:-1]
    assert len(lines) > 10
    assert all("+0.00 [+0.00, +0.00], p = 1.0000" in line for line in lines)


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    """The published records without the runs of `lwd` on one task at seed 4."""
    copy = tmp_path / "some"
    shutil.copytree(ROOT / "results", copy)
    for path in (copy / "last" / "minilm-fp32" / "rt_quotes" / "lwd").rglob("k*-seed4-*.json"):
        path.unlink()
    return copy


def test_comparing_what_is_not_complete_gives_means_and_n_alone(partial: Path, tmp_path: Path) -> None:
    for sides in (["kd", "lwd"], ["cod", "standard"], [str(partial), str(ROOT / "results")]):
        done = call("compare", *sides, "--results", str(partial), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        head, *lines = done.stdout.splitlines()
        assert "PARTIAL: 743 of 758" in head
        assert lines
        assert all("p = " not in line and "[" not in line for line in lines)
        assert any("n = 9 units" in line for line in lines)


def test_claims_on_what_is_not_complete_have_no_interval(partial: Path, tmp_path: Path) -> None:
    done = call("claims", "--suite", "embedded", "--results", str(partial), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "analogue |" in done.stdout
    assert "[" not in "".join(line for line in done.stdout.splitlines() if line.startswith("|"))


def test_power_tells_seeds_per_method(tmp_path: Path) -> None:
    done = call("power", "--effect", "0.02", "--results", str(ROOT / "results"), cwd=tmp_path)
    assert [line.split(",")[0] for line in done.stdout.splitlines()[:-1]] == ["kd", "lwd", "ted"]
    assert done.stdout.splitlines()[-1].startswith("records: ")
    assert "80% power" in done.stdout


def test_the_frontier_of_records_that_count_nothing_says_so(tmp_path: Path) -> None:
    copy = Results(tmp_path / "older")
    shutil.copytree(ROOT / "results", copy.root)
    for path in copy.record_paths():
        record = copy.read(path)
        kept = {name: value for name, value in record.cost.items() if name in sample_cost()}
        path.write_text(to_json(sealed(replace(record, cost=kept))))
    done = call("frontier", "--results", str(copy.root), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    head, _, told = done.stdout.splitlines()
    assert head == "suite embedded, track minilm-fp32, protocol last: accuracy against cost"
    assert told.startswith("Not counted: none of these records tells its human labels")


@pytest.fixture
def counting(tmp_path: Path) -> Path:
    """The published records as if each had counted what it cost."""
    copy = Results(tmp_path / "counting")
    shutil.copytree(ROOT / "results", copy.root)
    for path in copy.record_paths():
        record = copy.read(path)
        asked = float(record.spec.k) * {"cod": 900.5, "random": 90.0}.get(record.spec.condition, 0.0)
        more = {"human_labels": float(record.spec.k), "teacher_queries": asked, "llm_requests": 0.0}
        changed = replace(record, cost={**record.cost, **more, "pool_seconds": asked / 100})
        path.write_text(to_json(sealed(changed)))
    return copy.root


def test_the_frontier_is_told_axis_by_axis_and_written_as_csv_and_svg(counting: Path, tmp_path: Path) -> None:
    done = call("frontier", "--results", str(counting), "--csv", "points.csv", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    starts = (
        "At up to 8 human labels a task",
        "At 0 teacher queries a task",
        "Every point that is counted costs 0 dol",
    )
    for start in starts:
        assert sum(line.startswith(start) for line in lines) == 1
    assert sum("seconds a task the most accurate is" in line for line in lines) == 1
    assert sum(line.startswith("| method") for line in lines) == 3
    rows = list(csv.DictReader((tmp_path / "points.csv").open()))
    assert lines[-1] == f"wrote {len(rows)} points to points.csv"
    best = max(rows, key=lambda row: float(row["accuracy"]))
    assert best["on_frontier_dollars"] == "true"
    (tmp_path / "points.svg").write_text("older")
    done = call("frontier", "--results", str(counting), "--axis", "queries", "--svg", "points.svg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "human labels a task the most" not in done.stdout
    assert "teacher queries a task" in (tmp_path / "points.svg").read_text()


def test_the_frontier_of_what_is_not_complete_is_a_table_of_means(counting: Path, tmp_path: Path) -> None:
    for path in (counting / "last" / "minilm-fp32" / "rt_quotes" / "lwd").rglob("k*-seed4-*.json"):
        path.unlink()
    done = call("frontier", "--results", str(counting), "--axis", "labels", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "PARTIAL: 743 of 758 runs" in done.stdout
    assert "the most accurate" not in done.stdout
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(rows) > 30
    assert not [line for line in rows if "[" in line]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["table", "12"], "tables 1 to 9"),
        (["compare", "cod", "kd"], "'cod' is a condition and 'kd' is a method; name two methods"),
        (["compare", "lwd", "nope"], "'lwd' is a method and 'nope' is none of these; name two methods"),
        (["power", "--effect", "2"], "--effect 2.0"),
        (["frontier", "--axis", "lables"], "unknown axis 'lables': did you mean 'labels'"),
        (["frontier", "--svg", "x.svg"], "--svg x.svg: a figure is of one axis; name it with --axis labels, queries"),
        (["frontier", "--csv", "x.txt"], "--csv x.txt: the name must end in .csv"),
        (["frontier", "--axis", "labels", "--svg", "nope/x.svg"], "its folder nope is not there"),
        (["frontier", "--axis", "dollars", "--svg", "x.svg"], "nothing to draw; Every point that is counted costs 0"),
        (["frontier", "--suite", "nowhere"], "unknown suite 'nowhere'"),
        (["compare", "cod", "standard", "--track", "nowhere"], "unknown track 'nowhere'"),
        (["table", "1", "--suite", "nowhere"], "unknown suite 'nowhere'"),
    ],
)
def test_a_users_mistake_is_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    done = call(*arguments, "--results", str(ROOT / "results"), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_folder_is_named_where_nobody_did_and_where_it_is_empty(tmp_path: Path) -> None:
    done = call("table", "5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = done.stderr.splitlines()
    assert first == f"records: {tmp_path / 'results'} (another folder by --results)"
    assert second == "no run of ours in it, so the paper's side stands alone"
    (tmp_path / "results").symlink_to(ROOT / "results")
    done = call("compare", "cod", "standard", cwd=tmp_path)
    assert done.stderr == f"records: {ROOT / 'results'} (another folder by --results)\n"
    (tmp_path / "runs").mkdir()
    assert "results (another" in call("power", "--effect", "0.02", cwd=tmp_path).stderr  # runs holds no record


@pytest.mark.parametrize(
    "verb",
    [("compare", "cod", "standard"), ("power", "--effect", "0.02"), ("frontier",), ("export", "x.csv"),
     ("site", "--out", "page"), ("leaderboard", "--out", "board"), ("table", "1"), ("claims",)],
    ids=lambda verb: verb[0],
)  # fmt: skip
def test_every_reader_reads_runs_where_it_holds_records(verb: tuple[str, ...], partial: Path, tmp_path: Path) -> None:
    partial.rename(tmp_path / "runs")
    done = call(*verb, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == f"records: {tmp_path / 'runs'} (another folder by --results)"
    assert not (tmp_path / "results").exists()


def test_claims_list_an_analogue_without_a_verdict(tmp_path: Path) -> None:
    arguments = ["--suite", "embedded", "--results", str(ROOT / "results"), "--out", str(tmp_path)]
    done = call("claims", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "reproduced |" not in done.stdout
    assert "analogue |" in done.stdout
    assert (tmp_path / "claims.md").read_text() in done.stdout
