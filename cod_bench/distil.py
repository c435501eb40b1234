"""Training rows, teacher outputs -> student: the one training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cod_bench import device
from cod_bench import model as models
from cod_bench.condition import TrainingSet, row_batches, slot_batches
from cod_bench.distiller import Batch, Distiller, Setup
from cod_bench.errors import RunError
from cod_bench.padding import real_rows
from cod_bench.spec import PROTOCOLS, Protocol, RunSpec, stream_seed
from cod_bench.vocabulary import own_rows

if TYPE_CHECKING:
    from cod_bench.graphs import Steps
    from cod_bench.model import Classifier
    from cod_bench.teacher import Teacher
    from cod_bench.track import Track


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


class Rows:
    """The training rows of a run as tensors: token ids, labels and the teacher's outputs, each computed once.

    Batches lie on the teacher's device.
    """

    def __init__(
        self, training: TrainingSet, teacher: Teacher, tokenizer: Any, track: Track, protocol: Protocol, *, layers: bool
    ) -> None:
        self._on = teacher.classifier.device
        texts = [row.text for row in training.rows]
        self.ids = models.tokenise(tokenizer, texts, track.max_length)
        self.labels = torch.tensor([row.label for row in training.rows])  # on the CPU, as ids are
        self._pad_id: int = tokenizer.pad_token_id
        self._all_positions = protocol.reference_habits
        # Only a layer loss over padding needs the teacher's states there; position p's state is the same at any length.
        pad_to = max(map(len, self.ids)) if layers and self._all_positions else 0
        self._teacher = [teacher.outputs(text, pad_to) for text in texts]
        self._layers = layers
        self._aligned = track.aligned
        if layers and self._aligned and tokenizer is not teacher.tokenizer:
            _demand_alignment(self.ids, models.tokenise(teacher.tokenizer, texts, track.max_length), track)
        self._layer_map = track.layer_map

    def batch(self, rows: Sequence[int]) -> Batch:
        """Rows padded to the longest of them."""
        ids, mask = models.pad([self.ids[i] for i in rows], self._pad_id, on=self._on)
        outputs = [self._teacher[i] for i in rows]
        hidden, teacher_mask = {}, mask
        if self._layers and self._aligned:
            hidden = _stack([out.hidden for out in outputs], ids.shape[1])
        elif self._layers:
            hidden, teacher_mask = _own_length([out.hidden for out in outputs])
        return Batch(
            rows=rows, ids=ids, mask=mask, labels=device.send(self.labels[list(rows)], self._on),
            teacher_logits=torch.stack([out.logits for out in outputs]), teacher_hidden=hidden,
            layer_mask=torch.ones_like(mask) if self._all_positions else mask, teacher_mask=teacher_mask,
        )  # fmt: skip

    def initial_states(self, student: Classifier) -> Callable[[Batch], dict[int, Tensor]]:
        """Evaluation-mode states of the student as it is now, each row alone and only if somebody asks for it."""
        layers = sorted({layer for layer, _ in self._layer_map})
        known: dict[int, dict[int, Tensor]] = {}

        def row(index: int) -> dict[int, Tensor]:
            if index not in known:
                student.eval()
                ids, mask = models.pad([self.ids[index]], self._pad_id, on=self._on)
                with torch.no_grad():
                    hidden = student(ids, mask, layers).hidden
                known[index] = {layer: state[0] for layer, state in hidden.items()}
            return known[index]

        return lambda batch: _stack([row(i) for i in batch.rows], batch.ids.shape[1])


def _stack(states: Sequence[Mapping[int, Tensor]], length: int) -> dict[int, Tensor]:
    """Per-row states of any length -> layer -> [B, length, width], zero where a row has ended."""
    stacked = {}
    for layer in states[0]:
        out = torch.zeros(len(states), length, states[0][layer].shape[-1], device=states[0][layer].device)
        for i, row in enumerate(states):
            kept = row[layer][:length]
            out[i, : len(kept)] = kept
        stacked[layer] = out
    return stacked


def _own_length(states: Sequence[Mapping[int, Tensor]]) -> tuple[dict[int, Tensor], Tensor]:
    """Per-row states of a teacher with its own tokens -> layer -> [B, T, width], and the mask [B, T] of real ones."""
    one_each = [next(iter(row.values())) for row in states]
    lengths = torch.tensor([len(state) for state in one_each])
    longest = int(lengths.max())
    mask = (torch.arange(longest) < lengths[:, None]).long()
    return _stack(states, longest), device.send(mask, one_each[0].device)


def _demand_alignment(own: Sequence[Sequence[int]], other: Sequence[Sequence[int]], track: Track) -> None:
    """Whether two tokenizers of a track that says so cut every training row alike."""
    differing = sum(list(one) != list(two) for one, two in zip(own, other, strict=True))
    if differing:
        raise RunError(
            f"track {track.name!r}: its two tokenizers cut {differing} of {len(own)} texts differently, so states "
            "cannot be compared token by token; run methods without layers, such as kd"
        )


def batches_of(training: TrainingSet, spec: RunSpec, batch_size: int, steps: int) -> tuple[list[list[int]], int]:
    """Row indices of every optimiser step, and the steps of one epoch."""
    key = (spec.task, spec.seed, spec.k)
    if PROTOCOLS[spec.protocol].reference_habits:
        rows = len(training.rows)
        size = batch_size if rows > len(training.pairs) else max(1, batch_size // 2)  # `half` sees half a batch
        return row_batches(rows, size, steps, key), -(-rows // size)
    starts, start = [], 0
    for pair in training.pairs:
        starts.append(range(start, start + len(pair.rows)))
        start += len(pair.rows)
    labels = [pair.original.label for pair in training.pairs]
    size = max(1, batch_size // 2)
    order = slot_batches(len(labels), labels, size, steps, key)
    return [[i for slot in batch for i in starts[slot]] for batch in order], -(-len(labels) // size)


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
    rows = Rows(training, teacher, own, track, protocol, layers=distiller.needs_layers)
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


@dataclass(slots=True)
class Model:
    """What a step is taken on: a student, the method that says its loss, and what is trained beside it."""

    student: Classifier
    distiller: Distiller
    outside: nn.Module | None
    layers: Sequence[int]
    bf16: bool
    skip: Callable[[Tensor], Any] | None
    spec: RunSpec
    names: tuple[str, ...] = ()
    """Of the values of a step, once there was one: the loss and, if there are several, its parts."""

    @property
    def modules(self) -> list[nn.Module]:
        """Everything that is trained."""
        return [self.student, *([self.outside] if self.outside is not None else [])]

    def backward(self, batch: Batch) -> Tensor:
        """Gradients of a batch's loss; gives the loss and its parts [1 or 1 + parts], by `names`."""
        student = self.student
        with torch.autocast(student.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            with nullcontext() if self.skip is None else self.skip(batch.mask):
                outputs = student(batch.ids, batch.mask, self.layers)
            parts = self.distiller.loss(outputs, batch)
        if not self.names:
            _demand_scalars(parts, self.spec)
            self.names = ("loss", *(parts if len(parts) > 1 else ()))
        each = torch.stack(list(parts.values()))
        total = each.sum()
        total.backward()
        return torch.cat([total[None], each]).detach() if len(parts) > 1 else total.detach()[None]


class _Ordinary:
    """Steps one by one: the CPU's."""

    told = ""

    def __init__(self, model: Model, hparams: Mapping[str, Any]) -> None:
        self._model = model
        self._optimiser, self._schedule = optimiser_for(model.modules, hparams)

    def step(self, batch: Batch, seed: int) -> Tensor:
        """One step; its values."""
        torch.manual_seed(seed)
        values = self._model.backward(batch)
        self._optimiser.step()
        self._schedule.step()
        self._optimiser.zero_grad(set_to_none=True)
        return values


def _static(model: Model, hparams: Mapping[str, Any]) -> Steps:
    from cod_bench.graphs import Steps

    return Steps(model, hparams)


def optimiser_for(modules: Sequence[nn.Module], hparams: Mapping[str, Any]) -> tuple[torch.optim.Optimizer, Any]:
    """AdamW (no decay on biases and norms) over what is trainable, and its schedule: warm-up, then linear to 0."""
    optimiser = adamw(modules, hparams, hparams["learning_rate"])
    return optimiser, schedule_of(optimiser, hparams)


def adamw(modules: Sequence[nn.Module], hparams: Mapping[str, Any], rate: float | Tensor, **own: bool) -> Any:
    """The fused AdamW of every student, at a rate that may be a tensor; `own` are further options of PyTorch's."""
    trainable = [p for module in modules for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.dim() > 1], "weight_decay": hparams["weight_decay"]},
        {"params": [p for p in trainable if p.dim() <= 1], "weight_decay": 0.0},
    ]
    adam: dict[str, Any] = {"eps": hparams.get("adam_epsilon", 1e-8), **own}
    adam["betas"] = tuple(hparams.get("adam_betas", (0.9, 0.999)))
    return torch.optim.AdamW(groups, lr=rate, fused=True, **adam)


def schedule_of(optimiser: torch.optim.Optimizer, hparams: Mapping[str, Any]) -> Any:
    """Warm-up, then linear to 0."""
    import transformers

    steps = int(hparams["steps"])
    return transformers.get_scheduler(
        "linear", optimiser, num_warmup_steps=int(hparams["warmup"] * steps), num_training_steps=steps
    )


def _setup(
    spec: RunSpec, track: Track, hparams: Mapping[str, Any], student: Classifier, teacher: Teacher,
    batches: Sequence[Sequence[int]], order: Callable[[int], Sequence[Sequence[int]]], rows: Rows, protocol: Protocol,
) -> Setup:  # fmt: skip
    def with_dropout(model: Classifier, side: int) -> Callable[[Batch], dict[int, Tensor]]:
        layers = sorted({pair[side] for pair in track.layer_map})

        def compute(batch: Batch) -> dict[int, Tensor]:
            model.train()
            try:
                with torch.no_grad():
                    hidden: dict[int, Tensor] = model(batch.ids, batch.mask, layers).hidden
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


def _demand_scalars(parts: object, spec: RunSpec) -> None:
    """Whether a method's loss is what the interface says."""
    if not isinstance(parts, dict) or not parts:
        raise RunError(f"{spec.method}: loss returned {type(parts).__name__}; return a dict of named scalar tensors")
    for name, value in parts.items():
        if not isinstance(value, Tensor) or value.dim():
            told = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise RunError(f"{spec.method}: loss part {name!r} is {told}; return scalar tensors")


def _note(trained: Trained, names: Sequence[str], read: Sequence[Sequence[float]], spec: RunSpec, last: int) -> None:
    """Keep the values that were read, of the steps up to `last`."""
    for step, values in enumerate(read, last + 1 - len(read)):
        for name, value in dict(zip(names, values, strict=True)).items():
            trained.losses.setdefault(name, []).append(round(value, 6))
        if not math.isfinite(values[0]):
            raise RunError(f"{spec.label}: loss is {values[0]} at step {step + 1}; lower the learning rate")
