"""Runs of methods that bring their own fit: what they are given, what is refused, what their records tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cod_bench import device, registry
from cod_bench.checks import rows as check_rows
from cod_bench.counterfactuals import warm
from cod_bench.counterfactuals.rows import build
from cod_bench.design import tracks
from cod_bench.design.identity import expected, has_recipe, identify, run_id
from cod_bench.distiller import Fitted, Material, brings_fit
from cod_bench.errors import RunError, UsageError
from cod_bench.records.record import problems, record_from_json, to_json
from cod_bench.runner import energy, recipe, work
from cod_bench.runner import fit as fits
from cod_bench.spec import PROTOCOLS, RunSpec

SPEC = RunSpec("last", "toy", "toy", "probe", "standard", "", 8, 0)
TEXTS = ["the lamp was weak", "the song was fresh", "what fresh news"]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    device.set_threads()


def fitted(predictor: Any = None, of: Callable[[Material], Any] = lambda material: None) -> fits.Fit:
    class Own(Fitted):
        name, version, summary = "own", 1, "A method of a test."

        def fit(self, material: Material) -> Any:
            seen = of(material)
            return seen if predictor is None else predictor

    training = build(warm.draw("toy", "toy", 0, False), "standard", 8)
    return fits.fit(Own, replace(SPEC, method="own"), tracks.track("toy"), {"a": 1}, training, ("bad", "good"))


def test_a_method_is_given_its_rows_and_no_evaluation_text() -> None:
    seen: list[Material] = []
    made = fitted(lambda texts: np.full((len(texts), 2), 0.5), seen.append)
    (given,) = seen
    assert [row.text for row in given.rows] == [
        row.text for row in build(warm.draw("toy", "toy", 0, False), "standard", 8).rows
    ]
    assert (given.classes, given.hparams, given.track.name) == (("bad", "good"), {"a": 1}, "toy")
    assert given.student is warm.encoder("toy", "toy", "student")
    assert given.teacher is warm.encoder("toy", "toy", "teacher")
    assert made.unlabelled_texts == 0
    assert (made.trained.steps, made.trained.losses, made.trained.scores) == (0, {}, [])
    assert made.trained.seconds == {"prepare": 0.0, "train": made.seconds}


def test_the_pools_texts_come_in_an_order_without_labels_and_asking_is_told() -> None:
    seen: list[Sequence[str]] = []

    def ask(material: Material) -> None:
        seen.extend([material.unlabelled(), material.unlabelled()])

    made = fitted(lambda texts: np.full((len(texts), 2), 0.5), ask)
    train = warm.corpus("toy").train
    assert list(seen[0]) == list(seen[1]) == [row.text for row in sorted(train, key=lambda row: row.id)]
    assert made.unlabelled_texts == len(train)
    held_out = {row.text for row in (*warm.corpus("toy").evaluation, *warm.corpus("toy").dev)}
    assert held_out.isdisjoint(seen[0])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([0.5, 0.5, 0.5], r"shape \[3\]; return \[3, 2\]"),
        ([[0.5, 0.5]] * 2, r"shape \[2, 2\]; return \[3, 2\]"),
        ([[1.0]] * 3, r"shape \[3, 1\]; return \[3, 2\]"),
        ([[0.5, 0.5], [0.5, float("nan")], [0.5, 0.5]], "no finite number"),
        ([[0.5, 0.5], [float("inf"), 0.0], [0.5, 0.5]], "no finite number"),
        ([[0.5, 0.5], [0.5, 0.50001], [0.5, 0.5]], r"0\.5, 0\.50001 for text 1; return probabilities"),
        ([[0.5, 0.5], [0.5, 0.5], [-0.1, 1.1]], r"-0\.1, 1\.1 for text 2; return probabilities"),
        ([["x", "y"]] * 3, "no array of numbers"),
        (None, "no array of numbers|shape"),
    ],
)
def test_what_is_no_probability_is_a_sentence_with_the_methods_name(values: Any, reason: str) -> None:
    with pytest.raises(RunError, match=f"method 'own': its predictor gave .*({reason})"):
        fitted(lambda _: values).probabilities(TEXTS)


def test_a_fit_without_a_predictor_is_a_sentence() -> None:
    with pytest.raises(RunError, match="method 'own': its fit gave a int; return a function of texts"):
        fitted(None, lambda _: 5)


@pytest.mark.parametrize(
    ("p", "digit", "kept"),
    [(0.5, "0", 4999), (0.50001, "1", 5001), (0.49999, "0", 4999), (0.0, "0", 1), (1.0, "1", 9999), (0.25, "0", 2500)],
)
def test_stored_classes_agree_with_stored_probabilities(p: float, digit: str, kept: int) -> None:
    """At one half the first class counts; what rounds to one half goes to the side of its class."""
    predictions, probabilities = fitted(lambda texts: [[1 - p, p]] * len(texts)).stored(TEXTS)
    assert (predictions, probabilities) == (digit * 3, [kept] * 3)
    record = replace(work.run_one(SPEC, {}), predictions=predictions, probabilities=probabilities)
    assert problems(record) == []


def test_float32_rows_may_miss_1_by_their_last_bits() -> None:
    p = np.array([[1 / 3, 2 / 3], [0.1, 0.9], [0.7, 0.3]], dtype=np.float32)
    assert fitted(lambda texts: p[[TEXTS.index(text) for text in texts]]).stored(TEXTS) == ("110", [6667, 9000, 3000])


def test_a_predictor_that_reads_the_evaluation_texts_together_is_refused() -> None:
    def ranks(texts: Sequence[str]) -> NDArray[np.float64]:
        p = (np.arange(len(texts)) + 1.0) / (len(texts) + 1)
        return np.stack([1 - p, p], axis=1)

    with pytest.raises(RunError, match=r"says something else of text . when it is asked for alone; predict each text"):
        fitted(ranks).stored(TEXTS)


def test_a_record_tells_the_libraries_that_its_numbers_depend_on() -> None:
    told = work.run_one(replace(SPEC, method="tfidf"), {"cod_bench": "1"}).provenance
    assert told == {"cod_bench": "1", "libraries": {"scikit-learn": version("scikit-learn")}}
    assert work.run_one(replace(SPEC, method="majority"), {}).provenance == {}


@pytest.mark.parametrize("named", ["scikit-learn", ("",), (3,), ("sklearn-of-nobody",)], ids=repr)
def test_libraries_that_are_not_there_are_told_before_anything_is_fitted(
    named: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.load("baseline", "tfidf"), "libraries", named)
    with pytest.raises(UsageError, match=r"method 'tfidf': libraries=.*; name installed packages"):
        work.run_one(replace(SPEC, method="tfidf"), {})


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_record_has_no_step_and_protocols_that_select_make_no_difference(protocol: str) -> None:
    made = work.run_one(replace(SPEC, protocol=protocol), {})
    assert record_from_json(to_json(made)).comparable() == made.comparable()
    assert made.run_id == run_id(made.spec)
    assert (made.history, made.cost["steps"], made.cost["prepare_steps"]) == ({}, 0.0, 0.0)
    assert made.cost["train_seconds"] > 0
    assert check_rows.history(made) == ""
    if protocol == "dev":
        assert made.predictions == work.run_one(SPEC, {}).predictions


def test_the_predictor_is_called_with_the_evaluation_texts_and_some_of_them_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "counted.py").write_text(
        "from cod_bench import Fitted\nCALLS = []\n\n\nclass Counted(Fitted):\n    'Counts.'\n\n"
        "    name, version, summary = 'counted', 1, 'Counts how often it is asked.'\n\n"
        "    def fit(self, material):\n"
        "        def predict(texts):\n            CALLS.append(list(texts))\n"
        "            return [[0.6, 0.4]] * len(texts)\n        return predict\n\n\nDISTILLER = Counted\n"
    )
    monkeypatch.setattr(registry, "_plugin_files", {})
    registry.add_plugin(tmp_path / "counted.py")
    work.run_one(replace(SPEC, method="counted"), {})
    calls = registry._import_file((tmp_path / "counted.py").resolve()).CALLS
    texts = [row.text for row in warm.corpus("toy").evaluation]
    assert calls[-1] == texts
    assert len({*map(tuple, calls[:-1])}) == len(calls) - 1 == 5
    assert all(len(call) == 1 and call[0] in texts for call in calls[:-1])


def test_energy_meters_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("codecarbon", reason="the extra `energy` is not installed")
    monkeypatch.setenv(energy.VARIABLE, "1")
    made = work.run_one(SPEC, {})
    assert made.cost["kwh"] >= 0
    assert check_rows.history(made) == ""


def test_there_is_no_recipe_to_choose_and_none_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    track = tracks.track("toy")
    with pytest.raises(UsageError, match="method 'probe': brings its own fit and has no recipe to choose"):
        recipe.trials(track, ["kd", "probe"], ["toy"])
    assert "kd" in recipe.methods()
    assert not any(map(brings_fit, recipe.methods()))
    open_ = replace(track, recipe=replace(track.recipe, learning_rate=None), recipes={})
    monkeypatch.setattr(tracks, "track", lambda _: open_)
    assert has_recipe("toy", "probe")
    assert not has_recipe("toy", "kd")
    assert set(expected([SPEC, replace(SPEC, method="kd")])) == {SPEC}


def test_hyperparameters_are_in_the_identity_and_the_tracks_recipe_is_not() -> None:
    told = identify(SPEC)["method"]
    assert told == {"name": "probe", "version": 1, "hparams": registry.load("baseline", "probe").hparams(None, 8)}
    assert identify(replace(SPEC, k=16))["method"] == told
