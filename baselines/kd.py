"""KD: batch -> cross-entropy + 20 * T^2 KL to the teacher's logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cod_bench import Batch, Distiller, Setup

if TYPE_CHECKING:
    from torch import Tensor

    from cod_bench import Outputs


class KD(Distiller):
    """Idea: beside the gold label, the student learns how sure the teacher is of every class.

    Source: knowledge distillation (Hinton et al., arXiv 1503.02531) with the weights of Hamman et al., arXiv
    2510.21631. When: always first. It needs the teacher's logits alone, so that any teacher will do, whatever its
    tokens, width or depth.
    """

    name = "kd"
    short = "KD"
    version = 1
    summary = "The student learns the gold labels and the teacher's softened logits; the cheapest method, no layers."
    static_loss = True

    def prepare(self, setup: Setup) -> None:
        """Keep the weights of the run's recipe."""
        self._weight, self._temperature = setup.hparams["kl_weight"], setup.hparams["temperature"]

    def loss(self, student: Outputs, batch: Batch) -> dict[str, Tensor]:
        """CE with the hard labels and the weighted KL to the teacher."""
        from cod_bench.training.losses import cross_entropy, kl_divergence

        kl = kl_divergence(student.logits, batch.teacher_logits, self._temperature)
        return {"ce": cross_entropy(student.logits, batch.labels), "kl": self._weight * kl}


DISTILLER = KD
