"""Batch -> loss: what a distillation method is. Importing it loads no torch, so that `list` and `plan` stay fast."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from cod_bench import registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from cod_bench.condition import Row
    from cod_bench.spec import RunSpec
    from cod_bench.track import Pooling, Track


@dataclass(frozen=True, slots=True)
class Batch:
    """Training rows as tensors. labels [B]; teacher_logits [B, classes]; teacher_hidden: layer -> [B, S, width].

    `layer_mask` [B, S] says which positions a layer loss averages over: real tokens, or all under `paper`. Where the
    teacher has a tokenizer of its own, its states are [B, T, width] with T of its tokens, and `teacher_mask` [B, T]
    says which are real; else S = T and the two masks are one.
    """

    rows: Sequence[int]
    ids: Tensor
    mask: Tensor
    labels: Tensor
    teacher_logits: Tensor
    teacher_hidden: dict[int, Tensor]
    layer_mask: Tensor
    teacher_mask: Tensor | None = None


class Network(Protocol):
    """What a method may ask of a student or a teacher besides its outputs."""

    head: nn.Linear
    dropout: nn.Dropout
    pooling: Pooling
    pooler: nn.Linear | None

    @property
    def width(self) -> int:
        """Size of a hidden state."""
        ...


class Guide(Protocol):
    """The fitted teacher, as a method may ask of it: its outputs on the training rows are in the batches."""

    @property
    def classifier(self) -> Network:
        """Its network."""
        ...


@dataclass(frozen=True, slots=True)
class Setup:
    """What a distiller may prepare itself with before the first step: its run's training rows and nothing else."""

    spec: RunSpec
    track: Track
    hparams: Mapping[str, Any]
    student: Network
    teacher: Guide
    batches: Sequence[Sequence[int]]
    """Row indices of each optimiser step."""
    order: Callable[[int], Sequence[Sequence[int]]]
    """The same for another number of steps, for first stages."""
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
    short: ClassVar[str] = ""
    """What figures call it, in a few words; its name if empty, and what it inherits does not count."""
    needs_layers: ClassVar[bool] = False
    """Whether `loss` reads hidden states of the mapped layers."""
    masks_layers: ClassVar[bool] = False
    """Whether `loss` reads them only where `layer_mask` is 1, so that a run need not compute what stands at padding."""
    needs_aligned_tokens: ClassVar[bool] = False
    """Whether `loss` compares states token by token, so that teacher and student must share a tokenizer."""
    asks_teacher: ClassVar[bool] = True
    """Whether it trains on what the teacher says of its rows, a query each. Where it does not, nor reads layers,
    `Batch.teacher_logits` are NaN."""
    static_loss: ClassVar[bool] = False
    """Whether `loss` does the same with the batch's tensors and its own at every step of a run.

    It then reads no `Batch.rows` and no value of a tensor, counts no steps and draws from no stream but torch's, so
    that a GPU may replay it. A class says it of itself: what it inherits does not count, for its `loss` may differ.
    """
    prepare_steps: int = 0
    """Optimiser steps that `prepare` took; part of the recorded cost."""

    two_classes: ClassVar[bool] = False
    """Whether it can tell no more than two classes apart; it is left out where a task has more."""

    @classmethod
    def hparams(cls, track: Track, k: int) -> dict[str, Any]:
        """JSON hyperparameters at budget k: the track's recipe for this method. Part of the run id.

        The training loop reads steps, learning_rate, batch_size, warmup, weight_decay, adam_epsilon and adam_betas; the
        rest is the method's.
        """
        return track.hparams(cls.name, k)

    @classmethod
    def not_applicable(cls, track: Track) -> str:
        """Why the method cannot run on a track; empty if it can. Tables show the reason in place of its numbers."""
        if cls.needs_aligned_tokens and not track.aligned:
            return "compares states token by token, and the two models cut texts into different tokens"
        if cls.needs_layers and not track.layer_map:
            return "reads mapped layers, and the track maps none"
        return ""

    def prepare(self, setup: Setup) -> nn.Module | None:  # noqa: ARG002 - what a method overrides
        """Build what is trained with the student outside of it (projections, filters); None if nothing is."""
        return None

    @abstractmethod
    def loss(self, student: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Scalar parts of the loss by name, already weighted; their sum is minimised."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """logits [B, classes]; hidden: layer (1-based) -> [B, S, width]; mask [B, S], 1 at real tokens."""

    logits: Tensor
    hidden: dict[int, Tensor]
    mask: Tensor


class Encoder(Protocol):
    """A pretrained backbone that nothing was trained on: the student's, or the teacher's before it was fine-tuned."""

    def states(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Float32 [len(texts), width]: the mean of its last hidden states over each text's real tokens."""
        ...


@dataclass(frozen=True, slots=True)
class Material:
    """What a method that brings its own `fit` may use: its run's training rows, frozen encoders, unlabelled texts."""

    spec: RunSpec
    track: Track
    hparams: Mapping[str, Any]
    rows: Sequence[Row]
    """The training rows of its condition; a method reads `text` and `label`."""
    classes: Sequence[str]
    """Names of the classes by label; of opinions the last is the favourable one."""
    student: Encoder
    teacher: Encoder
    unlabelled: Callable[[], Sequence[str]]
    """Every text of the training pool, in an order that tells no label; asking for them is a cost of the run."""


Predictor = Callable[[Sequence[str]], "NDArray[np.floating[Any]]"]
"""Texts -> probabilities [len(texts), classes]; where several are largest the first of them is the class. What it says
of a text may not depend on the texts beside it."""


class Fitted(Distiller):
    """A method that needs no gradient loop: it brings `fit` in place of a loss, and is told no evaluation text before.

    Floors and ceilings are such methods. It is a submission like any other: one file in `baselines/`.
    """

    asks_teacher: ClassVar[bool] = False
    blind: ClassVar[bool] = False
    """Whether it reads no training row: then it costs no label, and runs on other rows end alike. It is given none
    where `check` looks whether that is so."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Packages on whose version its numbers may depend; a record tells them."""

    @classmethod
    def hparams(cls, track: Track, k: int) -> dict[str, Any]:  # noqa: ARG003 - no recipe of the track applies to it
        """JSON hyperparameters; part of the run id. None is called `steps`: a record without it tells no losses."""
        return {}

    @abstractmethod
    def fit(self, material: Material) -> Predictor:
        """What predicts, from the material alone: a pure function of it."""

    def loss(self, student: Outputs, batch: Batch) -> dict[str, Tensor]:
        """It has none; nothing calls this."""
        raise NotImplementedError(f"{self.name} fits by itself")


def brings_fit(method: str) -> bool:
    """Whether a method is installed and brings its own `fit`, so that it needs no recipe."""
    return method in registry.names("baseline") and issubclass(registry.load("baseline", method), Fitted)


def asks_teacher(method: type[Distiller]) -> bool:
    """Whether a method's run asks the teacher about the rows that it trains on."""
    return method.asks_teacher or method.needs_layers


def reads_no_row(method: str) -> bool:
    """Whether it is such a method and says that it reads no training row."""
    return brings_fit(method) and bool(registry.load("baseline", method).blind)
