"""Batch -> loss: what a distillation method is. Importing it loads no torch, so that `list` and `plan` stay fast."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cod_bench.model import Classifier, Outputs
    from cod_bench.spec import RunSpec, Track
    from cod_bench.teacher import Teacher


@dataclass(frozen=True, slots=True)
class Batch:
    """Training rows as tensors. labels [B]; teacher_logits [B, classes]; teacher_hidden: layer -> [B, S, width].

    `layer_mask` [B, S] says which positions a layer loss averages over: real tokens, or all under `paper`.
    """

    rows: Sequence[int]
    ids: Tensor
    mask: Tensor
    labels: Tensor
    teacher_logits: Tensor
    teacher_hidden: dict[int, Tensor]
    layer_mask: Tensor


@dataclass(frozen=True, slots=True)
class Setup:
    """What a distiller may prepare itself with before the first step: its run's training rows and nothing else."""

    spec: RunSpec
    track: Track
    hparams: Mapping[str, Any]
    student: Classifier
    teacher: Teacher
    batches: Sequence[Sequence[int]]
    """Row indices of each optimiser step."""
    collate: Callable[[Sequence[int]], Batch]
    student_states: Callable[[Batch], dict[int, Tensor]]
    """Hidden states of the untrained student, computed once per row in evaluation mode: layer -> [B, S, width]."""
    noisy_states: tuple[Callable[[Batch], dict[int, Tensor]], Callable[[Batch], dict[int, Tensor]]]
    """The same computed anew with dropout on, of student and teacher (first stages under `paper`)."""
    reference_habits: bool


class Distiller(ABC):
    """A distillation method. One file in `baselines/` that exports the class as `DISTILLER`; one instance a run."""

    name: ClassVar[str]
    version: ClassVar[int]
    summary: ClassVar[str]
    """Idea, source and when to use it, in one or two sentences."""
    needs_layers: ClassVar[bool] = False
    """Whether `loss` reads hidden states of the mapped layers."""
    prepare_steps: int = 0
    """Optimiser steps that `prepare` took; part of the recorded cost."""

    @classmethod
    def hparams(cls, track: Track, k: int) -> dict[str, Any]:
        """JSON hyperparameters at budget k: the track's recipe for this method. Part of the run id.

        The training loop reads steps, learning_rate, batch_size, warmup and weight_decay; the rest is the method's.
        """
        recipe = track.recipe_for(cls.name)
        return {**asdict(recipe), "steps": recipe.steps_at(k)}

    def prepare(self, setup: Setup) -> nn.Module | None:  # noqa: ARG002 - what a method overrides
        """Build what is trained with the student outside of it (projections, filters); None if nothing is."""
        return None

    @abstractmethod
    def loss(self, student: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Scalar parts of the loss by name, already weighted; their sum is minimised."""
