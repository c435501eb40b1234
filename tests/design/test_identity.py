"""Specs -> run ids by the code as it is installed: of many as of each, with recipes and pins, without titles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cod_bench import registry
from cod_bench.design import suites, tracks
from cod_bench.design.filters import Filters, select
from cod_bench.design.identity import excluded, expected, identify, run_id, run_ids
from cod_bench.errors import UsageError
from cod_bench.spec import RunSpec
from tests import ROOT
from tests.golden.regenerate import pinned_ids


def test_ids_of_many_runs_are_those_of_each() -> None:
    embedded = select(suites.suite("embedded"), Filters(track="minilm-fp32"))
    specs = [*embedded[::7], *select(suites.suite("toy"), Filters())]
    assert run_ids(specs) == {spec: run_id(spec) for spec in specs}


@pytest.mark.parametrize("name", ["embedded", "paper-qwen", "six-local", "toy"])
def test_expected_ids_are_the_run_ids(name: str) -> None:
    suite = suites.suite(name)
    specs = list(suite.expand(track=suite.tracks[-1]))[::37]
    found = expected(specs)
    assert found
    assert found == {spec: run_id(spec) for spec in found}


def test_the_student_recipe_is_part_of_the_run_id_but_titles_are_not() -> None:
    spec = RunSpec("last", "toy", "toy", "kd", "standard", "", 8, 0)
    assert identify(spec)["method"]["hparams"]["learning_rate"] == tracks.track("toy").recipe.learning_rate
    assert "title" not in str(identify(spec))
    assert set(identify(spec)) == {
        "identity_version", "protocol", "track", "task", "method", "condition", "generator", "k", "seed",
    }  # fmt: skip


def test_a_hub_model_that_is_pinned_while_the_process_lives_enters_run_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    spec = RunSpec("last", "deberta-small", "toy", "kd", "standard", "", 8, 0)
    before = run_id(spec)
    track = tracks.track("deberta-small")
    pins = {
        side.source.removeprefix("hub:"): {"revision": "c" * 40, "sha256": "a" * 64}
        for side in (track.teacher_side, track.student_side)
    }
    (tmp_path / "tasks.lock.json").write_text(json.dumps({"schema": 1, "tasks": {}, "models": pins}))
    assert run_id(spec) != before


def test_run_ids_are_those_that_were_pinned() -> None:
    """Of every declared suite on its tracks, so that no move of files or rewording ever renames a record.

    `tests/golden/regenerate.py` writes the file; only a raised version may change it.
    """
    pinned = json.loads((ROOT / "tests" / "golden" / "run_ids.json").read_text())
    assert pinned_ids() == pinned


@pytest.mark.parametrize("raised", ["SystemExit(0)", "ArithmeticError('odd')"])
@pytest.mark.parametrize("asked", ["hparams", "not_applicable"])
def test_whatever_a_method_raises_when_it_is_asked_is_a_sentence(
    asked: str, raised: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"asked_{asked}_{raised[:6]}"
    path = tmp_path / f"{name}.py"
    path.write_text(
        f"from cod_bench.baselines.kd import KD\n\n\nclass Asked(KD):\n    name = {name!r}\n\n    @classmethod\n"
        f"    def {asked}(cls, *_):\n        raise {raised}\n\n\nDISTILLER = Asked\n"
    )
    monkeypatch.setattr(registry, "_plugin_files", dict(registry._plugin_files))
    registry.add_plugin(path)
    spec = RunSpec("last", "toy", "toy", name, "standard", "", 8, 0)
    with pytest.raises(UsageError, match=f"method '{name}': its {asked}\\(.*\\) raised {raised.partition('(')[0]}"):
        identify(spec) if asked == "hparams" else excluded([spec])
