"""KD with soft labels that say nothing: batch -> cross-entropy + KL to random probabilities. An ablation, no method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cod_bench import Batch, Distiller, Setup, stream

if TYPE_CHECKING:
    from torch import Tensor

    from cod_bench import Outputs


class RandomSoftLabels(Distiller):
    """Idea: KD whose teacher answers at random, so that what is lost is what the teacher's own answers are worth.

    Source: an ablation of Hamman et al., arXiv 2510.21631, table 9. When: to explain a result; never to get one.

    Each row has one probability vector, uniform over the simplex, for the whole run (the paper does not say how it drew
    them). The hard labels stay.
    """

    name = "kd_random_soft"
    short = "KD, random soft labels"
    version = 1
    asks_teacher = False
    summary = "An ablation: KD with one random soft label a row; shows what the teacher's own are worth."

    def prepare(self, setup: Setup) -> None:
        """Draw a soft label for every row of the run from a stream of its own."""
        import torch

        self._weight, self._temperature = setup.hparams["kl_weight"], setup.hparams["temperature"]
        rows = 1 + max(row for batch in setup.batches for row in batch)
        classes = setup.student.head.out_features
        drawn = stream("random-soft-labels", setup.spec.task, setup.spec.seed).dirichlet([1.0] * classes, rows)
        self._logits = torch.tensor(drawn).clamp_min(1e-6).log().float()

    def loss(self, student: Outputs, batch: Batch) -> dict[str, Tensor]:
        """KD's loss towards the drawn labels."""
        from cod_bench.training.losses import cross_entropy, kl_divergence

        kl = kl_divergence(student.logits, self._logits[list(batch.rows)], self._temperature)
        return {"ce": cross_entropy(student.logits, batch.labels), "kl": self._weight * kl}


DISTILLER = RandomSoftLabels
