"""One run in this process on the toy task: equal starts, determinism, leakage, failures."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from cod_bench import device, registry
from cod_bench import generator as counterfactual
from cod_bench.checks.prepared import strangers
from cod_bench.checks.rows import alone
from cod_bench.condition import condition as registered
from cod_bench.counterfactuals import pool, warm
from cod_bench.counterfactuals.rows import build
from cod_bench.data import origin
from cod_bench.design import tracks
from cod_bench.design.identity import identify, run_id
from cod_bench.design.suites import CLAIMED, CONDITIONS
from cod_bench.distiller import brings_fit
from cod_bench.errors import RunError
from cod_bench.records.evaluate import metrics as recomputed
from cod_bench.records.record import record_from_json, to_json
from cod_bench.runner import metrics, work
from cod_bench.spec import PROTOCOLS, RunSpec, generator_for, needs_generator
from cod_bench.task import Example
from cod_bench.training import teacher as teachers
from cod_bench.training.batches import Rows, batches_of
from cod_bench.training.distil import train
from cod_bench.training.model import masked_mean, pad, predict

METHODS = tuple(name for name in registry.names("baseline") if not brings_fit(name))
"""Those with a training loop; test_fit.py has the others."""


def spec(method: str = "kd", condition: str = "standard", **changes: Any) -> RunSpec:
    generator = generator_for(condition, "substitution")
    return replace(RunSpec("last", "toy", "toy", method, condition, generator, 8, 0), **changes)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    device.set_threads()


@pytest.mark.parametrize(
    ("method", "condition"),
    [*itertools.product(METHODS, CLAIMED), *(("kd", one) for one in CONDITIONS[len(CLAIMED) :] if one != "whole-pool")],
)
def test_every_method_runs_under_every_condition(method: str, condition: str) -> None:
    record = work.run_one(spec(method, condition), {})
    assert record_from_json(to_json(record)).comparable() == record.comparable()
    assert record.run_id == run_id(record.spec)
    assert recomputed(record.predictions, record.probabilities, warm.reference("toy", "toy")) == pytest.approx(
        dict(record.metrics), abs=1e-6
    )
    steps = tracks.track("toy").recipe.steps_at(8)
    assert len(record.history["loss"]) == steps == record.cost["steps"]
    assert np.isfinite(record.history["loss"]).all()
    assert (record.cfe is None) == (not needs_generator(condition))
    assert alone(record) == ""
    assert strangers({"": record}) == ({}, set())


@pytest.mark.parametrize("method", ["lexicon", "probe"])
def test_a_floor_runs_on_the_whole_pool(method: str) -> None:
    record = work.run_one(RunSpec("last", "toy", "toy", method, "whole-pool", "", 0, 0), {})
    assert len(record.rows["sources"]) == len(warm.corpus("toy").train)
    assert record.cost["human_labels"] == (0 if method == "lexicon" else len(warm.corpus("toy").train))
    assert record.cost["teacher_queries"] == 0
    assert alone(record) == ""
    assert strangers({"": record}) == ({}, set())


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("method", METHODS)
def test_the_same_spec_gives_the_same_record(method: str, protocol: str) -> None:
    wanted = spec(method, "cod", protocol=protocol)
    torch.manual_seed(1)
    first = work.run_one(wanted, {})
    work.run_one(spec("lwd", "standard", seed=1), {})  # another run in between must leave no trace
    torch.manual_seed(2)
    assert work.run_one(wanted, {}).comparable() == first.comparable()


def test_the_loss_falls() -> None:
    loss = work.run_one(spec(), {}).history["loss"]
    assert np.mean(loss[-3:]) < np.mean(loss[:3])


def test_every_method_starts_from_the_same_student_and_another_seed_from_another() -> None:
    heads = [work.fresh_student(spec(method)).head.weight.detach().clone() for method in METHODS]
    assert all(torch.equal(heads[0], head) for head in heads)
    assert not torch.equal(heads[0], work.fresh_student(spec(seed=1)).head.weight)
    student = work.fresh_student(spec())
    embeddings: Any = student.backbone
    assert not embeddings.get_input_embeddings().weight.requires_grad


def test_a_student_is_reset_between_runs() -> None:
    before = {name: value.clone() for name, value in work.fresh_student(spec()).state_dict().items()}
    work.run_one(spec("ted", "cod"), {})
    after = work.fresh_student(spec()).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_first_batch_gives_every_method_the_same_cross_entropy() -> None:
    # same rows, same initialisation and same dropout stream: only the other parts of the loss may differ
    first = {method: work.run_one(spec(method, "cod"), {}).history for method in METHODS}
    parts = {method: history.get("ce", history["loss"])[0] for method, history in first.items()}
    assert len(set(parts.values())) == 1, parts


def test_conditions_share_originals_and_order() -> None:
    draw = warm.draw("toy", "toy", 0, False)
    entries = warm.pool("toy", "toy", "substitution").entries(draw, 8)
    orders = set()
    for condition in CLAIMED:
        training = build(draw, condition, 8, entries if needs_generator(condition) else None)
        batches, _ = batches_of(training, spec(), 8, 12)
        rows = training.rows
        orders.add(str([[rows[i].source for i in batch if rows[i].role == "original"] for batch in batches]))
    assert len(orders) == 1


def test_larger_budgets_only_add_originals_and_pool_entries() -> None:
    draw, found = warm.draw("toy", "toy", 3, False), warm.pool("toy", "toy", "substitution")
    assert found.entries(draw, 16)[:4] == found.entries(draw, 8)
    fresh = pool.Pool(found.corpus, found.teacher, found.generator, _elsewhere(found), found.near)
    other = warm.draw.__wrapped__("toy", "toy", 3, False)
    assert fresh.entries(other, 16) == found.entries(draw, 16)


def _elsewhere(found: pool.Pool) -> Any:
    from cod_bench.store import Artifacts

    return Artifacts(found.folder.parent.parent.parent.parent / "elsewhere")


def test_every_counterfactual_flips_the_teacher_and_every_control_does_not() -> None:
    judge = warm.teacher("toy", "toy")
    draw = warm.draw("toy", "toy", 0, False)
    entries = warm.pool("toy", "toy", "substitution").entries(draw, 16)
    for slot, entry in zip(draw.slots(16), entries, strict=True):
        assert judge.predict(slot.original.text) == slot.original.label
        if entry.cfe is not None:
            assert entry.cfe != slot.original.text
            assert judge.predict(entry.cfe) == slot.target == entry.target
        for control in (entry.random, entry.preserving):
            assert control is None or judge.predict(control) == slot.original.label
    assert any(entry.cfe for entry in entries)


def test_teacher_outputs_do_not_depend_on_neighbours_or_padding() -> None:
    judge = warm.teacher("toy", "toy")
    text = warm.corpus("toy").train[0].text
    alone, padded = judge.outputs(text), judge.outputs(text, 30)
    torch.testing.assert_close(alone.logits, padded.logits, rtol=1e-4, atol=1e-5)
    for layer, state in alone.hidden.items():
        torch.testing.assert_close(state, padded.hidden[layer][: len(state)], rtol=1e-4, atol=1e-5)


def test_the_evaluation_order_does_not_matter() -> None:
    student = work.fresh_student(spec())
    rows = [[2, 5, 6, 3], [2, 7, 3], [2, 8, 9, 10, 3]]
    whole = predict(student, rows, pad_id=0)
    for i, row in enumerate(rows):
        np.testing.assert_allclose(whole[i], predict(student, [row], pad_id=0)[0], rtol=1e-4, atol=1e-5)


def test_masked_mean_reads_real_tokens_only() -> None:
    _, mask = pad([[1, 2], [3]], 0)
    states = torch.tensor([[[1.0], [3.0]], [[5.0], [99.0]]])
    assert masked_mean(states, mask).flatten().tolist() == [2.0, 5.0]


def test_only_the_paper_protocol_reads_padding_and_shuffles_rows_singly() -> None:
    draw, judge, track = warm.draw("toy", "toy", 0, False), warm.teacher("toy", "toy"), tracks.track("toy")
    training = build(draw, "standard", 8)
    for protocol in ("last", "paper"):
        rows = Rows(training, judge, judge.tokenizer, track, PROTOCOLS[protocol], layers=True)
        batch = rows.batch([0, 1, 2, 3])
        assert bool((batch.layer_mask == 1).all()) is (protocol == "paper")
        padding = batch.mask == 0
        assert padding.any()
        state = next(iter(batch.teacher_hidden.values()))
        assert bool(state[padding].abs().sum() > 0) is (protocol == "paper")


def test_a_loss_that_is_not_finite_is_a_failed_run() -> None:
    wanted = spec()
    training = build(warm.draw("toy", "toy", 0, False), "standard", 8)
    hparams = {**identify(wanted)["method"]["hparams"], "learning_rate": 1e30, "steps": 12}
    with pytest.raises(RunError, match=r"loss is (nan|inf) at step \d+; lower the learning rate"):
        train(
            wanted, tracks.track("toy"), training, registry.load("baseline", "kd")(), hparams,
            work.fresh_student(wanted), warm.teacher("toy", "toy"), None,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [("hello", "loss returned str"), ({}, "loss returned dict"), ({"a": 1.0}, "loss part 'a' is float"),
     ({"a": torch.ones(2)}, r"loss part 'a' is a tensor of shape \(2,\)")],
)  # fmt: skip
def test_a_loss_of_another_type_is_told(returned: Any, sentence: str) -> None:
    class Odd(registry.load("baseline", "kd")):  # type: ignore[misc]
        def loss(self, student: Any, batch: Any) -> Any:
            return returned

    wanted = spec()
    training = build(warm.draw("toy", "toy", 0, False), "standard", 8)
    with pytest.raises(RunError, match=sentence):
        train(
            wanted, tracks.track("toy"), training, Odd(), identify(wanted)["method"]["hparams"],
            work.fresh_student(wanted), warm.teacher("toy", "toy"), None,
        )  # fmt: skip


def test_a_teacher_that_has_not_learned_a_class_is_fitted_longer(
    tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from dataclasses import replace

    from cod_bench.store import Artifacts
    from cod_bench.training import teacher as teachers

    data, base, track = warm.corpus("toy"), warm.base("toy", "toy"), tracks.track("toy")
    learned = teachers.load_or_fit(track, data, base, Artifacts(tmp_path)).about
    assert learned["epochs"] == track.teacher.epochs
    assert caplog.text == ""
    # At such a rate the random head gives every text one class, however long it is fitted.
    still = replace(track, teacher=replace(track.teacher, learning_rate=1e-9))
    about = teachers.load_or_fit(still, data, base, Artifacts(tmp_path)).about
    assert about["epochs"] == track.teacher.epochs * 2**teachers.LONGER_FITS
    assert about["cost"]["steps"] == learned["cost"]["steps"] * (2 ** (teachers.LONGER_FITS + 1) - 1)
    assert caplog.text.count("is not learned") == teachers.LONGER_FITS + 1
    # At a rate that is just too small for one epoch, two are enough.
    slow = replace(track, teacher=replace(track.teacher, epochs=1, learning_rate=3e-4))
    assert teachers.load_or_fit(slow, data, base, Artifacts(tmp_path)).about["epochs"] == 2


def test_a_corrupt_teacher_and_pool_are_made_again_and_alike(tmp_path: Any) -> None:
    from cod_bench.store import Artifacts
    from cod_bench.training.teacher import load_or_fit

    data, base, track = warm.corpus("toy"), warm.base("toy", "toy"), tracks.track("toy")
    first = load_or_fit(track, data, base, Artifacts(tmp_path))
    for name, content in (("teacher.json", b"{"), ("model.safetensors", b"")):
        next(tmp_path.rglob(name)).write_bytes(content)
        assert load_or_fit(track, data, base, Artifacts(tmp_path)).sha256 == first.sha256
    found, draw = warm.pool("toy", "toy", "substitution"), warm.draw("toy", "toy", 0, False)

    def entries() -> list[counterfactual.Entry]:
        made = pool.Pool(data, first, found.generator, Artifacts(tmp_path), found.near)
        return made.entries(draw, 8)

    whole = entries()
    for name in ("seed0-000-004.json", "state.json"):
        next(tmp_path.rglob(name)).write_text("{")
        next(tmp_path.rglob("seed0-000-004.json")).write_text("{")
        assert entries() == whole


def test_selecting_protocols_keep_the_earliest_best_epoch() -> None:
    record = work.run_one(spec("kd", "cod", protocol="dev"), {})
    scores = record.history["selection"]
    assert record.history["selected_step"] == [float(scores.index(max(scores)) + 1)]
    assert len(scores) == 12  # one batch an epoch at k = 8


def test_sentinel_words_of_dev_and_evaluation_never_appear_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    data = warm.corpus("toy")
    sentinel = "zyzzyva"

    def poisoned(rows: tuple[Example, ...]) -> tuple[Example, ...]:
        return tuple(replace(row, text=f"{sentinel} {row.text} {sentinel}good") for row in rows)

    leaky = replace(data, dev=poisoned(data.dev), evaluation=poisoned(data.evaluation))
    judge, found = warm.teacher("toy", "toy"), warm.pool("toy", "toy", "substitution")
    generator = registry.load("generator", "substitution")
    clean = pool.Pool(leaky, judge, generator, _elsewhere(found), found.near)
    assert sentinel not in str(clean.state())
    draw = warm.draw("toy", "toy", 0, False)
    entries = clean.entries(draw, 16)
    assert sentinel not in str(entries)
    for name in CONDITIONS:
        own = registered(name)
        given = entries[: own.entries_at(8)] if needs_generator(name) else None
        near = warm.neighbours("toy", "toy") if own.needs == "neighbours" else None
        training = build(draw, name, 0 if own.whole_pool else 8, given, share=clean.share(), neighbours=near)
        assert sentinel not in str(training)
    vocabulary = warm.base("toy", "toy").tokenizer.get_vocab()
    assert sentinel not in vocabulary


def test_texts_near_an_evaluation_row_are_refused_and_counted() -> None:
    found = warm.pool("toy", "toy", "substitution")
    draw = warm.draw("toy", "toy", 0, False)
    entry = next(e for e in found.entries(draw, 16) if e.cfe is not None)
    near = type(found.near)([entry.cfe or ""])
    strict = pool.Pool(found.corpus, found.teacher, found.generator, _elsewhere(found), near)
    slot = next(s for s in draw.slots(16) if s.original.id == entry.id)
    again = strict._entry(slot, 0)
    assert again.refused >= 1
    assert again.cfe is None or not near.near(again.cfe)


def test_a_row_of_the_training_pool_is_never_an_evaluation_row() -> None:
    data = origin.corpus("toy")
    assert {row.id for row in data.train}.isdisjoint(row.id for row in data.evaluation)


def test_the_evaluate_metric_gives_what_readers_compute() -> None:
    reference = warm.reference("toy", "toy")
    rng = np.random.default_rng(0)
    probabilities = [int(p) for p in rng.integers(1, 10_000, len(reference.gold))]
    predictions = "".join("1" if p > 5_000 else "0" for p in probabilities)
    assert metrics.compute(predictions, probabilities, reference) == recomputed(predictions, probabilities, reference)


def test_verdicts_keep_no_hidden_states_and_agree_with_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    judge, texts = warm.teacher("toy", "toy"), [row.text for row in warm.corpus("toy").train[:20]]
    judge.forget()
    labels = [judge.predict(text) for text in texts]
    assert (judge._bytes, judge._outputs) == (0, {})
    assert [int(judge.outputs(text).logits.argmax()) for text in texts] == labels
    for text in texts:
        assert judge.probability(text, 1) == float(torch.softmax(judge.outputs(text).logits, -1)[1])
    assert judge._bytes == sum(kept.size for kept in judge._outputs.values()) > 0


def test_a_search_is_led_in_the_precision_of_the_track_and_judged_in_float32() -> None:
    judge = warm.teacher("toy", "toy")
    texts = [row.text for row in warm.corpus("toy").train[:8]]
    rounded = teachers.Teacher(
        judge.classifier,
        judge.tokenizer,
        track=replace(judge.track, precision="bfloat16"),
        sha256=judge.sha256,
        about={},
    )
    before = rounded.size
    for _ in range(2):  # in turns, so that neither precision takes the other's copy of the weights
        guided, exact = rounded.guide(texts), rounded.logits(texts)
    np.testing.assert_array_equal(guided, rounded.guide(texts))
    np.testing.assert_array_equal(exact, judge.logits(texts))
    assert rounded.size > before
    np.testing.assert_array_equal(judge.guide(texts), judge.logits(texts))
    np.testing.assert_array_equal(rounded.logits(texts), judge.logits(texts))
    assert not np.array_equal(rounded.guide(texts), judge.logits(texts))
    np.testing.assert_allclose(rounded.guide(texts), judge.logits(texts), atol=0.05)


def test_word_vectors_are_kept_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = warm.teacher("toy", "toy")
    words = ["good", "bad", "good", "film"]
    judge._vectors.clear()
    fresh = judge.word_vectors(words)
    np.testing.assert_array_equal(fresh[0], fresh[2])
    np.testing.assert_array_equal(judge.word_vectors(["film", "new", "bad"])[[0, 2]], fresh[[3, 1]])
    monkeypatch.setattr(teachers, "WORDS", 4)
    np.testing.assert_array_equal(judge.word_vectors([*words, "other"])[:4], fresh)
    assert set(judge._vectors) == {*words, "other"}


def test_pools_searched_in_another_precision_lie_apart_and_have_other_run_ids() -> None:
    cod = spec(condition="cod")
    versions = {n: identify(replace(cod, track=n))["generator"]["pool"] for n in ("minilm-fp32", "minilm")}
    assert versions == {"minilm-fp32": 1, "minilm": 2}


def test_hidden_states_are_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    judge, texts = warm.teacher("toy", "toy"), [row.text for row in warm.corpus("toy").train[:20]]
    judge.forget()
    before = [judge.outputs(text) for text in texts]
    judge.forget()
    monkeypatch.setattr(teachers, "MEMORY", 3 * max(one.size for one in before))
    after = [judge.outputs(text) for text in texts]
    assert 1 <= len(judge._outputs) < 20
    assert judge._bytes == sum(kept.size for kept in judge._outputs.values()) <= teachers.MEMORY
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one.logits, other.logits)
        assert all(torch.equal(one.hidden[layer], other.hidden[layer]) for layer in one.hidden)


def test_teachers_beyond_the_bound_are_forgotten_and_give_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = warm.teacher("toy", "toy")
    slots = [slot.original.id for slot in warm.draw("toy", "toy", 0, False).slots(8)]
    monkeypatch.setattr(warm, "_teachers", {("a", "a"): first, ("b", "b"): first})
    monkeypatch.setattr(warm, "WARM", 0)
    again = warm.teacher("toy", "toy")
    assert list(warm._teachers) == [("b", "b"), ("toy", "toy")]
    assert again is not first
    assert again.hash == first.hash
    assert [slot.original.id for slot in warm.draw("toy", "toy", 0, False).slots(8)] == slots
