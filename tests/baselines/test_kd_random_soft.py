"""The ablation of soft labels: one random label a row, the same at every step, never the teacher's."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from cod_bench.distiller import Batch, Outputs
from cod_bench.registry import load


def method(seed: int = 0):
    made = load("baseline", "kd_random_soft")()
    made.prepare(
        SimpleNamespace(
            spec=SimpleNamespace(task="toy", seed=seed), batches=[[0, 3], [1, 2]],
            student=SimpleNamespace(head=SimpleNamespace(out_features=2)),
            hparams={"kl_weight": 20.0, "temperature": 2.0},
        )
    )  # fmt: skip
    return made


def batch(rows: list[int], teacher: float) -> Batch:
    n = len(rows)
    mask = torch.ones(n, 1)
    return Batch(rows, mask, mask, torch.zeros(n, dtype=torch.long), torch.full((n, 2), teacher), {}, mask)


def student(n: int) -> Outputs:
    return Outputs(torch.zeros(n, 2), {}, torch.ones(n, 1))


def test_the_teachers_logits_are_never_read() -> None:
    made = method()
    ours = made.loss(student(2), batch([0, 3], 1.0))
    theirs = made.loss(student(2), batch([0, 3], float("nan")))
    assert torch.equal(ours["kl"], theirs["kl"])
    assert ours["kl"] > 0


def test_a_row_keeps_its_label_and_another_seed_draws_others() -> None:
    made = method()
    alone = [made.loss(student(1), batch([row], 0.0))["kl"] for row in (0, 3)]
    both = made.loss(student(2), batch([0, 3], 0.0))["kl"]
    torch.testing.assert_close(both, torch.stack(alone).mean())
    other = method(1).loss(student(2), batch([0, 3], 0.0))["kl"]
    assert not torch.isclose(both, other)
