"""The reading verbs on the published records: what they print, and the sentence for every mistake."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import ROOT
from tests.cli.test_app import call


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
        assert "PARTIAL: 388 of 400" in head
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


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["table", "12"], "tables 1 to 9"),
        (["compare", "cod", "kd"], "'cod' is a condition and 'kd' is a method; name two methods"),
        (["compare", "lwd", "nope"], "'lwd' is a method and 'nope' is none of these; name two methods"),
        (["power", "--effect", "2"], "--effect 2.0"),
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
    assert f"records: {tmp_path / 'results'} (another folder by --results); no run of ours in it" in done.stderr
    done = call("compare", "cod", "standard", cwd=ROOT)
    assert done.stderr == f"records: {ROOT / 'results'} (another folder by --results)\n"


def test_claims_list_an_analogue_without_a_verdict(tmp_path: Path) -> None:
    arguments = ["--suite", "embedded", "--results", str(ROOT / "results"), "--out", str(tmp_path)]
    done = call("claims", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "reproduced |" not in done.stdout
    assert "analogue |" in done.stdout
    assert (tmp_path / "claims.md").read_text() in done.stdout
