"""Pages of the lab: from rows made by hand, what each sentence may say; whole pages from a small run."""

from __future__ import annotations

from pathlib import Path

import pytest

from cod_bench.errors import UsageError
from cod_bench.lab import files
from cod_bench.reports.lab import moons, page, read
from cod_bench.reports.lab.read import Compared, Setting


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run of both."""
    made = tmp_path_factory.mktemp("lab")
    files.moons_to(made, range(4))
    files.fisher_to(made, 20)
    return made


def row(seed: int, condition: str, distance: str, **more: str) -> dict[str, str]:
    told = {"seed": str(seed), "k": "20", "condition": condition, "overshoot": "0.05", "soft": "yes", "sided": "no"}
    return told | {"noise": "0", "kept": "no", "distance": distance} | more


def test_differences_are_paired_and_a_student_without_a_boundary_loses() -> None:
    pairs = [("0.10", "0.20"), ("0.10", "0.30"), ("0.20", "0.10"), ("0.15", "0.15"), ("", "0.10"), ("0.10", "")]
    found = [row(seed, "cod", one) for seed, (one, _) in enumerate(pairs)]
    found += [row(seed, "standard", other) for seed, (_, other) in enumerate(pairs)]
    told = read.compared(found, Setting("cod", 20), Setting("standard", 20), "distance", less_is_better=True)
    assert (told.n, told.left_out, told.wins) == (4, 2, 3)
    assert told.mean == pytest.approx(-0.05)
    assert told.median == pytest.approx(-0.05)
    assert told.low < told.mean < told.high
    assert not told.shown
    assert read.average(found, Setting("cod", 20), "distance") == pytest.approx(0.13)


def test_settings_that_differ_are_not_mixed() -> None:
    found = [row(seed, "cod", "0.1", overshoot="0.4") for seed in range(3)]
    assert Setting("cod", 20).of(found) == {}
    with pytest.raises(UsageError, match="too few seeds"):
        read.compared(found, Setting("cod", 20), Setting("standard", 20), "distance", less_is_better=True)


@pytest.mark.parametrize(
    ("low", "high", "said"), [(-2, -1, "nearer"), (1, 2, "farther"), (-1, 1, "not told apart")], ids=["-", "+", "0"]
)
def test_a_verdict_is_what_the_interval_allows(low: float, high: float, said: str) -> None:
    assert moons.verdict(Compared(5, 0, (low + high) / 2, low, high, 0, 0), "nearer", "farther") == said


def test_pages_have_every_question_with_its_sentence_and_pictures_that_are_there(folder: Path) -> None:
    findings = page.write_moons(folder)
    text = (folder / "moons.md").read_text()
    assert len(findings) == text.count("\n## ") == 7
    assert all(f"**{finding}**" in text for finding in findings)
    assert "4 seeds" in text
    for part in text.split("](")[1:]:
        assert (folder / part.partition(")")[0]).is_file()
    assert "nan" not in text
    findings = page.write_fisher(folder)
    text = (folder / "fisher.md").read_text()
    assert len(findings) == text.count("\n## ") == 4
    assert "cosine at least 0.99" in findings[0] or "cosine at least 1.000" in findings[0]


def test_a_page_is_the_same_each_time(folder: Path) -> None:
    page.write_moons(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    page.write_moons(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_missing_and_spoilt_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"moons.csv: is not there; run `cod-bench lab moons --out"):
        page.write_moons(tmp_path)
    (tmp_path / "moons.csv").write_text("seed,k\n")
    with pytest.raises(UsageError, match="holds no rows"):
        page.write_moons(tmp_path)
    assert read.number({"a": ""}, "a") != read.number({"a": ""}, "a")
    with pytest.raises(UsageError, match="column a: "):
        read.number({"a": "x"}, "a")
