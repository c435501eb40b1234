"""A suite in a file of its user's: what it declares, what its title tells, and every slip as a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cod_bench.analysis import grids
from cod_bench.checks.suites import suites_of
from cod_bench.design import filters, suites
from cod_bench.design.filters import Filters
from cod_bench.design.identity import identify
from cod_bench.errors import UsageError
from cod_bench.records.results import Results
from cod_bench.spec import digest
from tests.samples import sample_record

SOUND = """
name = "trial"
title = "Mine"
tasks = ["toy"]
tracks = ["toy"]
methods = ["kd", "finetune"]
conditions = ["standard", "cod"]
k = [8, 16]
seeds = "0-3"
"""


@pytest.fixture
def forget() -> Iterator[None]:
    yield
    suites._of_files.clear()


def made(folder: Path, text: str = SOUND) -> str:
    (folder / "mine.toml").write_text(text)
    return str(folder / "mine.toml")


def test_it_is_a_suite_like_any_other(tmp_path: Path, forget: None) -> None:
    suite = suites.suite(made(tmp_path))
    assert (suite.name, suite.tasks, suite.tracks, suite.seeds) == ("trial", ("toy",), ("toy",), (0, 1, 2, 3))
    assert suite.primary_k == (8, 16)
    assert suite.generator == "substitution"
    own = {spec for spec in suite.expand(track="toy") if spec.method in ("kd", "finetune")}
    assert len(own) == 2 * 2 * 2 * 4
    assert set(suites.FLOORS) <= set(suite.methods)
    assert suites.suite("trial") is suite  # from then on by its name
    assert suites.option("trial") == made(tmp_path)
    assert "trial" not in suites.SUITES


def test_its_title_tells_the_digest_of_what_it_declares_and_of_nothing_else(tmp_path: Path, forget: None) -> None:
    one = suites.suite(made(tmp_path)).title
    assert "sha256 " in one
    assert suites.suite(made(tmp_path, f"# a comment\n{SOUND}")).title == one
    assert suites.suite(made(tmp_path, SOUND.replace("0-3", "0-4"))).title != one


def test_two_files_of_one_name_are_told_apart(tmp_path: Path, forget: None) -> None:
    suites.suite(made(tmp_path))
    (tmp_path / "other").mkdir()
    with pytest.raises(UsageError, match="has a suite 'trial' too; give one another name"):
        suites.suite(made(tmp_path / "other"))


def test_without_floors_there_are_none(tmp_path: Path, forget: None) -> None:
    assert suites.suite(made(tmp_path, f"{SOUND}floors = false\n")).floors == ()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('seeds = "0-3"', 'seed = "0-3"', r"unknown key 'seed': did you mean 'seeds'\?"),
        ('["kd", "finetune"]', '["kdd"]', r"unknown method 'kdd': did you mean 'kd'\?"),
        ('["standard", "cod"]', '["standart"]', r"unknown condition 'standart': did you mean 'standard'\?"),
        ('tasks = ["toy"]', 'tasks = ["rt_quote"]', r"unknown task 'rt_quote': did you mean 'rt_quotes'.* by --data"),
        ('tracks = ["toy"]', 'tracks = ["toi"]', "unknown track 'toi': did you mean 'toy'"),
        ("k = [8, 16]", "k = [7]", "k=7: must be a multiple of 4"),
        ("k = [8, 16]", "k = [8.5]", r"k \[8.5\]: write whole numbers"),
        ("k = [8, 16]", "", r"k is missing; write for example k = \[8, 16\]"),
        ('"0-3"', '"3-0"', "seeds '3-0': write whole numbers"),
        ('"0-3"', "[1, 1]", r"seeds \[1, 1\]: write whole numbers, each once"),
        ('"0-3"', "[true]", r"seeds \[True\]: write whole numbers"),
        ('"0-3"', '"0-999999999"', "seeds '0-999999999': write whole numbers"),
        ('name = "trial"', 'name = "embedded"', "name 'embedded' is taken by a declared suite"),
        ('name = "trial"', 'name = "../x"', "name '../x': must be letters, digits, _ or -"),
        ('title = "Mine"', 'title = "a\\u001b[31m"', "title .*: write a text"),
        ("k = [8, 16]", "k = [8, 16]\nprimary_k = [32]", "primary_k 32 is none of k = 8, 16"),
        ("k = [8, 16]", 'k = [8, 16]\ngenerator = "gpt"', "unknown generator 'gpt'"),
        ("k = [8, 16]", 'k = [8, 16]\nfloors = "no"', "floors 'no': write true or false"),
        ("k = [8, 16]", 'k = [8, 16]\nprotocols = ["first"]', "unknown protocol 'first'"),
        ("k = [8, 16]", "k = [8, 16]\nteachers = [-1]", r"teachers \[-1\]: write whole numbers"),
        ("k = [8, 16]", "k = [8, 16]\nteachers = [10000]", "teachers 10000: choose seeds of at most 9999"),
        ("k = [8, 16]", "k = [8, 16", "is no TOML"),
        ("k = [8, 16]", f"k = {'[' * 9000}", "is (nested too deeply|no TOML)"),
        ('name = "trial"', 'name = "con"', "name 'con': is what Windows calls a device"),
        ('tracks = ["toy"]', 'tracks = ["toy"]\ntrack = "toy"', "has both track and tracks"),
        ('["kd", "finetune"]', '"kd"', "methods 'kd': write a list of names"),
    ],
)
def test_every_slip_is_a_sentence(old: str, new: str, told: str, tmp_path: Path, forget: None) -> None:
    assert old in SOUND
    with pytest.raises(UsageError, match=told) as slip:
        suites.suite(made(tmp_path, SOUND.replace(old, new)))
    assert str(slip.value).startswith("--suite ")
    assert len(str(slip.value).splitlines()) == 1


@pytest.mark.parametrize("kind", ["absent", "folder", "pipe"])
def test_what_is_no_file_is_a_sentence(kind: str, tmp_path: Path, forget: None) -> None:
    import os

    path = tmp_path / "x.toml"
    {"absent": lambda: None, "folder": path.mkdir, "pipe": lambda: os.mkfifo(path)}[kind]()
    with pytest.raises(UsageError, match=r"--suite .*x.toml: (no such file|cannot be read)"):
        suites.suite(str(path))


def test_its_records_make_one_table_and_no_variants_of_declared_suites(tmp_path: Path, forget: None) -> None:
    suite = suites.suite(made(tmp_path, SOUND.replace("[8, 16]", "[8, 16, 32]").replace("0-3", "5-6")))
    results = Results(tmp_path / "runs")
    for spec in suite.expand(track="toy"):
        if spec.method == "kd":
            identity = identify(spec)
            results.write(sample_record(spec=spec, identity=identity, run_id=digest(identity)))
    assert [one.name for one in grids.suites_with_records(results)] == ["trial"]
    made_of = {record.spec for record in results.scan()[0]}
    assert [one.name for one in suites_of(made_of, "toy", [suite]) if "trial" in one.name] == ["trial"]


def test_filters_take_a_part_of_it(tmp_path: Path, forget: None) -> None:
    ((suite, own),) = filters.parts(made(tmp_path), Filters(method=("kd",), k=(8,)))
    assert {(spec.method, spec.k) for spec in filters.select(suite, own)} == {("kd", 8)}
    with pytest.raises(UsageError, match="--method lwd: suite 'trial' has only"):
        filters.select(suite, Filters(method=("lwd",)))


def test_a_folder_keeps_the_suites_that_were_run_in_it(
    tmp_path: Path, forget: None, caplog: pytest.LogCaptureFixture
) -> None:
    suite = suites.suite(made(tmp_path))
    results = Results(tmp_path / "runs")
    results.keep_suite("trial", suites.text("trial"))
    for spec in suite.expand(track="toy"):
        if spec.method == "kd":
            identity = identify(spec)
            results.write(sample_record(spec=spec, identity=identity, run_id=digest(identity)))
    suites._of_files.clear()  # as another process, which nobody told of the file
    assert [one.name for one in grids.suites_with_records(results)] == ["trial"]
    published = Results(tmp_path / "results")
    (tmp_path / "runs").rename(published.root)
    assert "trial" not in [one.name for one in grids.suites_with_records(published)]
    published.keep_suite("other", SOUND)
    assert not (published.root / "_suites" / "other.toml").exists()
    published.root.rename(tmp_path / "runs")
    (results.root / "_suites" / "trial.toml").write_text(SOUND.replace('"kd", "finetune"', '"gone"'))
    assert "trial" not in [one.name for one in grids.suites_with_records(results)]
    assert "unknown method 'gone'" in caplog.text


def test_a_file_beside_is_hinted_at(tmp_path: Path, forget: None, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"unknown suite 'mine'.*there is a mine\.toml here: name it with its ending"):
        suites.suite("mine")


def test_it_may_cross_teachers_with_its_seeds(tmp_path: Path, forget: None) -> None:
    path = tmp_path / "trial.toml"
    path.write_text(f"{SOUND}teachers = [0, 1, 2]\n")
    found = suites.suite(str(path))
    assert found.on_teachers("toy") == ("toy", "toy@1", "toy@2")
    path.write_text(f"{SOUND}teachers = [0]\n")
    alone = suites.suite(str(path))
    path.write_text(SOUND)
    assert suites.suite(str(path)).title == alone.title != found.title
