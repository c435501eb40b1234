"""The package as a script or a notebook meets it: its names, the functions beside the verbs, the page about them."""

from __future__ import annotations

import ast
import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cod_bench
from cod_bench import api, registry
from cod_bench.analysis import claims, frame
from cod_bench.design.suites import FLOORS
from cod_bench.errors import UsageError
from cod_bench.runner.run import Tally
from cod_bench.spec import RunSpec
from tests import ROOT

HEAVY = ("torch", "transformers", "pandas", "scipy", "matplotlib", "datasets", "numpy")
PUBLIC = cod_bench.__all__
STANDARD = RunSpec("last", "toy", "toy", "kd", "standard", "", 8, 0)
COD = replace(STANDARD, condition="cod", generator="substitution")
APART = replace(STANDARD, k=16)
"""A run that no suite declares."""


def call(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, env={**os.environ, **env}, timeout=240
    )


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(cod_bench, name) is not None
    assert name in dir(cod_bench)


def test_a_star_brings_exactly_the_public_names() -> None:
    found: dict[str, Any] = {}
    exec("from cod_bench import *", found)  # noqa: S102
    assert found.keys() - {"__builtins__"} == set(PUBLIC)
    assert found["Task"].__module__ == "cod_bench.task"


def test_type_checkers_see_the_names_that_python_finds() -> None:
    checked = next(node for node in ast.parse(Path(cod_bench.__file__).read_text()).body if isinstance(node, ast.If))
    found = {str(n.module).removeprefix("cod_bench."): n.names for n in checked.body if isinstance(n, ast.ImportFrom)}
    seen = {module: tuple(a.name for a in names if not a.asname) for module, names in found.items()}
    called = {f"{module}.{a.name}": a.asname for module, names in found.items() for a in names if a.asname}
    assert {module: names for module, names in seen.items() if names} == {
        module: names for module, names in cod_bench._MODULES.items() if names
    }
    assert called == cod_bench._CALLED
    assert {module for module, names in cod_bench._MODULES.items() if not names} == called.keys()
    names = [name for own in seen.values() for name in own] + list(called.values())
    assert sorted(names) == sorted({*cod_bench.__all__} - {"__version__"})


def test_a_name_that_is_none_is_the_usual_error() -> None:
    with pytest.raises(AttributeError, match="module 'cod_bench' has no attribute 'Suit'"):
        cod_bench.Suit  # noqa: B018
    with pytest.raises(ImportError):
        exec("from cod_bench import Suit")  # noqa: S102


def test_importing_takes_nothing_heavy_along_and_nothing_of_its_own(tmp_path: Path) -> None:
    script = f"import sys, cod_bench; print([m for m in sys.modules if m in {HEAVY} or m.startswith('cod_bench.')])"
    assert call("-c", script, cwd=tmp_path).stdout == "[]\n"


def test_the_functions_come_without_torch_and_pandas(tmp_path: Path) -> None:
    script = (
        f"import sys, cod_bench as cb; names = [getattr(cb, name) for name in {PUBLIC}]; cb.plan('toy')\n"
        f"print([m for m in {HEAVY[:-1]} if m in sys.modules])"
    )
    done = call("-c", script, cwd=tmp_path)
    assert done.stdout == "[]\n", done.stderr


def test_filters_take_one_value_or_several(tmp_path: Path) -> None:
    assert len(api.plan("toy", results=tmp_path).runs) == 48
    one = api.plan("toy", results=tmp_path, method="kd", condition="cod", k=8, seed=1)
    assert [planned.spec for planned in one.runs] == [replace(COD, seed=1)]
    several = api.plan(
        "toy", results=str(tmp_path), method=("kd", "lwd"), condition=["cod"], k=np.array([8]), seed=range(2)
    )
    assert len(several.runs) == several.count("missing") == 4
    assert api.plan(api.plan("toy").suite, results=tmp_path, protocol="dev", method="kd").count("missing") == 12


def test_a_suite_of_ones_own_is_planned_as_it_is(tmp_path: Path) -> None:
    mine = replace(api.plan("toy").suite, name="mine", seeds=(5, 6, 7))
    assert {planned.spec.seed for planned in api.plan(mine, results=tmp_path).runs} == {5, 6, 7}
    with pytest.raises(UsageError, match="--seed 0: suite 'mine' has only 5, 6, 7"):
        api.plan(mine, results=tmp_path, seed=0)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"suite": "embeded"}, "unknown suite 'embeded': did you mean 'embedded'"),
        ({"method": "kdd"}, "unknown method 'kdd': did you mean 'kd'"),
        ({"condition": ("standard", "codd")}, "unknown condition 'codd': did you mean 'cod'"),
        ({"generator": "substitute"}, "unknown generator 'substitute': did you mean 'substitution'"),
        ({"track": "toi"}, "track 'toi': did you mean 'toy'"),
        ({"task": "tpy"}, "unknown task 'tpy': did you mean 'toy'"),
        ({"protocol": "lats"}, "unknown protocol 'lats': did you mean 'last'"),
        ({"k": 10}, "k=10: must be a multiple of 4"),
        ({"k": "8"}, "k='8': give whole numbers, such as k=8"),
        ({"seed": (0, 0.5)}, r"seed=\(0, 0.5\): give whole numbers"),
        ({"method": None}, "method=None: give names, such as method='a'"),
        ({"task": ("toy", 3)}, r"task=\('toy', 3\): give names"),
        ({"seed": 7}, "--seed 7: suite 'toy' has only 0, 1"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_mistake_is_one_sentence(asked: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=sentence):
        api.plan(**{"suite": "toy", "results": tmp_path, **asked})


@pytest.mark.parametrize(
    ("asked", "options", "sentence"),
    [
        ("embeded", {}, "unknown suite 'embeded': did you mean 'embedded'"),
        ("toy", {"rerun": "fialed"}, "unknown --rerun 'fialed': did you mean 'failed'"),
        ("toy", {"executor": "locl"}, "unknown executor 'locl': did you mean 'local'"),
        ([STANDARD], {"method": "kd"}, "runs that are named one by one take no filter"),
        ([STANDARD, "toy"], {}, "run: 'toy' is no run; name a suite, or give a list of RunSpec"),
        ([replace(STANDARD, method="kdd")], {}, "unknown method 'kdd': did you mean 'kd'"),
        ([replace(COD, generator="substitute")], {}, "unknown generator 'substitute': did you mean 'substitution'"),
        ([replace(STANDARD, track="toi")], {}, "unknown track 'toi': did you mean 'toy'"),
        ([replace(STANDARD, k=10)], {}, "k=10: must be a multiple of 4"),
    ],
)
def test_nothing_is_run_by_mistake(asked: Any, options: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=sentence):
        api.run(asked, results=tmp_path / "runs", **options)
    assert not list(tmp_path.rglob("*.json"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A folder with two runs of a suite and then two that were named, one of them of no suite; what was told."""
    folder = tmp_path_factory.mktemp("api") / "runs"
    told: list[str] = []

    def listen(outcome: cod_bench.Outcome, tally: Tally) -> None:
        told.append(f"{outcome.job.stage} {tally.done}/{tally.total}")

    first = api.run("toy", results=folder, method="kd", condition=("standard", "cod"), seed=0, workers=1, listen=listen)
    second = api.run([APART, STANDARD, replace(STANDARD, seed=1), APART], results=folder, workers=1)
    return SimpleNamespace(folder=folder, told=told, first=first, second=second)


def test_what_is_missing_is_done_and_counted(finished: SimpleNamespace) -> None:
    assert (finished.first, finished.second) == (api.Ran(done=2, failed=0), api.Ran(done=2, failed=0))
    assert finished.told == ["teacher 0/2", "run 1/2", "pool 1/2", "run 2/2"]
    planned = api.plan("toy", results=finished.folder, method="kd", condition=("standard", "cod"))
    assert (planned.count("done"), planned.count("missing")) == (3, 1)


def test_done_again_it_is_nothing(finished: SimpleNamespace, capfd: pytest.CaptureFixture[str]) -> None:
    assert api.run(COD, results=finished.folder) == api.Ran(0, 0)
    assert api.run([], results=finished.folder) == api.Ran(0, 0)
    assert capfd.readouterr() == ("", "")
    assert not (finished.folder / "leaderboard").exists()


def test_every_run_is_read_once_whether_a_suite_has_it_or_not(finished: SimpleNamespace) -> None:
    table = api.load(finished.folder)
    assert table[["suite", "condition", "k", "seed"]].to_numpy().tolist() == [
        ["toy", "standard", 8, 0], ["toy", "cod", 8, 0], ["toy", "standard", 8, 1], ["", "standard", 16, 0],
    ]  # fmt: skip
    assert table["run_id"].is_unique
    assert api.load(finished.folder, "toy")["k"].tolist() == [8, 8, 8]
    assert api.load(finished.folder, replace(api.plan("toy").suite, seeds=(1,)))["seed"].tolist() == [1]
    assert len(api.load(finished.folder, "smoke")) == 0
    with pytest.raises(UsageError, match="unknown suite 'tpy': did you mean 'toy'"):
        api.load(finished.folder, "tpy")
    with pytest.raises(UsageError, match="is not there; name a folder with records"):
        api.load(finished.folder / "typo")


def test_the_table_is_that_of_the_page_and_takes_a_track(finished: SimpleNamespace) -> None:
    page = (ROOT / "docs" / "python.md").read_text()
    told = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE))
    assert told == dict(frame.COLUMNS)
    assert list(api.load(finished.folder).columns) == list(told)
    assert len(api.load(finished.folder, track="toy", protocol="last")) == 4
    assert len(api.load(finished.folder, "toy", track="minilm")) == 0
    with pytest.raises(UsageError, match="unknown track 'toi'"):
        api.load(finished.folder, track="toi")
    with pytest.raises(UsageError, match="unknown protocol 'lats'"):
        api.load(finished.folder, protocol="lats")


def test_published_runs_are_of_three_kinds() -> None:
    table = api.load(ROOT / "results")
    assert table.run_id.is_unique
    assert set(table[table.kind == "ceiling"].k) == {0}
    assert set(table[table.kind == "floor"].method) == set(FLOORS)
    assert not set(table[table.kind == "student"].method) & set(FLOORS)
    assert table[table.kind == "student"].generator.eq("").eq(
        table[table.kind == "student"].cfe_slots.isna()
    ).all()  # fmt: skip


def test_a_grid_that_was_read_gives_the_same_gains(finished: SimpleNamespace) -> None:
    grid = api.grid(finished.folder, "toy")
    assert isinstance(grid, cod_bench.Grid)
    assert (grid.track, grid.protocol, grid.complete, len(grid.runs)) == ("toy", "last", False, 3)
    pd.testing.assert_frame_equal(api.gains(grid), api.gains(finished.folder, "toy"))


def test_what_is_corrupt_is_told_and_not_counted(
    finished: SimpleNamespace, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(finished.folder, tmp_path / "runs")
    corrupt = next((tmp_path / "runs").rglob("k008-seed1-*.json"))
    corrupt.write_text("{")
    assert api.load(tmp_path / "runs")["seed"].tolist() == [0, 0, 0]
    assert f"not counted, corrupt: {corrupt}" in caplog.text


@pytest.mark.parametrize("exploratory", [False, True])
def test_gains_are_not_numbers_before_the_grid_is_complete(finished: SimpleNamespace, exploratory: bool) -> None:
    table = api.gains(finished.folder, "toy", exploratory=exploratory)
    assert tuple(table.columns) == api.COLUMNS
    assert table[["points", "low", "high", "p", "holm"]].isna().all(axis=None)
    kd = table[(table.method == "kd") & (table.condition == "cod")].set_index("over").n_units
    assert (kd["standard"], kd["random"]) == (1, 0)
    assert set(table.k) == ({8} if exploratory else {"8"})


def test_gains_are_the_published_ones() -> None:
    table = api.gains(ROOT / "results")
    with (ROOT / "leaderboard" / "embedded" / "significance.csv").open(encoding="utf-8") as file:
        published = [r for r in csv.DictReader(file) if r["scope"] == "primary" and r["method"] != claims.POOLED]
    assert len(table) == len(published) > 10
    for ours, theirs in zip(table.to_dict("records"), published, strict=True):
        for name in ("method", "condition", "over"):
            assert ours[name] == theirs[name]
        assert ours["k"] == theirs["ks"].replace(" ", ", ")
        assert ours["n_units"] == int(theirs["units"])
        for name, column, scale in (
            ("points", "mean", 100), ("low", "low", 100), ("high", "high", 100), ("p", "p", 1), ("holm", "holm_p", 1),
        ):  # fmt: skip
            assert ours[name] / scale == pytest.approx(float(theirs[column]), abs=1e-6)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"suite": "embeded"}, "unknown suite 'embeded': did you mean 'embedded'"),
        ({"protocol": "lats"}, "unknown protocol 'lats': did you mean 'last'"),
        ({"track": "minilm-fp23"}, "unknown track 'minilm-fp23': did you mean 'minilm-fp32'"),
        ({"track": "minilm"}, "has no run of suite 'embedded' on track minilm on protocol last"),
        ({"results": "typo"}, "'typo': is not there"),
    ],
    ids=str,
)
def test_gains_of_what_is_not_there_are_a_sentence(asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        api.gains(**{"results": ROOT / "results", **asked})


def test_plugins_and_data_are_taken_into_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_plugin_files", {})
    monkeypatch.setenv("COD_BENCH_DATA", "")
    own = tmp_path / "kd_of_mine.py"
    own.write_text(
        "from cod_bench.baselines.kd import DISTILLER as KD\n\n\nclass Mine(KD):\n    name = 'kd_of_mine'\n\n\n"
        "DISTILLER = Mine\n"
    )
    api.use(own, data=tmp_path)
    assert (registry.load("baseline", "kd_of_mine").name, os.environ["COD_BENCH_DATA"]) == ("kd_of_mine", str(tmp_path))
    assert api.plan("toy", results=tmp_path, method="kd_of_mine").suite.name == "toy+kd_of_mine"
    with pytest.raises(UsageError, match="no such file"):
        api.use("nothing.py")
    with pytest.raises(UsageError, match="is no folder; name one that is there"):
        api.use(data=["nowhere"])


def test_a_script_without_the_guard_is_told_what_it_lacks(tmp_path: Path) -> None:
    script = "import cod_bench\nprint(cod_bench.run('toy', method='kd', condition='half', seed=0, workers=1))\n"
    (tmp_path / "script.py").write_text(script)
    done = call("script.py", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "UsageError: run: a worker process imports this script" in done.stderr
    assert "RunError: run: nothing could be tried: " in done.stderr.splitlines()[-1]
    assert "in a script, call it under `if __name__" in done.stderr.splitlines()[-1]


BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the published records, as a clone has them, and nothing else."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "results").symlink_to(ROOT / "results")
    return folder


@pytest.mark.parametrize(
    ("number", "starts", "makes"),
    [
        (0, "Ran(done=4, failed=0, blocked=0, earlier=0)\n", ["toy.svg"]),
        (1, "6 runs missing, about ", ["mine/last/toy/toy/kd/standard"]),
        (2, " ", []),
        (3, "", ["two.pdf", "curves.pdf", "gains.pdf", "queries.png"]),
    ],
)
def test_the_page_does_what_it_says(number: int, starts: str, makes: list[str], clone: Path) -> None:
    (clone / f"block{number}.py").write_text(BLOCKS[number])
    done = call(f"block{number}.py", cwd=clone, COD_BENCH_HOME=str(clone / "home"), MPLBACKEND="agg")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(starts)
    assert all((clone / name).stat().st_size > 1000 for name in makes)


def test_the_page_goes_from_the_package_to_a_figure_in_ten_lines() -> None:
    assert len(BLOCKS) == 4
    assert len(BLOCKS[0].splitlines()) <= 10


def test_the_pages_commands_are_understood(clone: Path) -> None:
    lines = re.findall(r"^    cod-bench (.*?)(?: +#.*)?$", (ROOT / "docs" / "python.md").read_text(), re.MULTILINE)
    assert len(lines) == 3
    for line in lines:
        done = call("-m", "cod_bench", *shlex.split(line), cwd=clone)
        assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (clone / "paper").iterdir()) == [
        "curves.pdf", "curves.svg", "frontier.pdf", "gains.pdf", "quotes.pdf",
    ]  # fmt: skip
