"""Pages of the lab: from rows made by hand, what each sentence may say; whole pages from a small run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cod_bench.errors import UsageError
from cod_bench.lab import files
from cod_bench.reports.lab import fisher, moons, page, read
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
    assert re.search(r"cosine of at least (0\.99\d|1\.000) with w, of which points", findings[0])


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


def test_words_on_the_boundary_follow_its_numbers() -> None:
    def order(least: str, along: str) -> dict[str, str]:
        return {
            "norm": "2", "overshoot": "0", "condition": "cod", "held": "1", "least": least, "least_se": "0.01",
            "along": along, "along_w": "0", "across_w": "0", "draws": "1000",
        }  # fmt: skip

    def said(least: str, along: str) -> str:
        return fisher.sections([order(least, along)], [])[0].finding

    assert said("0.5", "0.2").startswith("On the boundary itself no length of w shows that it is not. On average")
    assert "at 0 logits past it" in said("0.5", "0.2")
    assert said("-0.5", "0.2").startswith("On the boundary itself it is not, for |w| = 2: the missing direction has")
    assert "second moments" not in said("-0.5", "0.2")
    assert "second moments" in said("-0.5", "0.995")
    assert "over 1,000 draws" in fisher.sections([order("0.5", "0.2")], [])[0].how


def test_files_that_are_none_are_told(folder: Path, tmp_path: Path) -> None:
    rows = (folder / "moons.csv").read_text()
    (tmp_path / "moons.csv").write_text(rows.replace(",kept,", ",keeps,", 1))
    with pytest.raises(UsageError, match="has no column kept; run the lab again"):
        moons.sections(read.rows(tmp_path, "moons.csv"))
    (tmp_path / "moons.csv").write_text(rows + "1,2\n")
    with pytest.raises(UsageError, match="other columns than its head"):
        read.rows(tmp_path, "moons.csv")
