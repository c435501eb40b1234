"""Records re-run on the toy suite: found again, contradicted where they were changed, and what the tables then say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cod_bench.design import suites
from cod_bench.errors import UsageError
from cod_bench.records.record import Record
from cod_bench.records.results import Results
from cod_bench.records.verdicts import CONTRADICTED, REPRODUCED, Cell
from cod_bench.reports import render
from cod_bench.runner import reproduce
from cod_bench.spec import RunSpec
from tests import submissions
from tests.cli.test_app import call
from tests.samples import forged, sample_record


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every run of kd on the toy suite."""
    folder = tmp_path_factory.mktemp("finished")
    done = call("run", "--suite", "toy", "--method", "kd", "--condition", "standard,cod", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "runs"


@pytest.fixture
def results(finished: Path, tmp_path: Path) -> Results:
    shutil.copytree(finished, tmp_path / "runs")
    return Results(tmp_path / "runs")


def test_random_cells_are_found_again_and_the_tables_say_so(results: Results) -> None:
    assert "Records:" not in render.files(results, [suites.suite("toy")], figures=False)["toy/README.md"]
    seen: list[Cell] = []
    made = reproduce.reproduce(results, share=0.3, seed=3, listen=lambda _, cell: seen.append(cell))
    assert [(v.method, v.generator, v.of, v.state, len(v.cells)) for v in made] == [
        ("kd", "", 2, REPRODUCED, 1), ("kd", "substitution", 2, REPRODUCED, 1),
    ]  # fmt: skip
    assert {cell.agreement for cell in seen} == {1.0}
    assert results.verdicts() == tuple(made)
    text = render.files(results, [suites.suite("toy")], figures=False)["toy/README.md"]
    assert "Records: kd reproduced (2 of 2 re-run cells found again, of 4" in text
    assert not results.scan()[1]
    # records of another generator void nothing
    replayed = submissions.record(RunSpec("last", "toy", "toy", "kd", "cod", "replay", 8, 0), submissions.reference(),
                                  params=submissions.PAIRS)  # fmt: skip
    results.write(replayed)
    assert render.files(results, [suites.suite("toy")], figures=False)["toy/README.md"] == text


def test_a_changed_record_is_another_result(results: Results) -> None:
    for path in results.record_paths():
        value = json.loads(path.read_text())
        value["predictions"] = value["predictions"].translate(str.maketrans("01", "10"))
        value["probabilities"] = [10_000 - p for p in value["probabilities"]]
        path.write_text(forged(value))
    made = reproduce.reproduce(results, share=0.1, seed=1, listen=lambda *_: None)
    assert [v.state for v in made] == [CONTRADICTED] * 2


def records(tasks: tuple[str, ...], seeds: int) -> list[Record]:
    return [
        sample_record(spec=RunSpec("last", "toy", task, "kd", "standard", "", 8, seed))
        for task in tasks
        for seed in range(seeds)
    ]


@pytest.mark.parametrize(("share", "expected"), [(0.01, 1), (0.05, 1), (0.051, 2), (1.0, 20)])
def test_every_task_is_looked_at(share: float, expected: int) -> None:
    parts = reproduce.groups(records(("a", "b"), 20), ())
    found = {task: reproduce.sample(own, share, seed=0) for (_, _, task, _, _), own in parts.items()}
    assert {task: len(own) for task, own in found.items()} == {"a": expected, "b": expected}
    assert all(len({r.spec.seed for r in own}) == expected for own in found.values())


def test_another_seed_is_another_sample() -> None:
    drawn = {str([r.spec.seed for r in reproduce.sample(records(("a",), 40), 0.1, seed)]) for seed in range(20)}
    assert len(drawn) > 15


def test_mistakes_are_sentences(results: Results, tmp_path: Path) -> None:
    def run(folder: Results = results, share: float = 0.05, methods: tuple[str, ...] = ()) -> None:
        reproduce.reproduce(folder, share=share, methods=methods, listen=lambda *_: None)

    with pytest.raises(UsageError, match=r"--sample 0: choose a share above 0"):
        run(share=0)
    with pytest.raises(UsageError, match="has no records to re-run"):
        run(Results(tmp_path / "empty"))
    with pytest.raises(UsageError, match="unknown method with records 'kdd'"):
        run(methods=("kdd",))
    results.reproduced_path().write_text("{")
    with pytest.raises(UsageError, match=r"verdicts .* are corrupt"):
        results.verdicts()


def test_a_method_that_is_not_installed_must_be_named(results: Results) -> None:
    stranger = sample_record(spec=RunSpec("last", "toy", "toy", "strange", "standard", "", 8, 0))
    results.write(stranger)
    with pytest.raises(UsageError, match="method 'strange': is not installed here; read its file and name it"):
        reproduce.reproduce(results, share=0.05, listen=lambda *_: None)
