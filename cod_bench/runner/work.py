"""Job -> outcome inside a warm worker process: fit a teacher, search a block of the pool, or train one student.

Jobs and outcomes are plain JSON values, so that any executor can carry them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from cod_bench import device, registry
from cod_bench.condition import ask, condition
from cod_bench.counterfactuals import spent
from cod_bench.counterfactuals.rows import build, describe, made_texts
from cod_bench.counterfactuals.warm import (
    base,
    corpus,
    draw,
    near_evaluation,
    neighbours,
    pool,
    reference,
    stand_ins,
    teacher,
    texts_of,
)
from cod_bench.design import tracks
from cod_bench.design.identity import identify
from cod_bench.distiller import Fitted, asks_teacher
from cod_bench.errors import UsageError
from cod_bench.runner import energy
from cod_bench.runner import fit as fits
from cod_bench.spec import PROTOCOLS, Protocol, RunSpec, digest
from cod_bench.track import of_teacher

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cod_bench.condition import Condition, TrainingSet
    from cod_bench.counterfactuals.pool import Pool
    from cod_bench.distiller import Distiller
    from cod_bench.generator import Entry
    from cod_bench.records.record import Record
    from cod_bench.split import Draw, Neighbours
    from cod_bench.task import Corpus
    from cod_bench.track import Track
    from cod_bench.training.distil import Trained
    from cod_bench.training.model import Classifier
    from cod_bench.training.teacher import Teacher


Found = TypeVar("Found")


def perform(job: Mapping[str, Any]) -> dict[str, Any]:
    """Do one job: {"stage": "teacher" | "pool" | "run" | "dev", ...}; raises what goes wrong."""
    return {"teacher": _teacher_job, "pool": _pool_job, "run": _run_job, "dev": _dev_job}[job["stage"]](job)


def _teacher_job(job: Mapping[str, Any]) -> dict[str, Any]:
    from cod_bench.records.record import to_json
    from cod_bench.training.teacher import reference

    start = time.perf_counter()
    fitted = teacher(job["track"], job["task"])
    made = reference(fitted, corpus(job["task"]))
    return {
        "reference": to_json(made), "teacher_hash": fitted.hash, "accuracy": made.teacher_metrics["accuracy"],
        "seconds": time.perf_counter() - start, "run_bytes": _run_bytes(job["track"], job["task"]),
    }  # fmt: skip


def _run_bytes(track: str, task: str) -> int:
    """About what a run on this teacher will take of a GPU's memory; 0 on the CPU, where nobody asks."""
    if device.name() == device.CPU:
        return 0
    from cod_bench.runner.placement import estimate

    found, (model, _) = tracks.track(track), _student(of_teacher(track)[0], task)
    config: Any = model.backbone.config
    return estimate(
        teacher=_count(teacher(track, task).classifier), student=_count(model), trained=_count(model, trained=True),
        layers=config.num_hidden_layers, width=config.hidden_size, heads=config.num_attention_heads,
        batch=found.recipe.batch_size, length=found.max_length,
    )  # fmt: skip


def _count(model: Classifier, *, trained: bool = False) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad or not trained)


def _pool_job(job: Mapping[str, Any]) -> dict[str, Any]:
    start = time.perf_counter()
    found = pool(job["track"], job["task"], job["generator"]).block(
        draw(job["track"], job["task"], job["seed"], job["kept_wrong"]),
        job["start"], job["end"], kept_wrong=job["kept_wrong"],
    )  # fmt: skip
    valid = sum(entry.cfe is not None for entry in found)
    return {"valid": valid, "entries": len(found), "seconds": time.perf_counter() - start}


def _run_job(job: Mapping[str, Any]) -> dict[str, Any]:
    from cod_bench.records.record import to_json

    record = run_one(RunSpec(**job["spec"]), job["provenance"])
    return {"record": to_json(record), "accuracy": record.metrics["accuracy"], "seconds": record.cost["seconds"]}


def _dev_job(job: Mapping[str, Any]) -> dict[str, Any]:
    """Train with other hyperparameters and score on dev alone: how recipes are chosen."""
    start = time.perf_counter()
    run = resolve(RunSpec(**job["spec"]))
    # A recipe may leave the rate open until it has been chosen, which is what this trial is for.
    tried = replace(run.track.recipe_for(run.spec.method), learning_rate=job["override"]["learning_rate"])
    track = replace(run.track, recipes={run.spec.method: tried})
    hparams = {**run.method.hparams(track, run.spec.k), **job["override"]}
    student = fresh_student(run.spec)
    run.train(run.rows()[0], hparams, student)
    return {"accuracy": run.accuracy(student, "dev"), "seconds": time.perf_counter() - start}


def run_one(spec: RunSpec, provenance: Mapping[str, Any]) -> Record:
    """Train and evaluate one student; its cost tells an estimate of kWh where `energy` was asked for one.

    Raises:
        RunError: the loss is not finite, or an asset, teacher or pool cannot be had.
        UsageError: the budget cannot be balanced or filled, or the method cannot run on the track.
    """
    with energy.meter() as kwh:
        record = _trained(spec, provenance)
    if not kwh:
        return record
    maker = kwh.pop("maker")
    return replace(record, cost={**record.cost, **kwh}, provenance={**record.provenance, "energy": maker})


def _trained(spec: RunSpec, provenance: Mapping[str, Any]) -> Record:
    from cod_bench.counterfactuals.pool import summary
    from cod_bench.records.record import Record, rounded, schema_of
    from cod_bench.runner.metrics import compute

    start, cpu = time.perf_counter(), time.process_time()
    run = resolve(spec)
    training, entries = run.rows()
    found = identify(spec)
    hparams, fit = found["method"]["hparams"], None
    if issubclass(run.method, Fitted):
        prepared = time.perf_counter()
        fit = fits.fit(run.method, spec, run.track, hparams, training, run.corpus.task.classes)
        trained = fit.trained
        evaluating = time.perf_counter()
        predictions, probabilities = fit.stored([row.text for row in run.corpus.evaluation])
    else:
        student = fresh_student(run.spec)
        prepared = time.perf_counter()
        trained = run.train(training, hparams, student, run.selector())
        evaluating = time.perf_counter()
        predictions, probabilities = _evaluate(run, student)
    metrics = compute(predictions, probabilities, reference(spec.track, spec.task))
    end = time.perf_counter()
    return Record(
        schema=schema_of(len(run.corpus.task.classes)),
        run_id=digest(found),
        spec=spec,
        identity=found,
        metrics=rounded(metrics),
        history=_history(trained),
        predictions=predictions,
        probabilities=probabilities,
        reference=f"{spec.task}-{run.teacher.hash}",
        eval_hash=run.corpus.eval_hash,
        train_hash=run.corpus.pool_sha256[:12],
        teacher_hash=run.teacher.hash,
        rows=describe(training),
        cfe=None if entries is None else summary(entries, run.condition.text),
        cost=rounded(
            {
                "seconds": end - start,
                "cpu_seconds": time.process_time() - cpu,
                "rows_seconds": prepared - start,
                "prepare_seconds": trained.seconds["prepare"],
                "train_seconds": trained.seconds["train"],
                "evaluate_seconds": end - evaluating,
                "steps": float(trained.steps),
                "prepare_steps": float(trained.prepare_steps),
                **run.spent(training, entries, reads_pool=fit is not None and fit.unlabelled_texts > 0),
            },
            3,
        ),
        provenance={**provenance, **_beside(trained, fit)},
        rests_on=run.rests_on(),
    )


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a run is made of, each looked up once by its name in the spec."""

    spec: RunSpec
    protocol: Protocol
    kept_wrong: bool
    track: Track
    method: type[Distiller]
    condition: Condition
    corpus: Corpus
    teacher: Teacher
    draw: Draw
    tokenizer: Any
    """The student's own; the teacher's wherever both start from one checkpoint."""
    neighbours: Neighbours | None = None
    """Of conditions that need them: what the teacher was asked on the way is counted there, for this run alone."""

    def rows(self) -> tuple[TrainingSet, list[Entry] | None]:
        """The training rows of its condition, and the pool entries that these were made from if any were.

        Raises:
            UsageError: rows that break a rule, or a text of the condition's own that nearly equals an evaluation row.
        """
        entries = self.entries() if self.takes_entries else None
        share = self.pool().share() if self.takes_entries else 0.0
        found = build(self.draw, self.spec.condition, self.spec.k, entries, share=share, neighbours=self.neighbours)
        known = {text for entry in entries or () for text in made_texts(entry)}  # the pool has refused such texts
        for row in found.rows:
            pooled = self.draw.find(row.source)
            own = row.text not in known and (pooled is None or row.text != pooled.text)
            if own and near_evaluation(self.spec.task).near(row.text):
                raise UsageError(
                    f"condition {self.spec.condition!r}: the text it made of row {row.source} equals or nearly equals "
                    "an evaluation row; make another"
                )
        return found, entries

    def entries(self) -> list[Entry]:
        """The pool's entries of its slots; searched now where they are not in the cache folder."""
        return self.of_pool(self.pool().entries)

    @property
    def takes_entries(self) -> bool:
        """Whether its condition is given entries of the pool."""
        return "entries" in self.condition.needs

    def rests_on(self) -> dict[str, Any]:
        """Digests of what the run is made from, by which two machines can tell where they part."""
        found: dict[str, Any] = {"teacher": self.teacher.digest}
        if self.takes_entries:
            found["pool"] = self.of_pool(self.pool().rests_on)
        return found

    def spent(self, training: TrainingSet, entries: list[Entry] | None, *, reads_pool: bool) -> dict[str, float]:
        """What it cost besides its training."""
        habits = spent.Habits(
            blind=issubclass(self.method, Fitted) and self.method.blind, soft_labels=asks_teacher(self.method),
            judges=not self.kept_wrong, reads_pool=reads_pool,
        )  # fmt: skip
        there = self.takes_entries
        return spent.of(
            self.condition, self.spec.k, self.draw, training, habits, entries=entries,
            pool=self.pool() if there else None, took=self.of_pool(self.pool().took) if there else None,
            neighbours=self.neighbours,
        )  # fmt: skip

    def pool(self) -> Pool:
        """The pool of its generator."""
        return pool(self.spec.track, self.spec.task, self.spec.generator)

    def of_pool(self, asked: Callable[..., Found]) -> Found:
        """What a method of the pool says of the slots that its condition is given."""
        return asked(
            self.draw, 2 * ask(self.condition, "entries_at", self.spec.k),
            kept_wrong=self.kept_wrong, preserving=self.condition.rewrites,
        )  # fmt: skip

    def train(
        self, training: TrainingSet, hparams: Mapping[str, Any], student: Classifier,
        select: Callable[[Classifier], float] | None = None,
    ) -> Trained:  # fmt: skip
        """Train a student in place; `select` scores it after every epoch where the best one is kept."""
        from cod_bench.training.distil import train

        return train(
            self.spec, self.track, training, self.method(), hparams, student, self.teacher, select, self.tokenizer
        )

    def selector(self) -> Callable[[Classifier], float] | None:
        """Accuracy on the split that the protocol selects on; None where the last weights count."""
        where = self.protocol.select
        return None if where == "last" else lambda student: self.accuracy(student, where)

    def accuracy(self, student: Classifier, where: str) -> float:
        """Accuracy of a student on the `dev` or `evaluation` split."""
        predicted, examples = self.logits(student, where).argmax(1), getattr(self.corpus, where)
        return float(sum(int(p) == row.label for p, row in zip(predicted, examples, strict=True)) / len(examples))

    def logits(self, student: Classifier, where: str) -> NDArray[np.float32]:
        """Float32 logits [rows of the split, classes] of a student in evaluation mode."""
        from cod_bench.training import model

        rows = _token_ids(self.spec.track, self.spec.task, where)
        return model.predict(student, rows, pad_id=self.tokenizer.pad_token_id, precision=self.track.precision)


def resolve(spec: RunSpec) -> Resolved:
    """Look up what a run is made of; what is warm is taken, what is not there is loaded or made.

    Raises:
        UsageError: a name that nobody has, or a method that cannot run on the track.
        RunError: an asset or a teacher cannot be had.
    """
    track, method = tracks.track(spec.track), registry.load("baseline", spec.method)
    refused = method.not_applicable(track)
    if refused:
        raise UsageError(f"method {spec.method!r} on track {spec.track!r}: {refused}; choose another of the two")
    kept_wrong = tracks.keeps_wrong(spec.protocol, spec.track)
    fitted = teacher(spec.track, spec.task)
    own = condition(spec.condition)
    return Resolved(
        spec, PROTOCOLS[spec.protocol], kept_wrong, fitted.track, method, own, corpus(spec.task), fitted,
        draw(spec.track, spec.task, spec.seed, kept_wrong),
        student_tokenizer(spec), neighbours(spec.track, spec.task) if own.needs == "neighbours" else None,
    )  # fmt: skip


def fresh_student(spec: RunSpec) -> Classifier:
    """The untrained student; its head is a function of (task, seed) alone, so that methods start alike."""
    model, pristine = _student(of_teacher(spec.track)[0], spec.task)  # one for all seeds of teachers
    model.load_state_dict(pristine)
    model.draw("init", spec.task, spec.seed)
    for parameter in model.parameters():
        parameter.grad = None
    return model


def student_tokenizer(spec: RunSpec) -> Any:
    """The student's own tokenizer; the teacher's wherever they start from one checkpoint."""
    return base(spec.track, texts_of(spec.track, spec.task), "student").tokenizer


def _beside(trained: Trained, fit: fits.Fit | None) -> dict[str, Any]:
    """What of its provenance a run knows alone."""
    told = {"graphs": trained.graphs, "libraries": dict(fit.libraries) if fit else {}}
    return {name: value for name, value in told.items() if value}


def _history(trained: Trained) -> dict[str, list[float]]:
    history = {**trained.losses}
    if trained.scores:
        history["selection"] = [round(score, 6) for score in trained.scores]
        history["selected_step"] = [float(trained.selected)]
    return history


def _evaluate(run: Resolved, student: Classifier) -> tuple[str, list[int]]:
    """Predicted digits and quantised p(class 1) of every evaluation row."""
    import numpy as np

    from cod_bench.errors import RunError
    from cod_bench.records.evaluate import stored

    logits = run.logits(student, "evaluation")
    if not np.isfinite(logits).all():
        raise RunError(f"{run.spec.label}: a logit on the evaluation split is not finite; lower the learning rate")
    return stored(logits)


# What follows is kept warm for the life of the process. Each is a pure function of its arguments.


@cache
def _student(track: str, task: str) -> tuple[Classifier, dict[str, Any]]:
    """A student to be reset before every run, and the weights to reset it to."""
    from cod_bench.training.model import student

    pretrained = base(track, texts_of(track, task), "student")
    model = student(pretrained, tracks.track(track), classes=len(corpus(task).task.classes))
    return model, {name: value.clone() for name, value in model.state_dict().items()}


@cache
def _token_ids(track: str, task: str, where: str) -> list[list[int]]:
    from cod_bench.training import model

    texts = [row.text for row in getattr(corpus(task), where)]
    tokenizer = base(track, texts_of(track, task), "student").tokenizer
    return model.tokenise(tokenizer, texts, tracks.track(track).max_length)


def stand_in(task: str, rows: Corpus | None) -> None:
    """Let `corpus` give other rows under a task's name from now on, or its own again (None). For checks alone.

    What is warm and holds rows is forgotten; teachers and pretrained models stay.
    """
    stand_ins.pop(task, None)
    if rows is not None:
        stand_ins[task] = rows
    for warm in (corpus, reference, draw, near_evaluation, pool, _token_ids):
        warm.cache_clear()
