"""What was rendered is known by its inputs: nothing is rendered twice, nothing that changed is taken for the old."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cod_bench import registry
from cod_bench.design import suites
from cod_bench.records.results import Results
from cod_bench.reports import rendered
from tests import submissions

TOY = suites.suite("toy")
FILES = {"README.md": "words\n", "toy/main.txt": "figure\n"}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "home"))
    made = Results(tmp_path / "runs")
    submissions.write(made, TOY, submissions.reference())
    return made


def put(out: Path) -> None:
    for name, text in FILES.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(text)


def test_it_holds_for_the_same_inputs_and_whole_files(results: Results, tmp_path: Path) -> None:
    out, of = tmp_path / "out", rendered.inputs(results, ["toy"])
    assert rendered.read(out, of) is None
    put(out)
    rendered.keep(out, of, FILES, {"a": ["line"]})
    assert rendered.inputs(results, ["toy"]) == of
    found = rendered.read(out, of)
    assert found is not None
    assert found.lines == {"a": ["line"]}
    rendered.add(out, found, "b", ["more"])
    again = rendered.read(out, of)
    assert again is not None
    assert again.lines == {"a": ["line"], "b": ["more"]}


@pytest.mark.parametrize("damage", ["changed", "gone", "no JSON", "other shape"])
def test_what_is_not_as_it_was_written_is_rendered_again(damage: str, results: Results, tmp_path: Path) -> None:
    out, of = tmp_path / "out", rendered.inputs(results, ["toy"])
    put(out)
    rendered.keep(out, of, FILES, {})
    if damage == "changed":
        (out / "README.md").write_text("Words\n")
    elif damage == "gone":
        (out / "toy" / "main.txt").unlink()
    else:
        (out / rendered.NAME).write_text("{" if damage == "no JSON" else '{"of": 3, "files": [], "lines": 5}')
    assert rendered.read(out, of) is None


@pytest.mark.parametrize("change", ["record", "gone", "touched", "reference", "verdicts", "suites", "given", "plugin"])
def test_every_input_counts(change: str, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of, names, given = rendered.inputs(results, ["toy"]), ["toy"], ()
    path = results.record_paths()[0]
    if change == "record":
        text = path.read_bytes()
        stat = path.stat()
        path.unlink()
        path.write_bytes(text[:-2] + b" \n")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif change == "gone":
        path.unlink()
    elif change == "touched":
        os.utime(path)
    elif change == "reference":
        submissions.write(results, TOY, submissions.reference("fedcba987654"))
        for one in results.record_paths():
            os.utime(one)
    elif change == "verdicts":
        results.reproduced_path().write_text("{}")
    elif change == "suites":
        names = ["toy", "smoke"]
    elif change == "given":
        given = (" --data x",)
    else:
        (tmp_path / "mine.py").write_text("")
        monkeypatch.setattr(registry, "plugin_files", lambda: (str(tmp_path / "mine.py"),))
    assert rendered.inputs(results, names, *given) != of


def test_a_folder_that_cannot_be_written_is_only_slower(results: Results, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    rendered.keep(tmp_path / "out", "x", FILES, {})
    assert (tmp_path / "out").read_text() == "a file"
