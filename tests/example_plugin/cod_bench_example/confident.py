"""Confident KD: batch -> KD's loss, each row weighted by how sure the teacher is of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cod_bench import Batch, Distiller

if TYPE_CHECKING:
    from torch import Tensor

    from cod_bench import Outputs


class Confident(Distiller):
    """Cross-entropy with the teacher's probabilities, rows weighted by its confidence. For teachers that err."""

    name = "confident"
    version = 1
    summary = "Soft labels weighted by the teacher's confidence: doubtful rows count less."

    def loss(self, student: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Mean over rows of confidence times cross-entropy with the teacher's probabilities."""
        import torch

        soft = torch.softmax(batch.teacher_logits, -1)
        rows = -(soft * torch.log_softmax(student.logits.float(), -1)).sum(-1)
        return {"soft": (soft.max(-1).values * rows).mean()}


DISTILLER = Confident
