"""The verb `figure`: one file a figure, where it was asked for and nowhere else; a sentence for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import ROOT
from tests.cli.called import Caller

RESULTS = ("--results", str(ROOT / "results"))


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Caller:
    """The command line in a folder with a file and nothing else."""
    (tmp_path / "file").write_text("x")
    return Caller(monkeypatch, capsys, tmp_path)


def test_all_three_go_into_a_folder_that_is_made(called: Caller, tmp_path: Path) -> None:
    done = called("figure", *RESULTS, "--out", "paper/figures")
    assert done.code == 0, done.err
    *left, one, two, three = done.out.splitlines()
    assert left[0].startswith("left out of the frontier: Not counted, and so on no frontier: ")
    assert [line.split(",")[0] for line in (one, two, three)] == [
        f"wrote paper/figures/{name}.pdf" for name in ("curves", "gains", "frontier")
    ]
    assert one.endswith(" inches")
    assert "6.75 x " in one
    assert sorted(path.name for path in (tmp_path / "paper" / "figures").iterdir()) == [
        "curves.pdf", "frontier.pdf", "gains.pdf",
    ]  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} <= {"file", "paper", "home"}


def test_one_goes_into_the_file_that_is_named(called: Caller, tmp_path: Path) -> None:
    asked = ("--task", "rt_quotes", "--method", "kd,ted", "--condition", "standard,cod", "--width", "column")
    done = called("figure", "curves", *RESULTS, *asked, "--out", "quotes.svg")
    assert (done.code, done.err) == (0, ""), done.err
    assert done.out.startswith("wrote quotes.svg, 3.25 x ")
    assert (tmp_path / "quotes.svg").read_text().startswith("<?xml")
    first = (tmp_path / "quotes.svg").read_bytes()
    called("figure", "curves", *RESULTS, *asked, "--out", "quotes.svg")
    assert (tmp_path / "quotes.svg").read_bytes() == first
    done = called("figure", "gains", *RESULTS, "--format", "png", "--out", ".", "--width", "5")
    assert done.out.startswith("wrote gains.png, 5.00 x ")
    assert (tmp_path / "gains.png").read_bytes()[1:4] == b"PNG"


def test_what_a_suite_has_nothing_of_is_left_out_and_told(called: Caller, tmp_path: Path) -> None:
    done = called("figure", *RESULTS, "--axis", "dollars", "--out", "all")
    assert done.code == 0, done.err
    assert done.err.startswith("no frontier: cost 'dollars': nothing to draw; ")
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["curves.pdf", "gains.pdf"]


CASES = [
    (["curve", "--out", "x.pdf"], "unknown figure 'curve': did you mean 'curves'"),
    (["curves", "--out", "x.jpg"], "--out x.jpg: no figure ends in .jpg; name a file that ends in .pdf, .svg, .png"),
    (["curves", "--out", "x.pdf", "--format", "svg"], "--format svg: --out x.pdf ends in .pdf; leave one of them out"),
    (["curves", "--out", "x", "--format", "sgv"], "unknown format 'sgv': did you mean 'svg'"),
    (["--out", "x.pdf"], "--out x.pdf: a file holds one figure; name curves, gains, frontier, or a folder"),
    (["curves", "--out", "nope/x.pdf"], "--out nope/x.pdf: its folder nope is not there; make it first"),
    (["curves", "--out", "file"], "--out file: file is no folder; name another one"),
    (["curves", "--out", "file/x"], "is no folder; name another one"),
    (["curves", "--out", "x", "--width", "wide"], "--width 'wide': name column (3.25 in), page (6.75 in) or inches"),
    (["curves", "--out", "x", "--width", "nan"], "--width 'nan': name column"),
    (["curves", "--out", "x", "--axis", "labels"], "--axis: has no effect with curves; leave it out"),
    (["gains", "--out", "x", "--task", "rt_quotes"], "--task: has no effect with gains; leave it out"),
    (["frontier", "--out", "x", "--mean"], "--mean: has no effect with frontier; leave it out"),
    (["curves", "--out", "x", "--task", "rt_quote"], "unknown task 'rt_quote': did you mean 'rt_quotes'"),
    (["curves", "--out", "x", "--method", "kdd"], "unknown method 'kdd': did you mean 'kd'"),
    (["curves", "--out", "x", "--condition", "codd"], "unknown condition 'codd': did you mean 'cod'"),
    (["frontier", "--out", "x", "--axis", "dollar"], "unknown cost 'dollar': did you mean 'dollars'"),
    (["frontier", "--out", "x", "--axis", "dollars"], "cost 'dollars': nothing to draw"),
    (["curves", "--out", "x", "--suite", "embeded"], "unknown suite 'embeded': did you mean 'embedded'"),
    (["curves", "--out", "x", "--track", "minilm"], "has no run of suite 'embedded' on track minilm"),
    (["curves"], "Missing option '--out'"),
]


@pytest.mark.parametrize(("arguments", "sentence"), CASES, ids=[" ".join(a) for a, _ in CASES])
def test_a_mistake_is_a_sentence_and_nothing_is_made(
    called: Caller, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    before = {*tmp_path.rglob("*")}
    done = called("figure", *arguments, *RESULTS)
    assert (done.code, done.out) == (2, ""), done.err
    assert sentence in done.err
    assert done.err.count("\n") == 1
    assert {*tmp_path.rglob("*")} == before


def test_records_that_are_not_there_are_told(called: Caller) -> None:
    done = called("figure", "curves", "--results", "typo", "--out", "x.pdf")
    assert (done.code, done.out) == (2, "")
    assert "'typo': is not there; name a folder with records" in done.err
