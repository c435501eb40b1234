"""Fine-tuning: batch -> cross-entropy, no teacher. The floor that distillation must beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cod_bench import Batch, Distiller

if TYPE_CHECKING:
    from torch import Tensor

    from cod_bench import Outputs


class FineTune(Distiller):
    """Idea: no teacher at all; the student learns the hard labels of its condition's rows, with KD's rows and steps.

    Source: the ablation without soft labels of Hamman et al., arXiv 2510.21631, table 9. When: to see what distillation
    adds, or where there is no teacher.
    """

    name = "finetune"
    short = "fine-tuning"
    version = 1
    asks_teacher = False
    summary = "Hard labels only: what the rows are worth without the teacher's logits."
    static_loss = True

    def loss(self, student: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy alone."""
        from cod_bench.training.losses import cross_entropy

        return {"ce": cross_entropy(student.logits, batch.labels)}


DISTILLER = FineTune
