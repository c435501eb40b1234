"""The verb `lab`: a small run into a folder, reading it again, a sentence for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.called import Caller


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Caller:
    """The command line in a folder with a file and nothing else."""
    (tmp_path / "file").write_text("x")
    return Caller(monkeypatch, capsys, tmp_path)


def test_fisher_goes_into_a_folder_and_is_read_again(called: Caller, tmp_path: Path) -> None:
    done = called("lab", "fisher", "--draws", "5", "--out", "made")
    assert done.code == 0, done.err
    names = {"fisher-order.csv", "fisher-errors.csv", "fisher.md", "fisher.svg"}
    assert {path.name for path in (tmp_path / "made").iterdir()} == names
    assert done.out.splitlines()[-1] == "wrote made/fisher.md, its rows and figures"
    (tmp_path / "made" / "fisher.md").unlink()
    again = called("lab", "fisher", "--read", "--out", "made")
    assert (again.code, again.out) == (0, done.out)
    assert not again.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("suns",), "lab 'suns'"),
        (("fisher", "--seeds", "5"), "--seeds"),
        (("moons", "--draws", "5"), "--draws"),
        (("moons", "--seeds", "1"), "--seeds"),
        (("--read", "--draws", "5"), "--draws"),
        (("moons", "--read"), "lab/moons.csv: is not there; run `cod-bench lab moons --out lab` first"),
        (("moons", "--out", "file"), "--out file"),
        (("--workers", "2"), "--workers: has no effect with moons and fisher"),
        (("text", "--seeds", "5"), "--seeds: has no effect with text"),
        (("text", "--foreign", "rt_quotes"), "--foreign rt_quotes: write TASK=FILE"),
        (("text", "--foreign", "rt_quotes=none"), "--pairs none"),
        (("text", "--foreign", "sst2=file"), "task 'sst2'"),
        (("text", "--track", "minilm-smoke"), "minilm-smoke"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mistakes_are_told_before_anything_is_run(
    called: Caller, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    done = called("lab", *words)
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "lab" / "moons.csv").exists()
