"""Training rows, teacher -> student without any means of speed: the baseline of ratios, the oracle of equalities.

The same work as the released scripts do, written anew: a fresh model a run, every row of every batch padded to its
longest, the teacher asked again at every step about the padded batch, every evaluation row in batches of eight in the
order given after every epoch, the full vocabulary, PyTorch's default AdamW. What a protocol fixes (rows, order,
dropout's stream, loss, schedule) is the package's own, so that only the way differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from cod_bench.distiller import Batch, Distiller, Setup
from cod_bench.spec import PROTOCOLS, RunSpec, stream_seed
from cod_bench.training.batches import batches_of

if TYPE_CHECKING:
    from torch import nn

    from cod_bench.condition import TrainingSet
    from cod_bench.track import Track
    from cod_bench.training.model import Classifier
    from cod_bench.training.teacher import Teacher

EVALUATION_BATCH = 8
"""Rows evaluated at once, as in the released scripts."""

TeacherOutputs = Literal["in the batch", "once a text"]
"""Whether the teacher is run inside every padded batch, or its outputs on each text alone are given."""


@dataclass(slots=True)
class Plain:
    """What a plain run leaves behind besides the student's weights."""

    losses: list[float] = field(default_factory=list)
    """Total loss of every step, not rounded."""
    accuracies: list[float] = field(default_factory=list)
    """On all evaluation rows, after every epoch."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Tokenised evaluation rows with their labels; empty where nothing is evaluated."""

    ids: Sequence[Sequence[int]] = ()
    labels: Sequence[int] = ()


class Loop:
    """One plain run, step by step, so that it can be timed in parts."""

    def __init__(
        self, spec: RunSpec, track: Track, training: TrainingSet, distiller: Distiller, hparams: Mapping[str, Any],
        student: Classifier, teacher: Teacher, tokenizer: Any, *,
        teacher_outputs: TeacherOutputs = "in the batch", fused: bool = False,
    ) -> None:  # fmt: skip
        self.spec, self.track, self.distiller, self.hparams = spec, track, distiller, hparams
        self.student, self.teacher = student, teacher
        self.habits = PROTOCOLS[spec.protocol].reference_habits
        self.texts = [row.text for row in training.rows]
        self.ids = _tokens(tokenizer, self.texts, track.max_length)
        self.labels = torch.tensor([row.label for row in training.rows])
        self.pad_id: int = tokenizer.pad_token_id
        same = tokenizer is teacher.tokenizer
        self.teacher_ids = self.ids if same else _tokens(teacher.tokenizer, self.texts, track.max_length)
        self.given = teacher_outputs == "once a text"
        self.steps = int(hparams["steps"])
        self.batches, self.epoch = batches_of(training, spec, int(hparams["batch_size"]), self.steps)
        self.layers = sorted({pair[0] for pair in track.layer_map}) if distiller.needs_layers else []
        outside = distiller.prepare(self._setup(training))
        modules = [student] if outside is None else [student, outside]
        self.optimiser, self.schedule = _optimiser(modules, hparams, fused)
        self.done = Plain()

    def step(self) -> None:
        """The next optimiser step."""
        number = len(self.done.losses)
        self.student.train()
        torch.manual_seed(stream_seed("dropout", self.spec.task, self.spec.seed, number))
        batch = self.batch(self.batches[number])
        with torch.autocast(self.student.device.type, dtype=torch.bfloat16, enabled=self.track.precision == "bfloat16"):
            parts = self.distiller.loss(self.student(batch.ids, batch.mask, self.layers), batch)
        loss = torch.stack(list(parts.values())).sum()
        loss.backward()
        self.optimiser.step()
        self.schedule.step()
        self.optimiser.zero_grad()
        self.done.losses.append(float(loss.detach()))

    def run(self, evaluation: Texts) -> Plain:
        """Every step, with an evaluation after every epoch."""
        with torch.random.fork_rng(devices=[]):
            for number in range(1, self.steps + 1):
                self.step()
                if evaluation.ids and (number % self.epoch == 0 or number == self.steps):
                    logits = self.evaluate(evaluation.ids)
                    right = logits.argmax(1).cpu() == torch.tensor(evaluation.labels)
                    self.done.accuracies.append(float(right.float().mean()))
        return self.done

    def evaluate(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Logits [rows, classes] of all rows, in the order given, eight at a time."""
        self.student.eval()
        found = []
        with torch.no_grad():
            for start in range(0, len(ids), EVALUATION_BATCH):
                padded, mask = _padded(ids[start : start + EVALUATION_BATCH], self.pad_id)
                found.append(self.student(padded.to(self.student.device), mask.to(self.student.device)).logits)
        return torch.cat(found)

    def batch(self, rows: Sequence[int]) -> Batch:
        """Training rows padded to the longest, with the teacher's outputs."""
        ids, mask = (part.to(self.student.device) for part in _padded([self.ids[i] for i in rows], self.pad_id))
        logits, hidden = self._given(rows, ids.shape[1]) if self.given else self._asked(rows)
        everywhere = torch.ones_like(mask)
        return Batch(
            rows=rows, ids=ids, mask=mask, labels=self.labels[list(rows)].to(ids.device), teacher_logits=logits,
            teacher_hidden=hidden, layer_mask=everywhere if self.habits else mask, teacher_mask=mask,
        )  # fmt: skip

    def _asked(self, rows: Sequence[int]) -> tuple[Tensor, dict[int, Tensor]]:
        layers = sorted({pair[1] for pair in self.track.layer_map}) if self.distiller.needs_layers else []
        with torch.no_grad():
            out = self.teacher.classifier(*self._for_teacher(rows), layers)
        return out.logits, out.hidden

    def _for_teacher(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The batch as the teacher's own tokenizer numbers it."""
        ids, mask = _padded([self.teacher_ids[i] for i in rows], self.teacher.tokenizer.pad_token_id)
        return ids.to(self.student.device), mask.to(self.student.device)

    def _given(self, rows: Sequence[int], length: int) -> tuple[Tensor, dict[int, Tensor]]:
        pad_to = max(map(len, self.ids)) if self.distiller.needs_layers and self.habits else 0
        found = [self.teacher.outputs(self.texts[i], pad_to) for i in rows]
        hidden = [one.hidden for one in found] if self.distiller.needs_layers else [{} for _ in found]
        return torch.stack([one.logits for one in found]), _stacked(hidden, length)

    def _setup(self, training: TrainingSet) -> Setup:
        def order(steps: int) -> Sequence[Sequence[int]]:
            return batches_of(training, self.spec, int(self.hparams["batch_size"]), steps)[0]

        return Setup(
            spec=self.spec, track=self.track, hparams=self.hparams, student=self.student, teacher=self.teacher,
            batches=self.batches, order=order, collate=self.batch, student_states=self._student_states,
            noisy_states=(self._noisy(self.student, 0), self._noisy(self.teacher.classifier, 1)),
            reference_habits=self.habits,
        )  # fmt: skip

    def _student_states(self, batch: Batch) -> dict[int, Tensor]:
        """Of the student as it is, in the batch; each row alone where outputs are given, which is what is compared."""
        layers = sorted({pair[0] for pair in self.track.layer_map})
        self.student.eval()
        with torch.no_grad():
            if not self.given:
                hidden: dict[int, Tensor] = self.student(batch.ids, batch.mask, layers).hidden
                return hidden
            alone = [self.student(*_padded([self.ids[i]], self.pad_id), layers).hidden for i in batch.rows]
        rows = [{layer: state[0] for layer, state in one.items()} for one in alone]
        return _stacked(rows, batch.ids.shape[1])

    def _noisy(self, model: Classifier, side: int) -> Callable[[Batch], dict[int, Tensor]]:
        layers = sorted({pair[side] for pair in self.track.layer_map})

        def states(batch: Batch) -> dict[int, Tensor]:
            model.train()
            ids, mask = self._for_teacher(batch.rows) if side else (batch.ids, batch.mask)
            with torch.no_grad():
                hidden: dict[int, Tensor] = model(ids, mask, layers).hidden
            model.eval()
            return hidden

        return states


def _tokens(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[list[int]]:
    return [list(tokenizer(text, truncation=True, max_length=max_length)["input_ids"]) for text in texts]


def _padded(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    length = max(map(len, rows))
    ids = [[*row, *[pad_id] * (length - len(row))] for row in rows]
    mask = [[1] * len(row) + [0] * (length - len(row)) for row in rows]
    return torch.tensor(ids), torch.tensor(mask)


def _stacked(rows: Sequence[Mapping[int, Tensor]], length: int) -> dict[int, Tensor]:
    """Per-row states -> layer -> [B, length, width], zero where a row has ended."""
    out = {}
    for layer in rows[0]:
        padded = [torch.zeros(length, row[layer].shape[-1]) for row in rows]
        for place, row in zip(padded, rows, strict=True):
            cut = row[layer][:length]
            place[: len(cut)] = cut
        out[layer] = torch.stack(padded)
    return out


def _optimiser(modules: Sequence[nn.Module], hparams: Mapping[str, Any], fused: bool) -> tuple[Any, Any]:
    """AdamW as PyTorch chooses it (or its fused kernel), and the linear schedule."""
    from transformers import get_linear_schedule_with_warmup

    weights = [p for module in modules for p in module.parameters() if p.requires_grad]
    decayed, plain = [p for p in weights if p.dim() > 1], [p for p in weights if p.dim() <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": hparams["weight_decay"]}, {"params": plain, "weight_decay": 0.0}],
        lr=hparams["learning_rate"], eps=hparams.get("adam_epsilon", 1e-8),
        betas=tuple(hparams.get("adam_betas", (0.9, 0.999))), fused=True if fused else None,
    )  # fmt: skip
    steps = int(hparams["steps"])
    return optimiser, get_linear_schedule_with_warmup(optimiser, int(hparams["warmup"] * steps), steps)
