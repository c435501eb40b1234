"""Teachers that err on purpose: which labels are flipped, and that runs keep what such a teacher gets wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cod_bench.counterfactuals import warm
from cod_bench.design import built_in, suites, tracks
from cod_bench.runner import work
from cod_bench.spec import RunSpec
from cod_bench.track import Track
from cod_bench.training.teacher import _labels

TOY = built_in.TRACKS["toy"]


def labels(share: float, noisy: int | None = None, classes: int = 2, seed: int = 0) -> np.ndarray:
    """What a teacher of 3,000 rows is fine-tuned with."""
    rows = [SimpleNamespace(label=place % classes) for place in range(3000)]
    corpus = SimpleNamespace(train=rows, task=SimpleNamespace(name="some", classes=tuple("abcd"[:classes])))
    track = replace(TOY, teacher=replace(TOY.teacher, noise=share, noisy=noisy), teacher_seed=seed)
    return np.array(_labels(track, corpus, 3000))  # type: ignore[arg-type]


GOLD = np.arange(3000) % 2


def test_without_noise_labels_are_gold() -> None:
    assert np.array_equal(labels(0.0), GOLD)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.4])
def test_the_stated_share_is_flipped_in_every_class(share: float) -> None:
    flipped = labels(share) != GOLD
    for label in (0, 1):
        assert flipped[label == GOLD].mean() == pytest.approx(share, abs=0.03)


def test_flips_are_nested_and_those_of_one_class_are_of_it_alone() -> None:
    few, more, one = (labels(share, noisy) != GOLD for share, noisy in ((0.1, None), (0.4, None), (0.4, 1)))
    assert (few <= more).all()
    assert not one[GOLD == 0].any()
    assert np.array_equal(one[GOLD == 1], more[GOLD == 1])


def test_of_more_classes_each_other_one_is_drawn() -> None:
    gold, found = np.arange(3000) % 4, labels(0.4, classes=4)
    assert (found != gold).mean() == pytest.approx(0.4, abs=0.03)
    for label in range(4):
        others = found[(gold == label) & (found != label)]
        assert {*others} == {*range(4)} - {label}


def test_another_teacher_gets_other_flips() -> None:
    assert not np.array_equal(labels(0.2), labels(0.2, seed=1))
    assert np.array_equal(labels(0.2, seed=1), labels(0.2, seed=1))


def test_suite_flawed_runs_on_tracks_that_are_there_and_keep_rows() -> None:
    suite = suites.SUITES["flawed"]
    assert len(suite.tracks) == 7
    for name in suite.tracks:
        assert tracks.keeps_wrong("last", name)
        assert tracks.keeps_wrong("last", f"{name}@1")
    noises = {(tracks.track(name).teacher.noise, tracks.track(name).teacher.noisy) for name in suite.tracks}
    assert noises == {(0.0, None), *((share, noisy) for share in (0.1, 0.2, 0.4) for noisy in (None, 1))}


@pytest.mark.parametrize(
    ("protocol", "track", "kept"),
    [("last", "minilm", False), ("paper", "minilm", True), ("last", "nobody", False), ("dev", "minilm-kept", True)],
)
def test_who_keeps_rows(protocol: str, track: str, kept: bool) -> None:
    assert tracks.keeps_wrong(protocol, track) is kept


@pytest.fixture
def noisy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Track:
    """A toy whose teacher was given wrong labels for two rows in five, and learnt little."""
    made = replace(
        TOY, name="toy-noisy", keeps_wrong=True, teacher=replace(TOY.teacher, epochs=2, noise=0.4),
    )  # fmt: skip
    monkeypatch.setitem(built_in.TRACKS, made.name, made)
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "home"))
    return made


def test_a_run_keeps_originals_that_the_teacher_gets_wrong_with_their_gold_label(noisy: Track) -> None:
    judge, rows = warm.teacher(noisy.name, "toy"), warm.corpus("toy").train
    assert any(judge.predict(row.text) != row.label for row in rows[:200])
    gold = {row.id: row.label for row in rows}
    seen, wrong = 0, 0
    for seed in range(3):
        run = work.resolve(RunSpec("last", noisy.name, "toy", "kd", "standard", "", 8, seed))
        training, _ = run.rows()
        assert training.passed_over == 0
        for row in training.rows:
            assert row.label == gold[row.source]
            seen, wrong = seen + 1, wrong + (judge.predict(row.text) != row.label)
    assert 0 < wrong < seen


def test_its_counterfactuals_are_what_the_teacher_gives_the_other_class(noisy: Track) -> None:
    judge = warm.teacher(noisy.name, "toy")
    run = work.resolve(RunSpec("last", noisy.name, "toy", "kd", "cod", "substitution", 8, 0))
    entries = run.entries()
    assert all(judge.predict(entry.cfe) == entry.target for entry in entries if entry.cfe is not None)
    record = work.run_one(run.spec, {})
    assert record.identity["track"]["keeps_wrong"] is True
    assert record.identity["track"]["teacher"]["noise"] == 0.4
