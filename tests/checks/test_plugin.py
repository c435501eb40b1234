"""Conformance of plugin files: the declared plugins pass, and every kind of defect is caught by its own check."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cod_bench import device, registry
from cod_bench.checks import probe
from cod_bench.checks.plugin import CHECKS, check
from cod_bench.checks.processes import WORLDS, Probed, kind_of, toy_tracks
from cod_bench.checks.report import Result, judge
from cod_bench.errors import UsageError
from cod_bench.runner import work
from tests import ROOT

METHOD = """
from cod_bench.baselines.kd import KD
{top}

class Mine(KD):
    'KD under another name.'

    name = "{name}"
    summary = "A method of a test."
{body}


DISTILLER = Mine
"""


@pytest.fixture(autouse=True)
def clean_process() -> Iterator[None]:
    """What a check does to its process is undone: registered files and warm rows."""
    before = dict(registry._plugin_files)
    device.set_threads()
    yield
    registry._plugin_files.clear()
    registry._plugin_files.update(before)
    work.stand_in("toy", None)


def in_process(path: Path, kind: str = "baseline") -> dict[str, Result]:
    """Results by check; every world in this process, so without what only another process shows."""
    known = {}
    for world in WORLDS:
        copy = path.parent / world / path.name  # a module of its own each, as two processes have
        copy.parent.mkdir()
        shutil.copy(path, copy)
        registry._plugin_files.clear()
        known[world] = probe.facts(copy, kind, world, toy_tracks())
    return {r.check: r for r in judge(CHECKS[kind], Probed(kind, path.stem, toy_tracks(), **known))}


def method(folder: Path, body: str = "", top: str = "", name: str = "mine") -> Path:
    path = folder / "mine.py"
    path.write_text(METHOD.format(top=top, body=body, name=name))
    return path


def failed(results: dict[str, Result]) -> list[str]:
    return [name for name, result in results.items() if result.state == "FAILED"]


def test_a_sound_method_passes_every_check(tmp_path: Path) -> None:
    results = in_process(method(tmp_path))
    assert {r.state for r in results.values()} == {"ok"}, results
    assert list(results) == [one.name for one in CHECKS["baseline"]]


FROM_THE_FILES = (
    "import json\nfrom cod_bench.store import home\n\ndef held_out():\n"
    "    path = next((home() / 'tasks').glob('toy-*.json'))\n"
    "    return ' '.join(text for text, _ in json.loads(path.read_text().partition('\\n')[2])['evaluation'])\n"
)
"""A plugin that goes to the cache folder itself: no guard notices, only the result tells."""
STEP = (
    "\n    def loss(self, student, batch):\n        parts = super().loss(student, batch)\n        {}\n"
    "        return parts"
)
BEGIN = "\n    def prepare(self, setup):\n        super().prepare(setup)\n        {}"


@pytest.mark.parametrize(
    ("body", "top", "caught_by", "reason"),
    [
        (
            STEP.format("parts['ce'] = parts['ce'] * float('nan')"),
            "",
            "loss finite and falling",
            "loss is nan at step 1",
        ),
        (
            STEP.format("self.n = getattr(self, 'n', 0) + 1; parts = {n: p * self.n**2 for n, p in parts.items()}"),
            "",
            "loss finite and falling",
            "check its sign",
        ),
        (
            STEP.format("parts['ce'] = parts['ce'] * (1 + random.random() / 100)"),
            "import random",
            "deterministic",
            "in two runs",
        ),
        (
            BEGIN.format("self._weight *= 1 + float(torch.rand(())) / 100"),
            "import torch",
            "deterministic",
            "in two runs",
        ),
        (
            STEP.format("parts['ce'] = parts['ce'] * (1 + next(COUNT) / 1e4)"),
            "import itertools\nCOUNT = itertools.count(1)",
            "deterministic",
            "in two runs",
        ),
        (
            BEGIN.format("self._weight = len(work.corpus('toy').evaluation)"),
            "from cod_bench.runner import work",
            "reads no evaluation row",
            "a row of the evaluation split was asked for",
        ),
        (
            BEGIN.format("self._weight = len(list(warm.corpus('toy').dev))"),
            "from cod_bench.counterfactuals import warm",
            "reads no evaluation row",
            "a row of the dev split was asked for",
        ),
        (
            "",
            (
                "from cod_bench import registry\nfrom cod_bench.data import corpus\n"
                "ROWS = corpus.load(registry.load('task', 'toy')).evaluation"
            ),
            "reads no evaluation row",
            "the task's rows were asked for",
        ),
        (
            BEGIN.format("self._weight *= 1 + len(held_out()) / 1e6"),
            FROM_THE_FILES,
            "reads no evaluation row",
            "once evaluation and dev rows are others",
        ),
        (
            "",
            "import importlib\nROWS = list(importlib.import_module('cod_bench.tasks.toy')._read())",
            "reads no evaluation row",
            "the task's rows were asked for",
        ),
        (
            BEGIN.format("self._weight = len(work.corpus(setup.spec.task).train)"),
            "from cod_bench.runner import work",
            "respects k",
            "beyond the k",
        ),
        (
            BEGIN.format("self._weight = work.draw('toy', 'toy', 0, False).row(0, 30).label"),
            "from cod_bench.runner import work",
            "respects k",
            "beyond the k",
        ),
        (
            BEGIN.format("setup.batches.append(setup.batches[0])"),
            "",
            "respects k",
            "13 steps where hparams declares 12",
        ),
    ],
)
def test_a_defect_is_caught_by_its_check(body: str, top: str, caught_by: str, reason: str, tmp_path: Path) -> None:
    results = in_process(method(tmp_path, body, top))
    assert failed(results) == [caught_by], results
    assert reason in results[caught_by].reason


def test_a_swallowed_refusal_is_still_a_read(tmp_path: Path) -> None:
    swallow = "try:\n            list(work.corpus('toy').evaluation)\n        except Exception:\n            pass"
    results = in_process(method(tmp_path, BEGIN.format(swallow), "from cod_bench.runner import work"))
    assert failed(results) == ["reads no evaluation row"]


def test_unstable_hyperparameters_are_caught(tmp_path: Path) -> None:
    body = (
        "\n    @classmethod\n    def hparams(cls, track, k):\n"
        "        return {**super().hparams(track, k), 'odd': next(COUNT)}"
    )
    results = in_process(method(tmp_path, body, "import itertools\nCOUNT = itertools.count(1)"))
    assert "identity stable" in failed(results)
    assert "gave" in results["identity stable"].reason


@pytest.mark.parametrize(
    ("value", "reason"), [("float('nan')", "Out of range float"), ("{1}", "not JSON serializable")]
)
def test_hyperparameters_that_are_no_json_are_caught(value: str, reason: str, tmp_path: Path) -> None:
    body = (
        "\n    @classmethod\n    def hparams(cls, track, k):\n"
        f"        return {{**super().hparams(track, k), 'odd': {value}}}"
    )
    results = in_process(method(tmp_path, body))
    assert reason in results["identity stable"].reason


def test_a_wrong_name_and_a_missing_version_are_caught(tmp_path: Path) -> None:
    results = in_process(method(tmp_path, name="other"))
    assert failed(results) == ["name = file stem"]
    assert {r.state for r in results.values()} == {"ok", "FAILED", "skipped"}


def test_a_version_that_is_no_number_is_caught(tmp_path: Path) -> None:
    assert "version='1'" in in_process(method(tmp_path, "    version = '1'"))["name = file stem"].reason


def test_the_kind_is_told_without_running_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("raise SystemExit(5)\nDISTILLER = 1\n")
    assert kind_of(path) == "baseline"
    for text, sentence in (("x = 1", "exactly one of"), ("TASK = DISTILLER = 1", "exactly one of"), ("def (", "no")):
        path.write_text(text)
        with pytest.raises(UsageError, match=sentence):
            kind_of(path)
        assert [r.state for r in check(path)] == ["FAILED"]
    with pytest.raises(UsageError, match="no such file"):
        check(tmp_path / "nothing.py")


FITTED = """
import numpy as np
from cod_bench import Fitted
{top}


class Mine(Fitted):
    'Texts that are longer than the labels say.'

    name, version, summary = "mine", 1, "A method of a test."
    {own}

    def fit(self, material):
        limit = 50.0 + sum(row.label for row in material.rows)
        {body}

        def predict(texts):
            p = np.array([0.7 if len(text) > limit else 0.2 for text in texts])
            {said}
            return np.stack([1 - p, p], axis=1)

        return predict


DISTILLER = Mine
"""


@pytest.mark.parametrize(
    ("body", "said", "own", "top", "caught_by"),
    [
        ("", "", "", "", ""),
        ("limit = np.median([len(text) for text in material.unlabelled()])", "", "blind = True", "", ""),
        ("limit = float(material.student.states(['x']).sum())", "", "blind = True", "", ""),
        ("", "", "blind = True", "", ""),  # it is given no row that it could read
        ("limit = material.rows[0].label", "", "blind = True", "", "loss finite and falling"),
        ("", "p = p * (len(texts) > 1)", "", "", "loss finite and falling"),
        ("", "return p", "", "", "loss finite and falling"),
        ("", "p = p + 1", "", "", "loss finite and falling"),
        ("limit = np.random.rand() * 90", "", "", "", "deterministic"),
        ("limit += len(warm.corpus('toy').train[0].text)", "", "", "from cod_bench.counterfactuals import warm",
         "respects k"),
        ("limit += len(warm.corpus('toy').evaluation[0].text)", "", "",
         "from cod_bench.counterfactuals import warm", "reads no evaluation row"),
        ("limit = sum(map(ord, held_out())) % 30 + 40", "", "", FROM_THE_FILES, "reads no evaluation row"),
        ("", "", "@classmethod\n    def hparams(cls, track, k):\n        return {'steps': 3}", "", "respects k"),
    ],
)  # fmt: skip
def test_methods_with_a_fit_of_their_own_are_held_to_theirs(
    body: str, said: str, own: str, top: str, caught_by: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(FITTED.format(body=body or "pass", said=said or "pass", own=own or "pass", top=top))
    results = in_process(path)
    assert caught_by in (failed(results) or [""]), results
    assert bool(caught_by) == bool(failed(results)), results
    if not caught_by:
        assert results["loss finite and falling"].reason == "it has none and brings its own fit"


GENERATOR = """
from cod_bench.generators.substitution import Substitution
from cod_bench.generator import Answer
{top}

class Mine(Substitution):
    name = "mine"

    def answer(self, query, oracle, state):
        found = super().answer(query, oracle, state)
        {body}
        return found


GENERATOR = Mine()
"""


@pytest.mark.parametrize(
    ("body", "top", "caught_by"),
    [
        ("", "", ""),
        ("found = Answer(query.example.text + ' x', (query.example.text,), 1)", "", "flips the teacher"),
        ("found = Answer(found.attempts[0] if found.attempts else found.first, found.attempts, 1)", "",
         "first answer unchecked"),
        ("found = Answer(f'{found.first} {next(COUNT)}', found.attempts, 1)",
         "import itertools\nCOUNT = itertools.count()", "deterministic"),
        ("list(work.corpus('toy').evaluation)", "from cod_bench.runner import work", "reads no evaluation row"),
        ("found = Answer(f'{found.first} {held_out()[:40]}', found.attempts, 1)", FROM_THE_FILES,
         "reads no evaluation row"),
    ],
)  # fmt: skip
def test_generators_are_held_to_their_contract(body: str, top: str, caught_by: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(GENERATOR.format(body=body or "pass", top=top))
    results = in_process(path, "generator")
    assert caught_by in (failed(results) or [""]), results
    assert bool(caught_by) == bool(failed(results)), results


def test_the_declared_tasks_rows_are_pinned_and_an_executor_does_every_job() -> None:
    known = probe.facts(ROOT / "tasks" / "toy.py", "task", "clean", toy_tracks())
    found = Probed("task", "toy", toy_tracks(), known, known)
    assert {r.state for r in judge(CHECKS[found.kind], found)} == {"ok"}


@pytest.mark.slow
@pytest.mark.parametrize("path", ["baselines/ted.py", "baselines/probe.py", "cod_bench/executors/local.py"])
def test_declared_plugins_pass_in_processes_of_their_own(path: str) -> None:
    assert {r.state for r in check(ROOT / path)} == {"ok"}


def test_what_differs_between_processes_is_caught(tmp_path: Path) -> None:
    body = (
        "\n    @classmethod\n    def hparams(cls, track, k):\n"
        "        return {**super().hparams(track, k), 'order': ' '.join({'a', 'b', 'c', 'd', 'e', 'f', 'g'})}"
    )
    results = {r.check: r for r in check(method(tmp_path, body))}
    assert failed(results) == ["identity stable"]
    assert "another process gives other values" in results["identity stable"].reason
