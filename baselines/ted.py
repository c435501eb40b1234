"""TED: rows -> task-aware filters on both sides (stage 1); batch -> KD's loss + MSE of filtered layers (stage 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cod_bench import Batch, Distiller, Setup, stream_seed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from cod_bench import Outputs

STUDENT, TEACHER = 0, 1


class TED(Distiller):
    """Idea: of a layer only that is matched which the task needs, as filters say that learned it beforehand.

    Source: task-aware layer-wise distillation (Liang et al., arXiv 2210.01351) in its two stages. When: as LWD, where a
    second stage is worth its steps; with few rows the filters have little to learn from.

    Stage 1 learns, on frozen backbones and exactly the run's rows, a linear filter per mapped layer on both sides from
    which the hard label can be read. Stage 2 draws the student's filtered states to the teacher's, whose filters are
    frozen. Stage 1 takes the steps, learning rate and schedule of stage 2 unless the recipe gives it its own.
    """

    name = "ted"
    short = "TED"
    version = 1
    summary = "LWD through filters that first learn what of a layer matters for the task; costs a second stage."
    needs_layers = True
    masks_layers = True
    needs_aligned_tokens = True
    static_loss = True

    def prepare(self, setup: Setup) -> nn.Module:
        """Run stage 1 on both sides; the student's filters go on training in stage 2."""
        self._hparams = setup.hparams
        self._layers = tuple(zip(*setup.track.layer_map, strict=True))
        self._teacher_filters = self._stage_one(setup, TEACHER).requires_grad_(False)
        self._student_filters = self._stage_one(setup, STUDENT)
        return self._student_filters

    def _stage_one(self, setup: Setup, side: int) -> nn.ModuleList:
        import torch

        from cod_bench.training.losses import filter_loss, project, projections, read_out
        from cod_bench.training.steps import optimiser_for

        name, key = ("student", "teacher")[side], (setup.spec.task, setup.spec.seed)
        layers, width = self._layers[side], setup.teacher.classifier.width
        model = setup.teacher.classifier if side == TEACHER else setup.student
        classes = setup.student.head.out_features
        filters = projections(len(layers), model.width, width, stream_seed(f"filters-{name}", *key))
        poolers = projections(len(layers), width, width, stream_seed(f"filter-poolers-{name}", *key))
        heads = projections(len(layers), width, classes, stream_seed(f"filter-heads-{name}", *key))
        steps = int(setup.hparams.get("filter_steps", setup.hparams["steps"]))
        rate = setup.hparams.get("filter_learning_rate", setup.hparams["learning_rate"])
        own = {**setup.hparams, "steps": steps, "learning_rate": rate}
        optimiser, schedule = optimiser_for([filters, poolers, heads], own)
        dropout = setup.student.dropout.p if setup.reference_habits else 0.0
        with torch.random.fork_rng(devices=[]):
            for step, rows in enumerate(setup.order(steps)):
                torch.manual_seed(stream_seed(f"filter-dropout-{name}", *key, step))
                batch = setup.collate(rows)
                filtered = project(filters, self._states(setup, batch, side), layers)
                logits = read_out(filtered, poolers, heads, batch.mask, dropout, model.pooling)
                filter_loss(logits, batch.labels).backward()
                optimiser.step()
                schedule.step()
                optimiser.zero_grad(set_to_none=True)
                self.prepare_steps += 1
        return filters

    @staticmethod
    def _states(setup: Setup, batch: Batch, side: int) -> Mapping[int, Tensor]:
        """Evaluation-mode states, once a row; under `paper` anew with dropout on."""
        if setup.reference_habits:
            return setup.noisy_states[side](batch)
        return batch.teacher_hidden if side == TEACHER else setup.student_states(batch)

    def loss(self, student: Outputs, batch: Batch) -> dict[str, Tensor]:
        """KD's loss and the weighted mean MSE between filtered student and filtered teacher states."""
        from cod_bench.training.losses import cross_entropy, kl_divergence, layers_mse, project

        mse = layers_mse(
            project(self._student_filters, student.hidden, self._layers[STUDENT]),
            project(self._teacher_filters, batch.teacher_hidden, self._layers[TEACHER]),
            batch.layer_mask,
        )
        kl = kl_divergence(student.logits, batch.teacher_logits, self._hparams["temperature"])
        return {
            "ce": cross_entropy(student.logits, batch.labels),
            "kl": self._hparams["kl_weight"] * kl,
            "layers": self._hparams["layer_weight"] * mse,
        }


DISTILLER = TED
