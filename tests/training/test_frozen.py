"""Frozen states: a function of the backbone and the text alone, pooled by the mean, as it was before any training."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from cod_bench import device
from cod_bench.counterfactuals import warm
from cod_bench.design import tracks
from cod_bench.runner import work
from cod_bench.spec import RunSpec
from cod_bench.track import Side
from cod_bench.training import frozen, model

TRACKS = ("toy", "toy-decoder")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    device.set_threads()


def texts() -> list[str]:
    return [row.text for row in warm.corpus("toy").train[:60]] + ["good", "the " * 40 + "lamp"]


def fresh(track: str, side: Side | None = None) -> frozen.Frozen:
    found = tracks.track(track)
    return frozen.Frozen(partial(warm.base, track, "toy"), side or found.teacher_side, max_length=found.max_length)


@pytest.mark.parametrize("track", TRACKS)
def test_a_state_is_the_same_to_the_last_bit_whatever_is_asked_beside_it(track: str) -> None:
    asked = texts()
    together = fresh(track).states(asked)
    assert together.dtype == np.float32
    assert together.shape == (len(asked), 32)
    alone = np.concatenate([fresh(track).states([text]) for text in asked[:5] + asked[-2:]])
    assert np.array_equal(np.concatenate([together[:5], together[-2:]]), alone)
    assert np.array_equal(fresh(track).states(asked[::-1])[::-1], together)
    assert np.array_equal(fresh(track).states([asked[0], asked[1], asked[0]]), together[[0, 1, 0]])
    assert len(np.unique(together, axis=0)) == len(asked)
    assert fresh(track).states([]).shape == (0, 32)


@pytest.mark.parametrize("track", TRACKS)
def test_it_is_the_mean_over_real_tokens_of_the_last_states(track: str) -> None:
    base, asked = warm.base(track, "toy"), texts()
    backbone = model.keep_layers(base.backbone, None).eval()
    rows = model.tokenise(base.tokenizer, asked, tracks.track(track).max_length)
    found = fresh(track).states(asked)
    with torch.no_grad():
        for row, state in zip(rows, found, strict=True):
            plain = backbone(input_ids=torch.tensor([row]), attention_mask=torch.ones(1, len(row)).long())
            np.testing.assert_allclose(state, plain.last_hidden_state[0].mean(0).numpy(), rtol=0, atol=1e-5)
    padded, mask = model.pad(rows[:8], base.tokenizer.pad_token_id)  # as classifiers pool in batches
    with torch.no_grad():
        batch = backbone(input_ids=padded, attention_mask=mask).last_hidden_state
    np.testing.assert_allclose(found[:8], model.masked_mean(batch, mask).numpy(), rtol=0, atol=1e-5)


def test_it_keeps_the_layers_of_its_side_and_pools_by_the_mean_whatever_the_side_says() -> None:
    side = tracks.track("toy").teacher_side
    first, whole = (Side(side.source, pooling="first", layers=layers) for layers in ((0,), None))
    assert not np.array_equal(fresh("toy", first).states(texts()), fresh("toy").states(texts()))
    assert np.array_equal(fresh("toy", whole).states(texts()), fresh("toy").states(texts()))


@pytest.mark.parametrize("side", ["student", "teacher"])
def test_no_training_moves_it(side: str) -> None:
    before = warm.encoder("toy", "toy", side).states(texts())
    warm._encoder.cache_clear()
    work.run_one(RunSpec("last", "toy", "toy", "kd", "standard", "", 8, 0), {})
    after = warm.encoder("toy", "toy", side)
    assert np.array_equal(after.states(texts()), before)
    assert after is warm.encoder("toy", "toy", side)


def test_the_memory_is_bounded_and_forgetting_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, whole = texts(), fresh("toy").states(texts())
    monkeypatch.setattr(frozen, "MEMORY", 10 * 32 * 4)
    small = fresh("toy")
    for _ in range(2):
        assert np.array_equal(small.states(asked), whole)
        assert len(small._known) == 10


def test_what_is_remembered_is_not_computed_again_and_nobody_can_change_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = fresh("toy")
    found = made.states(texts()[:3])
    kept = found.copy()
    found[:] = 0
    monkeypatch.setattr(model, "tokenise", lambda *_: pytest.fail("it was asked before"))
    assert np.array_equal(made.states(texts()[:3]), kept)
