"""Training rows, teacher's outputs -> tensors, and which rows each optimiser step sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cod_bench import device
from cod_bench.condition import TrainingSet
from cod_bench.distiller import Batch
from cod_bench.errors import RunError, UsageError
from cod_bench.spec import PROTOCOLS, Protocol, RunSpec, stream
from cod_bench.training import model as models

if TYPE_CHECKING:
    from cod_bench.track import Track
    from cod_bench.training.model import Classifier
    from cod_bench.training.teacher import Teacher


class Rows:
    """The training rows of a run as tensors: token ids, labels and the teacher's outputs, each computed once.

    Batches lie on the teacher's device.
    """

    def __init__(
        self, training: TrainingSet, teacher: Teacher, tokenizer: Any, track: Track, protocol: Protocol, *,
        layers: bool, asked: bool = True,
    ) -> None:  # fmt: skip
        """
        Args:
            layers: whether the teacher's hidden states are wanted.
            asked: whether the teacher is asked at all; its logits are NaN if not.
        """
        self._on = teacher.classifier.device
        texts = [row.text for row in training.rows]
        self.ids = models.tokenise(tokenizer, texts, track.max_length)
        self.labels = torch.tensor([row.label for row in training.rows])  # on the CPU, as ids are
        self._pad_id: int = tokenizer.pad_token_id
        self._all_positions = protocol.reference_habits
        # Only a layer loss over padding needs the teacher's states there; position p's state is the same at any length.
        pad_to = max(map(len, self.ids)) if layers and self._all_positions else 0
        ask = (lambda text: teacher.outputs(text, pad_to)) if layers else teacher.judged
        self._teacher = [ask(text) for text in texts] if asked else []
        self._unknown = torch.full((teacher.classifier.head.out_features,), torch.nan, device=self._on)
        self._layers = layers
        self._aligned = track.aligned
        self._teacher_ids, self._teacher_pad_id = self.ids, self._pad_id
        if tokenizer is not teacher.tokenizer:
            self._teacher_ids = models.tokenise(teacher.tokenizer, texts, track.max_length)
            self._teacher_pad_id = teacher.tokenizer.pad_token_id
            if layers and self._aligned:
                _demand_alignment(cut(tokenizer, self.ids), cut(teacher.tokenizer, self._teacher_ids), track)
        self._layer_map = track.layer_map

    def batch(self, rows: Sequence[int]) -> Batch:
        """Rows padded to the longest of them."""
        ids, mask = models.pad([self.ids[i] for i in rows], self._pad_id, on=self._on)
        outputs = [self._teacher[i] for i in rows] if self._teacher else []
        hidden, teacher_mask = {}, mask
        if self._layers and self._aligned:
            hidden = _stack([out.hidden for out in outputs], ids.shape[1])
        elif self._layers:
            hidden, teacher_mask = _own_length([out.hidden for out in outputs])
        return Batch(
            rows=rows, ids=ids, mask=mask, labels=device.send(self.labels[list(rows)], self._on),
            teacher_logits=torch.stack([out.logits for out in outputs] or [self._unknown] * len(rows)),
            teacher_hidden=hidden,
            layer_mask=torch.ones_like(mask) if self._all_positions else mask, teacher_mask=teacher_mask,
        )  # fmt: skip

    def for_teacher(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Ids and mask of a batch's texts as the teacher's own tokenizer numbers them."""
        return models.pad([self._teacher_ids[i] for i in batch.rows], self._teacher_pad_id, on=self._on)

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


def cut(tokenizer: Any, rows: Sequence[Sequence[int]]) -> list[list[tuple[str, str]]]:
    """Each row's tokens by what they stand for, not by id, as (kind, spelling): special ones are spelled by nobody."""
    special = dict.fromkeys(tokenizer.all_special_ids, ("special", ""))
    if tokenizer.unk_token_id is not None:
        special[tokenizer.unk_token_id] = ("unknown", "")

    def of(row: Sequence[int]) -> list[tuple[str, str]]:
        spelled = tokenizer.convert_ids_to_tokens(row)
        return [special.get(i, ("piece", word)) for i, word in zip(row, spelled, strict=True)]

    return [of(row) for row in rows]


def _demand_alignment(
    own: Sequence[Sequence[tuple[str, str]]], other: Sequence[Sequence[tuple[str, str]]], track: Track
) -> None:
    """Whether two tokenizers of a track that says so cut every training row alike."""
    differing = sum(one != two for one, two in zip(own, other, strict=True))
    if differing:
        raise RunError(
            f"track {track.name!r}: its two tokenizers cut {differing} of {len(own)} texts differently, so states "
            "cannot be compared token by token; run methods without layers, such as kd"
        )


def batches_of(training: TrainingSet, spec: RunSpec, batch_size: int, steps: int) -> tuple[list[list[int]], int]:
    """Row indices of every optimiser step, and the steps of one epoch."""
    key = (spec.task, spec.seed, spec.k)
    if PROTOCOLS[spec.protocol].reference_habits and training.apart:
        raise UsageError(
            f"protocol {spec.protocol!r}: shuffles rows singly, and condition {spec.condition!r} keeps pairs apart; "
            "choose another of the two"
        )
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
    if training.apart:
        return apart_batches(starts, labels, size, steps, key)
    order = slot_batches(len(labels), labels, size, steps, key)
    return [[i for slot in batch for i in starts[slot]] for batch in order], -(-len(labels) // size)


def slot_batches(
    slots: int, labels: Sequence[int], size: int, steps: int, key: tuple[str | int, ...]
) -> list[list[int]]:
    """`steps` batches of `size` slot indices: slots shuffled within class and classes alternated, epoch after epoch.

    Every batch is therefore balanced over the classes in every condition, and a pair is never split. `key` is
    (task, seed, k): never method or condition, which see the same order.
    """
    rng = stream("order", *key)
    classes = sorted(set(labels))
    batches: list[list[int]] = []
    while len(batches) < steps:
        shuffled = [[i for i in map(int, rng.permutation(slots)) if labels[i] == label] for label in classes]
        order = [column[i] for i in range(max(map(len, shuffled))) for column in shuffled if i < len(column)]
        batches += [order[i : i + size] for i in range(0, slots, size)]
    return batches[:steps]


def apart_batches(
    starts: Sequence[Sequence[int]], labels: Sequence[int], size: int, steps: int, key: tuple[str | int, ...]
) -> tuple[list[list[int]], int]:
    """`slot_batches` whose pairs are split: `steps` batches of row indices, and those of an epoch.

    An epoch has the batches of `slot_batches`, or two halves where that is one batch; each takes the partners of the
    next one, the last those of the first. So where all are of one size a batch has as many originals, partners and
    rows of each class as there, and none of its originals beside its own partner.
    """
    half = min(size, max(1, len(starts) // 4 * 2))  # even, so that its classes balance
    epoch = -(-len(starts) // half)
    order = slot_batches(len(starts), labels, half, epoch * -(-steps // epoch), key)
    batches: list[list[int]] = []
    for first in range(0, len(order), epoch):
        own = order[first : first + epoch]
        others = [*own[1:], own[0]]  # round: for two it is a change of places
        batches += [
            [*(starts[slot][0] for slot in one), *(i for slot in two for i in starts[slot][1:])]
            for one, two in zip(own, others, strict=True)
        ]
    return batches[:steps], epoch


def row_batches(rows: int, size: int, steps: int, key: tuple[str | int, ...]) -> list[list[int]]:
    """`steps` batches of `size` row indices, rows shuffled singly: the `paper` protocol, as the released scripts do."""
    rng = stream("order-rows", *key)
    batches: list[list[int]] = []
    while len(batches) < steps:
        order = [int(i) for i in rng.permutation(rows)]
        batches += [order[i : i + size] for i in range(0, rows, size)]
    return batches[:steps]
