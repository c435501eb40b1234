"""The verb `report`: the published records' report is current, sections alone, and a sentence for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import ROOT
from tests.cli.called import Caller

RESULTS = ("--results", str(ROOT / "results"), "--lab", str(ROOT / "docs" / "lab"))


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Caller:
    """The command line in a folder with a file and nothing else."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    return Caller(monkeypatch, capsys, tmp_path)


def test_the_published_report_is_what_the_records_say(called: Caller, tmp_path: Path) -> None:
    done = called("report", *RESULTS, "--check")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1].endswith("sections are what the records say")
    assert (ROOT / "leaderboard" / "report.html").stat().st_size < 5_000_000
    assert {path.name for path in tmp_path.iterdir()} <= {"file", "empty", "home"}


def test_sections_alone_go_into_a_folder(called: Caller, tmp_path: Path) -> None:
    done = called("report", *RESULTS, "--only", "09-fisher,07-moons", "--out", "made/here")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == "wrote made/here/report.md and report.html"
    told = (tmp_path / "made" / "here" / "report.md").read_text()
    assert told.count("\n## ") == 2
    assert told.index("Theorem 1") < told.index("Two moons")
    both = ("--only", "09-fisher,07-moons", "--out", "made/here", "--check")
    assert called("report", *RESULTS, *both).code == 0
    (tmp_path / "made" / "here" / "report.html").unlink()
    assert "report.html: is not what the records say" in called("report", *RESULTS, *both).err
    assert called("report", *RESULTS, "--only", "09-fisher", "--out", "made/here", "--check").code == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--only", "09-fishers"), 2, "--only '09-fishers'"),
        (("--results", "nowhere"), 2, "--results 'nowhere'"),
        (("--lab", "nowhere", "--only", "07-moons", "--out", "o"), 2, "--lab nowhere: is not there"),
        (("--lab", "empty", "--only", "07-moons", "--out", "o"), 1, "run `cod-bench lab moons` first"),
        (("--out", "file"), 2, "--out file"),
        (("--only", "09-fisher"), 2, "name a folder of its own by --out"),
    ],
    ids=lambda value: str(value) if isinstance(value, tuple) else "",
)
def test_mistakes_are_told_in_a_sentence(called: Caller, words: tuple[str, ...], code: int, said: str) -> None:
    done = called("report", *RESULTS, *words)
    assert done.code == code
    assert said in done.err
    assert len(done.err.strip().splitlines()) == 1
