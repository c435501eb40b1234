"""Job -> outcome inside a warm worker process: fit a teacher, search a block of the pool, or train one student.

Jobs and outcomes are plain JSON values, so that any executor can carry them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from cod_bench import device, energy, registry, tracks
from cod_bench.errors import UsageError
from cod_bench.plan import identify
from cod_bench.spec import PARTNERS, PROTOCOLS, WITHOUT_GENERATOR, RunSpec, digest
from cod_bench.store import Artifacts

if TYPE_CHECKING:
    from cod_bench.distil import Trained
    from cod_bench.model import Classifier
    from cod_bench.near import NearIndex
    from cod_bench.pool import Entry, Pool
    from cod_bench.pretrained import Pretrained
    from cod_bench.record import Record, Reference
    from cod_bench.split import Draw
    from cod_bench.task import Corpus, Example
    from cod_bench.teacher import Teacher

SEEDS_AT_HAND = 32
"""Draws that a process keeps: runs come seed by seed, and a suite may have a thousand of them."""
WARM = 1_000_000_000
"""Bytes that teachers hold, as known when another is loaded, beyond which the one longest not asked for goes.

MiniLM's six stay in float32, five in bfloat16, which keeps two copies; of larger ones two."""


def perform(job: Mapping[str, Any]) -> dict[str, Any]:
    """Do one job: {"stage": "teacher" | "pool" | "run" | "dev", ...}; raises what goes wrong."""
    return {"teacher": _teacher_job, "pool": _pool_job, "run": _run_job, "dev": _dev_job}[job["stage"]](job)


def set_threads() -> None:
    """One torch thread: parallelism is processes, and results must not depend on how many threads there are."""
    device.prepare()
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    # With the line above torch fills every new tensor before use, 2 % of a run; no kernel of ours reads what it has
    # not written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _teacher_job(job: Mapping[str, Any]) -> dict[str, Any]:
    from cod_bench.record import to_json
    from cod_bench.teacher import reference

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
    from cod_bench.placement import estimate

    found, (model, _) = tracks.track(track), _student(track, task)
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
    from cod_bench.record import to_json

    record = run_one(RunSpec(**job["spec"]), job["provenance"])
    return {"record": to_json(record), "accuracy": record.metrics["accuracy"], "seconds": record.cost["seconds"]}


def _dev_job(job: Mapping[str, Any]) -> dict[str, Any]:
    """Train with other hyperparameters and score on dev alone: how recipes are chosen."""
    from cod_bench.condition import build
    from cod_bench.distil import train

    start = time.perf_counter()
    spec = RunSpec(**job["spec"])
    track, method = tracks.track(spec.track), registry.load("baseline", spec.method)
    # A recipe may leave the rate open until it has been chosen, which is what this trial is for.
    tried = replace(track.recipe_for(spec.method), learning_rate=job["override"]["learning_rate"])
    hparams = {**method.hparams(replace(track, recipes={spec.method: tried}), spec.k), **job["override"]}
    training = build(draw(spec.track, spec.task, spec.seed, False), spec.condition, spec.k)
    student, judge = fresh_student(spec), teacher(spec.track, spec.task)
    train(spec, track, training, method(), hparams, student, judge, None, student_tokenizer(spec))
    return {"accuracy": accuracy(spec, student, "dev"), "seconds": time.perf_counter() - start}


def run_one(spec: RunSpec, provenance: Mapping[str, Any]) -> Record:
    """Train and evaluate one student; its cost tells an estimate of kWh where `energy` was asked for one.

    Raises:
        RunError: the loss is not finite, or an asset, teacher or pool cannot be had.
        UsageError: the budget cannot be balanced or filled.
    """
    with energy.meter() as kwh:
        record = _trained(spec, provenance)
    if not kwh:
        return record
    maker = kwh.pop("maker")
    return replace(record, cost={**record.cost, **kwh}, provenance={**record.provenance, "energy": maker})


def _trained(spec: RunSpec, provenance: Mapping[str, Any]) -> Record:
    from cod_bench.condition import build, describe
    from cod_bench.distil import train
    from cod_bench.metrics import compute
    from cod_bench.pool import summary
    from cod_bench.record import SCHEMA, Record, rounded

    start, cpu = time.perf_counter(), time.process_time()
    method = registry.load("baseline", spec.method)
    data, judge = corpus(spec.task), teacher(spec.track, spec.task)
    track = judge.track
    refused = method.not_applicable(track)
    if refused:
        raise UsageError(f"method {spec.method!r} on track {spec.track!r}: {refused}; choose another of the two")
    rows = draw(spec.track, spec.task, spec.seed, PROTOCOLS[spec.protocol].reference_habits)
    entries = None if spec.condition in WITHOUT_GENERATOR else _entries(spec, rows)
    training = build(rows, spec.condition, spec.k, entries)
    found = identify(spec)
    hparams = found["method"]["hparams"]
    student = fresh_student(spec)
    prepared = time.perf_counter()
    trained = train(spec, track, training, method(), hparams, student, judge, _selector(spec), student_tokenizer(spec))
    evaluating = time.perf_counter()
    predictions, probabilities = _evaluate(spec, student)
    stored = reference(spec.track, spec.task)
    metrics = compute(predictions, probabilities, stored)
    end = time.perf_counter()
    return Record(
        schema=SCHEMA,
        run_id=digest(found),
        spec=spec,
        identity=found,
        metrics=rounded(metrics),
        history=_history(trained),
        predictions=predictions,
        probabilities=probabilities,
        reference=f"{spec.task}-{judge.hash}",
        eval_hash=data.eval_hash,
        train_hash=data.pool_sha256[:12],
        teacher_hash=judge.hash,
        rows=describe(training),
        cfe=None if entries is None else summary(entries, spec.condition),
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
                # one pass a distinct text, and what the generator asked: whatever was cached when the run began
                "teacher_passes": float(
                    len({row.text for row in training.rows}) + sum(entry.teacher_passes for entry in entries or ())
                ),
            },
            3,
        ),
        provenance={**provenance, **({"graphs": trained.graphs} if trained.graphs else {})},
    )


def _history(trained: Trained) -> dict[str, list[float]]:
    history = {**trained.losses}
    if trained.scores:
        history["selection"] = [round(score, 6) for score in trained.scores]
        history["selected_step"] = [float(trained.selected)]
    return history


def _selector(spec: RunSpec) -> Any:
    """Accuracy on the split that the protocol selects on; None where the last weights count."""
    where = PROTOCOLS[spec.protocol].select
    if where == "last":
        return None
    return lambda student: accuracy(spec, student, where)


def accuracy(spec: RunSpec, student: Classifier, where: str) -> float:
    """Accuracy of a student on the `dev` or `evaluation` split."""
    examples = getattr(corpus(spec.task), where)
    predicted = _logits(spec, student, where).argmax(1)
    return float(sum(int(p) == row.label for p, row in zip(predicted, examples, strict=True)) / len(examples))


def _evaluate(spec: RunSpec, student: Classifier) -> tuple[str, list[int]]:
    """Predicted digits and quantised p(class 1) of every evaluation row."""
    import numpy as np

    from cod_bench.errors import RunError
    from cod_bench.evaluate import stored

    logits = _logits(spec, student, "evaluation")
    if not np.isfinite(logits).all():
        raise RunError(f"{spec.label}: a logit on the evaluation split is not finite; lower the learning rate")
    return stored(logits)


def _logits(spec: RunSpec, student: Classifier, where: str) -> Any:
    from cod_bench import model

    tokenizer, rows = student_tokenizer(spec), _token_ids(spec.track, spec.task, where)
    precision = tracks.track(spec.track).precision
    return model.predict(student, rows, pad_id=tokenizer.pad_token_id, precision=precision)


def student_tokenizer(spec: RunSpec) -> Any:
    """The student's own tokenizer; the teacher's wherever they start from one checkpoint."""
    return base(spec.track, _texts_of(spec.track, spec.task), "student").tokenizer


def fresh_student(spec: RunSpec) -> Classifier:
    """The run's untrained student; its head is a function of (task, seed) alone, so that methods start alike."""
    model, pristine = _student(spec.track, spec.task)
    model.load_state_dict(pristine)
    model.draw("init", spec.task, spec.seed)
    for parameter in model.parameters():
        parameter.grad = None
    return model


def _entries(spec: RunSpec, rows: Draw) -> list[Entry]:
    kept_wrong = PROTOCOLS[spec.protocol].reference_habits
    preserving = PARTNERS[spec.condition][0] == "preserving"
    found = pool(spec.track, spec.task, spec.generator)
    return found.entries(rows, spec.k, kept_wrong=kept_wrong, preserving=preserving)


# What follows is kept warm for the life of the process. Each is a pure function of its arguments.


@cache
def corpus(task: str) -> Corpus:
    """The prepared task."""
    from cod_bench.origin import corpus as prepared

    return _stand_ins[task] if task in _stand_ins else prepared(task)


@cache
def base(track: str, task: str, side: str = "teacher") -> Pretrained:
    """The pretrained `teacher` or `student` of a track, one and the same where they start from one checkpoint.

    `task` is empty unless the track builds its vocabulary from a task's texts.
    """
    from cod_bench.pretrained import load

    found = tracks.pin(track)
    if side == "student" and found.student_side.same_model(found.teacher_side):
        return base(track, task)
    chosen = found.student_side if side == "student" else found.teacher_side
    return load(chosen, [row.text for row in corpus(task).train] if task else (), max_length=found.max_length)


def _texts_of(track: str, task: str) -> str:
    return task if tracks.track(track).random else ""


def teacher(track: str, task: str) -> Teacher:
    """The fitted teacher, from the cache folder or trained now; at least the last two asked for stay warm."""
    from cod_bench.teacher import load_or_fit

    found = _teachers.pop((track, task), None)
    if found is None:
        pretrained = base(track, _texts_of(track, task))
        found = load_or_fit(tracks.track(track), corpus(task), pretrained, Artifacts.default())
        before = len(_teachers)
        while len(_teachers) > 1 and found.size + sum(other.size for other in _teachers.values()) > WARM:
            del _teachers[next(iter(_teachers))]
        if len(_teachers) < before:  # they hold the teacher that goes
            draw.cache_clear()
            pool.cache_clear()
    _teachers[track, task] = found
    return found


_teachers: dict[tuple[str, str], Teacher] = {}
"""By (track, task), the one that was asked for last at the end."""


@cache
def reference(track: str, task: str) -> Reference:
    """The teacher's reference file as a value."""
    from cod_bench.teacher import reference as make

    return make(teacher(track, task), corpus(task))


@lru_cache(maxsize=SEEDS_AT_HAND)
def draw(track: str, task: str, seed: int, kept_wrong: bool) -> Draw:
    """The order of training rows of one (task, seed); rows the teacher gets wrong are passed over unless kept."""
    from cod_bench.split import Draw

    data, judge = corpus(task), teacher(track, task)

    def right(example: Example) -> bool:
        return kept_wrong or judge.predict(example.text) == example.label

    return Draw(data.train, task=task, classes=len(data.task.classes), seed=seed, eligible=right)


@cache
def near_evaluation(task: str) -> NearIndex:
    """Index of the evaluation rows, against which every made text is checked."""
    from cod_bench.near import NearIndex

    return NearIndex([row.text for row in corpus(task).evaluation])


@cache
def pool(track: str, task: str, generator: str) -> Pool:
    """The generator's pool for this teacher."""
    from cod_bench.pool import Pool

    plugin = registry.load("generator", generator)
    return Pool(corpus(task), teacher(track, task), plugin, Artifacts.default(), near_evaluation(task))


@cache
def _student(track: str, task: str) -> tuple[Classifier, dict[str, Any]]:
    """A student to be reset before every run, and the weights to reset it to."""
    from cod_bench.model import student

    pretrained = base(track, _texts_of(track, task), "student")
    model = student(pretrained, tracks.track(track), classes=len(corpus(task).task.classes))
    return model, {name: value.clone() for name, value in model.state_dict().items()}


@cache
def _token_ids(track: str, task: str, where: str) -> list[list[int]]:
    from cod_bench import model

    texts = [row.text for row in getattr(corpus(task), where)]
    tokenizer = base(track, _texts_of(track, task), "student").tokenizer
    return model.tokenise(tokenizer, texts, tracks.track(track).max_length)


_stand_ins: dict[str, Corpus] = {}


def stand_in(task: str, rows: Corpus | None) -> None:
    """Let `corpus` give other rows under a task's name from now on, or its own again (None). For checks alone.

    What is warm and holds rows is forgotten; teachers and pretrained models stay.
    """
    _stand_ins.pop(task, None)
    if rows is not None:
        _stand_ins[task] = rows
    for warm in (corpus, reference, draw, near_evaluation, pool, _token_ids):
        warm.cache_clear()
