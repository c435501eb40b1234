"""(Task, track) -> teacher: fine-tuned once, kept as safetensors; its outputs on any text, in float32, once a text."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from cod_bench import device
from cod_bench.data import checkpoints, progress
from cod_bench.data.checkpoints import MARKER, WEIGHTS
from cod_bench.errors import RunError
from cod_bench.records.evaluate import metrics, stored
from cod_bench.records.record import Reference, schema_of
from cod_bench.spec import digest, stream, stream_seed
from cod_bench.store import Artifacts, kept, write_atomic
from cod_bench.track import Precision, Track
from cod_bench.training import model as models
from cod_bench.training.products import Products

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from cod_bench.task import Corpus
    from cod_bench.training.model import Classifier
    from cod_bench.training.pretrained import Pretrained

log = logging.getLogger(__name__)

MEMORY = 300_000_000
"""Bytes of hidden states that a teacher keeps: some 4,000 texts at MiniLM's width, 250 at DeBERTa's."""
VERDICTS = 100_000
"""Texts whose logits alone a teacher keeps."""
WORDS = 50_000
"""Words whose input embeddings a teacher keeps, more than a training pool has: 75 MB at MiniLM's width."""
LONGER_FITS = 2
"""How often a teacher that has not learned a class is fitted anew, each time for twice the epochs."""
LEARNED = 0.1
"""Least share of a class's rows that a teacher gives that class; else nothing of the class could be drawn."""
LEARNED_BY = 256
"""Rows of the training pool that this is seen by, the first in the order of their hashed ids."""
BUCKET = 20
"""Fitting draws rows for so many batches at a time and sorts them by length, so that batches hold little padding."""


@dataclass(frozen=True, slots=True)
class TextOutputs:
    """The teacher on one text alone: logits [classes], hidden: layer -> [tokens, width], on the teacher's device."""

    logits: Tensor
    hidden: dict[int, Tensor]

    @property
    def size(self) -> int:
        """Bytes of the hidden states."""
        return sum(state.nbytes for state in self.hidden.values())


class Teacher:
    """A fitted teacher. Every output is a pure function of the teacher and the text (or of the whole call)."""

    def __init__(self, classifier: Classifier, tokenizer: Any, *, track: Track, sha256: str, about: dict[str, Any]):
        self.classifier = classifier.eval()
        self.tokenizer = tokenizer
        self.track = track
        self.sha256 = sha256
        self.about = about
        self._outputs: dict[tuple[str, int], TextOutputs] = {}
        self._bytes = 0
        self._verdicts: dict[str, Tensor] = {}
        self._products: dict[Precision, Products] = {}
        self._vectors: dict[str, NDArray[np.float32]] = {}

    @property
    def hash(self) -> str:
        """First 12 digits of the sha256 of the weights: `teacher_hash` in every record."""
        return self.sha256[:12]

    @cached_property
    def digest(self) -> str:
        """Of the weights and of what the teacher says of the evaluation rows."""
        return digest([self.sha256, self.about["evaluation_logits"]], 16)

    @property
    def size(self) -> int:
        """Bytes of the weights, of their copies in another layout, and of the words' vectors."""
        copied = sum(copy.size for copy in self._products.values())
        copied += sum(vector.nbytes for vector in self._vectors.values())
        return copied + sum(parameter.nbytes for parameter in self.classifier.parameters())

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Float32 logits [len(texts), classes], computed in length-sorted batches of this one call."""
        return self._logits(texts, "float32")

    def guide(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The same with a backbone in the track's precision: what leads a search, never a verdict."""
        return self._logits(texts, self.track.precision)

    def _logits(self, texts: Sequence[str], precision: Precision) -> NDArray[np.float32]:
        rows = models.tokenise(self.tokenizer, texts, self.track.max_length)
        if precision not in self._products:
            self._products[precision] = Products(self.classifier.backbone, precision)
        pad_id, faster = self.tokenizer.pad_token_id, self._products[precision]
        return models.predict(self.classifier, rows, pad_id=pad_id, precision=precision, faster=faster)

    def word_vectors(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Float32 [len(words), width]: mean of the input-embedding rows of each word's pieces."""
        new = [word for word in dict.fromkeys(words) if word not in self._vectors]
        if len(self._vectors) + len(new) > WORDS:
            self._vectors.clear()
            new = list(dict.fromkeys(words))
        if new:
            backbone: Any = self.classifier.backbone
            table = backbone.get_input_embeddings().weight.detach().cpu().numpy()
            # With a space before it, as inside a text: byte-level tokenizers cut a word otherwise at a line's start.
            encoded = self.tokenizer([f" {word}" for word in new], add_special_tokens=False)["input_ids"]
            none = self.tokenizer.unk_token_id
            unknown = [self.tokenizer.pad_token_id if none is None else none]
            self._vectors |= {word: table[ids or unknown].mean(0) for word, ids in zip(new, encoded, strict=True)}
        return np.stack([self._vectors[word] for word in words])

    def outputs(self, text: str, pad_to: int = 0) -> TextOutputs:
        """Outputs on one text alone, remembered; hidden states of the mapped layers cover `pad_to` positions.

        Padding changes nothing at real tokens; only the `paper` protocol, whose layer loss reads padding, asks for it.
        """
        key = (text, pad_to)
        if key not in self._outputs:
            made = self._computed(text, pad_to)
            self._bytes += made.size
            while self._outputs and self._bytes > MEMORY:  # being computed again changes nothing but the time
                self._bytes -= self._outputs.pop(next(iter(self._outputs))).size
            self._outputs[key] = made
        return self._outputs[key]

    def judged(self, text: str) -> TextOutputs:
        """The logits of `outputs` without any hidden state, of which a thousand texts fill the memory of a teacher."""
        return TextOutputs(self._verdict(text), {})

    def forget(self) -> None:
        """Drop what is remembered of texts, so that it is computed again; weights and words stay laid out."""
        self._outputs.clear()
        self._verdicts.clear()
        self._bytes = 0

    def predict(self, text: str) -> int:
        """The class the teacher gives one text."""
        return int(self._verdict(text).argmax())

    def probability(self, text: str, label: int) -> float:
        """The teacher's probability of a class for one text."""
        return float(torch.softmax(self._verdict(text), -1)[label])

    def says(self, text: str) -> tuple[int, float]:
        """The class the teacher gives one text, and its probability."""
        label = self.predict(text)
        return label, self.probability(text, label)

    def _verdict(self, text: str) -> Tensor:
        """The logits of `outputs`; most texts that are judged are never trained on, so no hidden state is kept."""
        if text not in self._verdicts:
            known = self._outputs.get((text, 0)) or self._computed(text, 0)
            if len(self._verdicts) >= VERDICTS:
                del self._verdicts[next(iter(self._verdicts))]
            self._verdicts[text] = known.logits
        return self._verdicts[text]

    def _computed(self, text: str, pad_to: int) -> TextOutputs:
        layers = sorted({teacher for _, teacher in self.track.layer_map})
        rows = models.tokenise(self.tokenizer, [text], self.track.max_length)
        ids, mask = models.pad(rows, self.tokenizer.pad_token_id, pad_to, on=self.classifier.device)
        with torch.inference_mode():
            out = self.classifier(ids, mask, layers)
        return TextOutputs(out.logits[0].clone(), {layer: state[0].clone() for layer, state in out.hidden.items()})


def load_or_fit(track: Track, corpus: Corpus, base: Pretrained, artifacts: Artifacts) -> Teacher:
    """The teacher of (task, track): from the cache folder, or fine-tuned now; two processes may ask at once.

    Raises:
        RunError: the loss is not finite.
    """
    from safetensors.torch import load

    named = artifacts.teacher(track.teacher_name, corpus.task.name, checkpoints.teacher_key(track, corpus.task))
    folder = artifacts.adopted(named)
    about, data = kept(
        folder / MARKER, folder.name, partial(checkpoints.teacher, folder),
        lambda: _fit_and_save(track, corpus, base, folder),
        what="teacher", guard=folder.parent / f".{folder.name}.lock",
    )  # fmt: skip
    classifier = models.teacher(base, track, classes=len(corpus.task.classes))
    classifier.load_state_dict(load(data))
    models.check_layers(classifier, (layer for _, layer in track.layer_map), "teacher")
    return Teacher(classifier, base.tokenizer, track=track, sha256=about["sha256"], about=about)


def reference(teacher: Teacher, corpus: Corpus) -> Reference:
    """The reference file: row ids, gold labels and the teacher's values on the evaluation split, without text."""
    rows = corpus.evaluation
    predictions, probabilities = stored(np.array(teacher.about["evaluation_logits"]))
    made = Reference(
        schema=schema_of(len(corpus.task.classes)), track=teacher.track.name, task=corpus.task.name,
        teacher_hash=teacher.hash,
        eval_hash=corpus.eval_hash, classes=list(corpus.task.classes), row_ids=[row.id for row in rows],
        gold="".join(str(row.label) for row in rows), teacher_predictions=predictions,
        teacher_probabilities=probabilities, teacher_metrics={}, teacher_cost=teacher.about["cost"],
        strata="" if (of := corpus.task.strata) is None else "".join(str(of(row.text)) for row in rows),
    )  # fmt: skip
    own = metrics(predictions, probabilities, made)
    scores = {name: float(own[name]) for name in ("accuracy", "mcc", "macro_f1", "auroc", "ece")}
    return replace(made, teacher_metrics=scores)


def _fit_and_save(track: Track, corpus: Corpus, base: Pretrained, folder: Path) -> str:
    start, cpu = time.perf_counter(), time.process_time()
    steps, epochs = 0, track.teacher.epochs
    for _ in range(LONGER_FITS + 1):
        recipe = replace(track.teacher, epochs=epochs)
        classifier = models.teacher(base, track, classes=len(corpus.task.classes))
        classifier.draw("teacher-head", corpus.task.name, *_seed(track))
        steps += fit(classifier, base.tokenizer, replace(track, teacher=recipe), corpus)
        if not (missed := _missed(classifier, base.tokenizer, track, corpus)):
            break
        log.warning(
            "teacher of %r on %r: after %s class %r is not learned",
            corpus.task.name,
            track.name,
            _passes(epochs),
            missed,
        )
        epochs *= 2
    classifier.eval()
    cost = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu, "steps": float(steps)}
    rows = models.tokenise(base.tokenizer, [row.text for row in corpus.evaluation], track.max_length)
    logits = models.predict(classifier, rows, pad_id=base.tokenizer.pad_token_id)
    about = {
        "track": track.name,
        "task": corpus.task.name,
        "epochs": recipe.epochs,
        "cost": {name: round(value, 3) for name, value in cost.items()},
        "evaluation_logits": [[round(float(v), 6) for v in row] for row in logits],
    }
    return _save(classifier, folder, about)


def _passes(epochs: int) -> str:
    return "1 epoch" if epochs == 1 else f"{epochs} epochs"


def _missed(classifier: Classifier, tokenizer: Any, track: Track, corpus: Corpus) -> str:
    """The first class that the teacher has not learned, by rows it was fitted on, or "".

    Of a skewed task one epoch may teach the majority class alone (CoLA): no row of the other is usable then.
    """
    rows = corpus.train[:LEARNED_BY]
    given = models.predict(
        classifier, models.tokenise(tokenizer, [row.text for row in rows], track.max_length),
        pad_id=tokenizer.pad_token_id,
    ).argmax(-1)  # fmt: skip
    labels = np.array([row.label for row in rows])
    for label, name in enumerate(corpus.task.classes):
        if (labels == label).any() and (given[labels == label] == label).mean() < LEARNED:
            return name
    return ""


def fit(classifier: Classifier, tokenizer: Any, track: Track, corpus: Corpus) -> int:
    """Fine-tune on the whole training pool with cross-entropy; returns the optimiser steps.

    Raises:
        RunError: the loss is not finite.
    """
    import transformers

    recipe, task = track.teacher, corpus.task.name
    examples = corpus.train[: recipe.rows]
    rows = models.tokenise(tokenizer, [row.text for row in examples], track.max_length)
    labels, on = torch.tensor(_labels(track, corpus, len(examples))), classifier.device
    watch = device.Watch(on)
    batches = [
        batch
        for epoch in range(recipe.epochs)
        for batch in _bucketed(rows, recipe.batch_size, f"{task}/{epoch}", *_seed(track))
    ]
    optimiser = torch.optim.AdamW(
        classifier.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True,
        eps=recipe.adam_epsilon, betas=recipe.adam_betas,
    )  # fmt: skip
    schedule = transformers.get_scheduler(
        "linear", optimiser, num_warmup_steps=int(recipe.warmup * len(batches)), num_training_steps=len(batches)
    )
    classifier.train()
    told = f"teacher of {task} ({_passes(recipe.epochs)})"
    with torch.random.fork_rng(devices=[]), progress.step(told, len(batches)) as under_way:
        torch.manual_seed(stream_seed("teacher-dropout", task, *_seed(track)))
        for step, batch in enumerate(batches):
            under_way.at(step)
            ids, mask = models.pad([rows[i] for i in batch], tokenizer.pad_token_id, on=on)
            with torch.autocast(on.type, dtype=torch.bfloat16, enabled=track.precision == "bfloat16"):
                logits = classifier(ids, mask).logits
            loss = torch.nn.functional.cross_entropy(logits.float(), device.send(labels[batch], on))
            _demand_finite(watch.note(loss[None]), step, task, track)
            loss.backward()
            optimiser.step()
            schedule.step()
            optimiser.zero_grad(set_to_none=True)
    _demand_finite(watch.rest(), len(batches) - 1, task, track)
    return len(batches)


def _labels(track: Track, corpus: Corpus, rows: int) -> list[int]:
    """The labels that a teacher is fine-tuned with: gold, but for those that its recipe flips on purpose.

    Who is flipped is nested: what is at a small share is at a larger one, and at the share of one class alone.
    """
    recipe, classes = track.teacher, len(corpus.task.classes)
    gold = [row.label for row in corpus.train[:rows]]
    if not recipe.noise:
        return gold
    drawn = stream("teacher-noise", corpus.task.name, *_seed(track)).random((len(gold), 2))
    return [
        (label + 1 + int(other * (classes - 1))) % classes
        if below < recipe.noise and recipe.noisy in (None, label) else label
        for label, (below, other) in zip(gold, drawn, strict=True)
    ]  # fmt: skip


def _demand_finite(losses: Sequence[Sequence[float]], last: int, task: str, track: Track) -> None:
    """Whether the losses of the steps up to `last` are numbers."""
    for step, (loss,) in enumerate(losses, last + 1 - len(losses)):
        if not math.isfinite(loss):
            raise RunError(f"teacher of {task!r} on {track.name!r}: loss is {loss} at step {step}")


def _seed(track: Track) -> tuple[int, ...]:
    """What the seed of a teacher adds to the names of its streams; the first teachers' had none."""
    return (track.teacher_seed,) if track.teacher_seed else ()


def _bucketed(rows: Sequence[Sequence[int]], size: int, epoch: str, *seed: int) -> list[list[int]]:
    """Random batches of rows of like length: an epoch's order from its named stream."""
    rng = stream("teacher-order", epoch, *seed)
    order = rng.permutation(len(rows))
    batches = []
    for start in range(0, len(order), size * BUCKET):
        chunk = sorted((int(i) for i in order[start : start + size * BUCKET]), key=lambda i: len(rows[i]))
        batches += [chunk[i : i + size] for i in range(0, len(chunk), size)]
    return [batches[int(i)] for i in rng.permutation(len(batches))]


def _save(classifier: Classifier, folder: Path, about: dict[str, Any]) -> str:
    """Write the weights as safetensors; returns `about` with their sha256: the marker, which is written last."""
    from safetensors.torch import save

    data = save({name: value.cpu().contiguous() for name, value in classifier.state_dict().items()})
    write_atomic(folder / WEIGHTS, data)
    return json.dumps({**about, "sha256": hashlib.sha256(data).hexdigest()}, indent=1, sort_keys=True)
