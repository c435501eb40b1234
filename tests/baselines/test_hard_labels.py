"""Methods that train on hard labels alone ask the teacher nothing about their rows, and get nothing of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from cod_bench import device, registry
from cod_bench.counterfactuals import warm
from cod_bench.counterfactuals.rows import build
from cod_bench.design import tracks
from cod_bench.errors import RunError
from cod_bench.runner import work
from cod_bench.spec import PROTOCOLS, RunSpec
from cod_bench.training.batches import Rows

SPEC = RunSpec("last", "toy", "toy", "kd", "standard", "", 8, 0)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    device.set_threads()


def test_a_method_of_hard_labels_asks_the_teacher_nothing_about_its_rows() -> None:
    for method in ("finetune", "kd_random_soft"):
        cost = work.run_one(replace(SPEC, method=method), {}).cost
        assert cost["teacher_passes"] == 0
        assert cost["teacher_queries"] > 0  # which rows it gets right, so that others are passed over
    draw, judge, track = warm.draw("toy", "toy", 0, False), warm.teacher("toy", "toy"), tracks.track("toy")
    training = build(draw, "standard", 8)
    batch = Rows(training, judge, judge.tokenizer, track, PROTOCOLS["last"], layers=False, asked=False).batch([0, 1])
    assert batch.teacher_logits.shape == (2, 2)
    assert torch.isnan(batch.teacher_logits).all()


def test_whoever_says_so_and_reads_them_all_the_same_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.load("baseline", "kd"), "asks_teacher", False)
    with pytest.raises(RunError, match="loss is nan at step"):
        work.run_one(SPEC, {})
