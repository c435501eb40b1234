"""LWD: batch -> KD's loss + 20 * mean over layers of MSE(projected student state, teacher state)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cod_bench import Batch, Distiller, Setup, stream_seed

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cod_bench import Outputs


class LWD(Distiller):
    """Idea: KD, and a linear map of each mapped student layer is drawn to the teacher's raw layer output.

    Source: layer-wise distillation as Hamman et al., arXiv 2510.21631, use it. When: teacher and student share a
    tokenizer and their layers can be mapped onto each other; it costs little more than KD.

    The map is there even where widths agree and is trained with the student, as in the paper's released code.
    """

    name = "lwd"
    short = "LWD"
    version = 1
    summary = "KD plus a match of hidden states layer by layer; needs layers that can be mapped onto each other."
    needs_layers = True
    masks_layers = True
    needs_aligned_tokens = True
    static_loss = True

    def prepare(self, setup: Setup) -> nn.Module:
        """Draw the projections, from a stream that is neither the student's nor the order's."""
        from cod_bench.training.losses import projections

        self._hparams = setup.hparams
        self._students, self._teachers = zip(*setup.track.layer_map, strict=True)
        seed = stream_seed("projection", setup.spec.task, setup.spec.seed)
        self._maps = projections(len(self._students), setup.student.width, setup.teacher.classifier.width, seed)
        return self._maps

    def loss(self, student: Outputs, batch: Batch) -> dict[str, Tensor]:
        """KD's loss and the weighted mean of the layers' MSE over real tokens (over padding too under `paper`)."""
        from cod_bench.training.losses import cross_entropy, kl_divergence, layers_mse, project

        mse = layers_mse(
            project(self._maps, student.hidden, self._students),
            [batch.teacher_hidden[layer] for layer in self._teachers],
            batch.layer_mask,
        )
        kl = kl_divergence(student.logits, batch.teacher_logits, self._hparams["temperature"])
        return {
            "ce": cross_entropy(student.logits, batch.labels),
            "kl": self._hparams["kl_weight"] * kl,
            "layers": self._hparams["layer_weight"] * mse,
        }


DISTILLER = LWD
