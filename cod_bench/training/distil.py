"""Training rows, teacher outputs -> student: the one training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cod_bench import device
from cod_bench.condition import TrainingSet
from cod_bench.distiller import Batch, Distiller, Setup, asks_teacher
from cod_bench.errors import RunError
from cod_bench.spec import PROTOCOLS, Protocol, RunSpec, stream_seed
from cod_bench.training import model as models
from cod_bench.training.batches import Rows, batches_of
from cod_bench.training.padding import real_rows
from cod_bench.training.steps import Model, _Ordinary
from cod_bench.training.vocabulary import own_rows

if TYPE_CHECKING:
    from cod_bench.track import Track
    from cod_bench.training.graphs import Steps
    from cod_bench.training.model import Classifier
    from cod_bench.training.teacher import Teacher


@dataclass(slots=True)
class Trained:
    """What a training leaves behind besides the student's weights, which hold the selected step."""

    steps: int
    losses: dict[str, list[float]] = field(default_factory=dict)
    scores: list[float] = field(default_factory=list)
    """Selection accuracy per epoch, under the protocols that select."""
    selected: int = 0
    """Optimiser step whose weights the student holds."""
    seconds: dict[str, float] = field(default_factory=dict)
    prepare_steps: int = 0
    """Optimiser steps of first stages."""
    graphs: str = ""
    """On a GPU, whether steps were replayed from CUDA graphs, or why not; empty on the CPU."""


def train(
    spec: RunSpec,
    track: Track,
    training: TrainingSet,
    distiller: Distiller,
    hparams: Mapping[str, Any],
    student: Classifier,
    teacher: Teacher,
    select: Callable[[Classifier], float] | None,
    tokenizer: Any = None,
    *,
    static: bool | None = None,
) -> Trained:
    """Train `student` in place, on its device.

    `select` scores it after every epoch under the protocols that keep the best one. `tokenizer` is the student's own;
    the teacher's if None. `static` takes the steps of graphs.py, as it is done on a GPU (None: there alone).

    Raises:
        RunError: a loss is not finite.
    """
    protocol = PROTOCOLS[spec.protocol]
    own = teacher.tokenizer if tokenizer is None else tokenizer
    asked = asks_teacher(type(distiller))
    rows = Rows(training, teacher, own, track, protocol, layers=distiller.needs_layers, asked=asked)
    models.check_layers(student, (layer for layer, _ in track.layer_map), "student")
    if static is None:
        static = student.device.type == "cuda"
    # What stands at padding may be left out where nobody reads it; which rows these are a GPU would wait to tell.
    unread = not distiller.needs_layers or (distiller.masks_layers and not protocol.reference_habits)
    with ExitStack() as means:
        decay = float(hparams["weight_decay"])
        means.enter_context(own_rows(student, rows.ids, own.pad_token_id, decay, kept=static))
        skip = means.enter_context(real_rows(student)) if unread and not static else None
        return _train(spec, track, training, distiller, hparams, student, teacher, select, rows, skip, static)


def _train(
    spec: RunSpec, track: Track, training: TrainingSet, distiller: Distiller, hparams: Mapping[str, Any],
    student: Classifier, teacher: Teacher, select: Callable[[Classifier], float] | None, rows: Rows,
    skip: Callable[[Tensor], Any] | None, static: bool,
) -> Trained:  # fmt: skip
    protocol = PROTOCOLS[spec.protocol]
    steps = int(hparams["steps"])
    batches, epoch = batches_of(training, spec, int(hparams["batch_size"]), steps)
    begun = time.perf_counter()

    def order(wanted: int) -> Sequence[Sequence[int]]:
        return batches_of(training, spec, int(hparams["batch_size"]), wanted)[0]

    setup = _setup(spec, track, hparams, student, teacher, batches, order, rows, protocol)
    # What a method makes there without naming a device is made where the student is.
    there: Any = nullcontext() if student.device.type == "cpu" else student.device
    with there:
        outside = distiller.prepare(setup)
    trained = Trained(steps, seconds={"prepare": time.perf_counter() - begun}, prepare_steps=distiller.prepare_steps)
    layers = sorted({layer for layer, _ in track.layer_map}) if distiller.needs_layers else []
    model = Model(student, distiller, outside, layers, track.precision == "bfloat16", skip, spec)
    stepper: Steps | _Ordinary = _static(model, hparams) if static else _Ordinary(model, hparams)
    watch = device.Watch(student.device)
    best: dict[str, Tensor] | None = None
    begun = time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        for step, indices in enumerate(batches):
            student.train()
            # Dropout's stream is keyed by the step too, so that it is the same for every method and condition.
            values = stepper.step(rows.batch(indices), stream_seed("dropout", spec.task, spec.seed, step))
            _note(trained, model.names, watch.note(values), spec, step)
            if select is not None and ((step + 1) % epoch == 0 or step + 1 == steps):
                trained.scores.append(select(student))
                if trained.scores[-1] > max(trained.scores[:-1], default=-1.0):
                    best = {name: value.clone() for name, value in student.state_dict().items()}
                    trained.selected = step + 1
        _note(trained, model.names, watch.rest(), spec, steps - 1)
    trained.graphs = stepper.told
    if best is not None:
        student.load_state_dict(best)
    else:
        trained.selected = steps
    trained.seconds["train"] = time.perf_counter() - begun
    return trained


def _static(model: Model, hparams: Mapping[str, Any]) -> Steps:
    from cod_bench.training.graphs import Steps

    return Steps(model, hparams)


def _setup(
    spec: RunSpec, track: Track, hparams: Mapping[str, Any], student: Classifier, teacher: Teacher,
    batches: Sequence[Sequence[int]], order: Callable[[int], Sequence[Sequence[int]]], rows: Rows, protocol: Protocol,
) -> Setup:  # fmt: skip
    def with_dropout(model: Classifier, side: int) -> Callable[[Batch], dict[int, Tensor]]:
        layers = sorted({pair[side] for pair in track.layer_map})

        def compute(batch: Batch) -> dict[int, Tensor]:
            ids, mask = rows.for_teacher(batch) if side else (batch.ids, batch.mask)
            model.train()
            try:
                with torch.no_grad():
                    hidden: dict[int, Tensor] = model(ids, mask, layers).hidden
            finally:
                model.eval()  # the teacher outlives the run
            return hidden

        return compute

    return Setup(
        spec=spec, track=track, hparams=hparams, student=student, teacher=teacher, batches=batches,
        order=order, collate=rows.batch, student_states=rows.initial_states(student),
        noisy_states=(with_dropout(student, 0), with_dropout(teacher.classifier, 1)),
        reference_habits=protocol.reference_habits,
    )  # fmt: skip


def _note(trained: Trained, names: Sequence[str], read: Sequence[Sequence[float]], spec: RunSpec, last: int) -> None:
    """Keep the values that were read, of the steps up to `last`."""
    for step, values in enumerate(read, last + 1 - len(read)):
        for name, value in dict(zip(names, values, strict=True)).items():
            trained.losses.setdefault(name, []).append(round(value, 6))
        if not math.isfinite(values[0]):
            raise RunError(f"{spec.label}: loss is {values[0]} at step {step + 1}; lower the learning rate")
