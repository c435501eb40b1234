"""Floors beside what scikit-learn and VADER say when they are asked directly, on the toy task and on real rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from cod_bench import device, registry
from cod_bench.condition import Row
from cod_bench.counterfactuals import warm
from cod_bench.counterfactuals.rows import build
from cod_bench.design import tracks
from cod_bench.distiller import Material, brings_fit, reads_no_row
from cod_bench.errors import RunError, UsageError
from cod_bench.runner import fit as fits
from cod_bench.runner import work
from cod_bench.spec import RunSpec, canonical
from tests import ROOT

REAL = ROOT.parent / "shared" / "data"
FLOORS = ("lexicon", "lexicon_median", "majority", "probe", "probe_teacher", "tfidf")
SPEC = RunSpec("last", "toy", "toy", "majority", "standard", "", 16, 0)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    device.set_threads()


def rows_of(texts: Sequence[str], labels: Sequence[int]) -> tuple[Row, ...]:
    pairs = enumerate(zip(texts, labels, strict=True))
    return tuple(Row(text, label, i, "original", str(i)) for i, (text, label) in pairs)


def toy_rows() -> tuple[Row, ...]:
    return build(warm.draw("toy", "toy", 0, False), "standard", 16).rows


def evaluated() -> list[str]:
    return [row.text for row in warm.corpus("toy").evaluation]


def material(
    method: str, rows: Sequence[Row], pool: Sequence[str] = (), classes: Sequence[str] = ("bad", "good")
) -> Material:
    track = tracks.track("toy")
    return Material(
        replace(SPEC, method=method), track, registry.load("baseline", method).hparams(track, 16), rows, classes,
        warm.encoder("toy", "toy", "student"), warm.encoder("toy", "toy", "teacher"), lambda: pool,
    )  # fmt: skip


def predicted(method: str, rows: Sequence[Row], texts: Sequence[str], pool: Sequence[str] = ()) -> Any:
    return np.asarray(registry.load("baseline", method)().fit(material(method, rows, pool))(texts))


def by_tfidf(rows: Sequence[Row], texts: Sequence[str]) -> Any:
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    made = LogisticRegression(max_iter=1000).fit(words.fit_transform([r.text for r in rows]), [r.label for r in rows])
    return made.predict_proba(words.transform(texts))


def by_states(rows: Sequence[Row], texts: Sequence[str], side: str) -> Any:
    states = warm.encoder("toy", "toy", side).states
    x = states([row.text for row in rows]).astype(np.float64)
    made = LogisticRegression(max_iter=1000).fit(x, [row.label for row in rows])
    return made.predict_proba(states(texts).astype(np.float64))


def scores(texts: Sequence[str]) -> Any:
    vader = SentimentIntensityAnalyzer()
    return np.array([vader.polarity_scores(text)["compound"] for text in texts])


def test_which_methods_need_no_gradient_loop() -> None:
    assert sorted(name for name in registry.names("baseline") if brings_fit(name)) == sorted(FLOORS)
    assert [name for name in FLOORS if reads_no_row(name)] == ["lexicon", "lexicon_median"]
    assert not brings_fit("nobody")


@pytest.mark.parametrize("method", FLOORS)
def test_settings_tell_everything_and_name_no_steps(method: str) -> None:
    told = registry.load("baseline", method).hparams(tracks.track("toy"), 8)
    assert canonical(told) == canonical(registry.load("baseline", method).hparams(tracks.track("toy-decoder"), 512))
    assert "steps" not in told
    assert json.loads(canonical(told)) == told


def test_tfidf_is_scikit_learns() -> None:
    found = predicted("tfidf", toy_rows(), evaluated())
    np.testing.assert_allclose(found, by_tfidf(toy_rows(), evaluated()), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("method", "side"), [("probe", "student"), ("probe_teacher", "teacher")])
def test_a_probe_is_scikit_learns_on_frozen_states(method: str, side: str) -> None:
    found = predicted(method, toy_rows(), evaluated())
    np.testing.assert_allclose(found, by_states(toy_rows(), evaluated(), side), rtol=0, atol=1e-9)


def test_the_settings_told_are_those_of_the_classifier() -> None:
    told = registry.load("baseline", "probe").hparams(tracks.track("toy"), 8)
    used = LogisticRegression(max_iter=1000).get_params()
    assert {name: used[name] for name in ("C", "solver", "tol", "max_iter")} == {
        name: told[name] for name in ("C", "solver", "tol", "max_iter")
    }
    own = registry.load("baseline", "tfidf").hparams(tracks.track("toy"), 8)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).get_params()
    names = ("ngram_range", "sublinear_tf", "lowercase", "norm", "smooth_idf")
    assert [list(words[n]) if n == "ngram_range" else words[n] for n in names] == [own[n] for n in names]


def test_the_lexicon_is_vaders_score_above_0() -> None:
    texts = [*evaluated(), "the camera in paris", "bad", "good", ""]
    found, score = predicted("lexicon", (), texts), scores(texts)
    assert (found.argmax(1) == (score > 0)).all()
    assert (score == 0).sum() == 2
    at = [i for i, value in enumerate(score) if value == 0]
    assert [round(10_000 * p) for p in found[at, 1]] == [4998, 4998]  # unfavourable, and stored as that
    order = np.argsort(score, kind="stable")
    assert (np.diff(found[order, 1]) >= 0).all()


def test_the_median_is_that_of_the_pool_it_asked_for() -> None:
    pool = ["good", "great, superb and lovely", "the lamp", "wonderful", "nice"]
    texts = [*evaluated(), *pool, "nice"]
    found, score = predicted("lexicon_median", (), texts, pool), scores(texts)
    assert (found.argmax(1) == (score > median(scores(pool)))).all()
    assert 0 < found[:, 1].min() < 0.5 < found[:, 1].max() <= 1
    assert 5000 not in [round(10_000 * p) for p in found[:, 1]]


def test_another_word_list_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    lexicon = importlib.import_module("cod_bench.baselines.lexicon")
    monkeypatch.setitem(lexicon.LISTS, "vader_lexicon.txt", "0" * 64)
    lexicon._analyser.cache_clear()
    lexicon.compound.cache_clear()
    with pytest.raises(RunError, match=r"vader_lexicon\.txt has sha256 1ec9c6.*pip install vadersentiment==3\.3\.2"):
        predicted("lexicon", (), ["good"])


@pytest.mark.parametrize("method", ["lexicon", "lexicon_median"])
def test_opinions_have_two_sides(method: str) -> None:
    with pytest.raises(UsageError, match=f"method '{method}': tells two classes apart, not 3"):
        registry.load("baseline", method)().fit(material(method, (), classes=("a", "b", "c")))


@pytest.mark.parametrize(
    ("labels", "row"),
    [([1, 0, 1, 1], [0.25, 0.75]), ([0, 1, 1, 0], [0.5002, 0.4998]), ([1, 1], [0.0, 1.0]), ([1, 0], [0.5002, 0.4998])],
)
def test_the_majority_is_that_of_the_training_rows(labels: list[int], row: list[float]) -> None:
    found = predicted("majority", rows_of([str(i) for i in labels], labels), ["x", "y"])
    np.testing.assert_allclose(found, [row, row], atol=1e-12)


@pytest.mark.parametrize("method", ["probe", "probe_teacher", "tfidf"])
@pytest.mark.parametrize("label", [0, 1])
def test_of_one_class_alone_there_is_nothing_to_learn(method: str, label: int) -> None:
    found = predicted(method, rows_of(["the lamp was weak", "the song was fresh"], [label, label]), ["x", "the lamp"])
    assert found.tolist() == [[1.0 - label, float(label)]] * 2


def test_a_class_without_a_row_is_never_predicted() -> None:
    rows = rows_of(["weak lamp", "dull film", "fresh song", "superb salad"], [0, 0, 2, 2])
    made = registry.load("baseline", "tfidf")().fit(material("tfidf", rows, classes=("a", "b", "c")))
    found = np.asarray(made(["weak film", "superb song"]))
    assert found.argmax(1).tolist() == [0, 2]
    assert (found[:, 1] == 0).all()
    np.testing.assert_allclose(found.sum(1), 1)


@pytest.mark.parametrize("method", FLOORS)
def test_a_run_is_what_the_method_says_of_the_tasks_rows(method: str) -> None:
    """Without the runner: the same rows, the same pool, the same classes."""
    spec = replace(SPEC, method=method, k=8)
    made = work.run_one(spec, {})
    rows = build(warm.draw("toy", "toy", 0, False), "standard", 8).rows
    pool = [row.text for row in warm.corpus("toy").train]
    found = predicted(method, rows, evaluated(), pool)
    assert made.predictions == "".join(map(str, found.argmax(1)))
    assert list(made.probabilities) == [min(max(round(p * 10_000), 1), 9_999) for p in found[:, 1].tolist()]


@pytest.mark.parametrize("method", FLOORS)
def test_a_fit_is_a_function_of_its_material(method: str) -> None:
    device.set_threads()
    pool = fits.pool_texts("toy")
    one = predicted(method, toy_rows(), evaluated(), pool)
    np.random.seed(5)  # noqa: NPY002 - the stream that nothing may use
    assert np.array_equal(one, predicted(method, toy_rows(), evaluated(), pool))
    backwards = predicted(method, toy_rows(), evaluated()[::-1], pool)[::-1]
    np.testing.assert_allclose(one, backwards, rtol=0, atol=1e-12)


def real_rows(task: str, split: str) -> tuple[Row, ...]:
    lines = (REAL / task / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()[:400]
    values = [json.loads(line) for line in lines]
    return rows_of([value["text"] for value in values], [value["label"] for value in values])


@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data, where the local slices lie, is not here")
@pytest.mark.parametrize("task", ["sst2", "sentiment140"])
def test_real_rows_are_told_as_the_packages_tell_them(task: str) -> None:
    train, held_out = real_rows(task, "train"), real_rows(task, "test")
    texts, gold = [row.text for row in held_out], np.array([row.label for row in held_out])
    np.testing.assert_allclose(predicted("tfidf", train, texts), by_tfidf(train, texts), rtol=0, atol=1e-9)
    said = predicted("lexicon", (), texts).argmax(1)
    assert (said == (scores(texts) > 0)).all()
    assert (said == gold).mean() > 0.55
    pool = [row.text for row in train]
    above = predicted("lexicon_median", (), pool, pool).argmax(1)
    assert abs(above.mean() - 0.5) < 0.25  # many texts have the score 0, and all of these fall to one side
