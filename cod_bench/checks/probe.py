"""Plugin file -> facts about it, in a process of its own: what `check` judges. Written as JSON to the path it is given.

Three processes probe a method, a generator or a condition. The clean one does what a run does, twice, with other seeds
of every global random stream. The poisoned one has another hash seed, imports the file when the task's evaluation and
dev rows can no longer be read, and does it again; a method once more with the training pool closed too. In the altered
one these rows can be read and are others, and the results must be those of the clean one. Tasks and executors have the
first two.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cod_bench import device, registry
from cod_bench.checks.facts import TASK, Facts, attempt, load, seed_everything, usable
from cod_bench.checks.poison import altered, poisoned
from cod_bench.checks.probes import condition as probe_condition
from cod_bench.checks.probes import generator as probe_generator
from cod_bench.counterfactuals import warm
from cod_bench.data import losses
from cod_bench.design import suites
from cod_bench.design import tracks as all_tracks
from cod_bench.distiller import Fitted
from cod_bench.errors import RunError
from cod_bench.runner import fit as fits
from cod_bench.runner import work
from cod_bench.spec import RunSpec, canonical, needs_generator

if TYPE_CHECKING:
    from cod_bench.condition import TrainingSet

CONDITIONS = ("standard", "cod")
K, KS = 8, (8, 16, 32)
"""The budget that is trained, and those whose hyperparameters are asked for."""
ALONE, LAST_BITS = 32, 1e-6
"""Texts that a method with its own fit is also asked for one by one, and by how much its answers may then differ."""


def main(arguments: Sequence[str]) -> None:
    """FILE KIND WORLD OUT TRACK..., for a process of its own."""
    import logging

    file, kind, world, out, *tracks = arguments
    logging.getLogger("transformers").setLevel(logging.ERROR)
    device.set_threads()
    Path(out).write_text(json.dumps(facts(Path(file), kind, world, tracks)), encoding="utf-8")


def facts(file: Path, kind: str, world: str, tracks: Sequence[str]) -> Facts:
    """What there is to know of a plugin file in one world, `clean`, `poisoned` or `altered`."""
    return {
        ("baseline", "clean"): _method, ("baseline", "poisoned"): _poisoned_method,
        ("baseline", "altered"): _altered_method, ("generator", "altered"): probe_generator.altered_world,
        ("generator", "clean"): probe_generator.clean_world, ("generator", "poisoned"): probe_generator.poisoned_world,
        ("condition", "clean"): probe_condition.clean_world, ("condition", "poisoned"): probe_condition.poisoned_world,
        ("condition", "altered"): probe_condition.altered_world,
        ("task", "clean"): _task, ("task", "poisoned"): _rows_alone,
        ("executor", "clean"): _executor, ("executor", "poisoned"): _import_alone,
    }[kind, world](file, kind, tracks)  # fmt: skip


# Methods


def _method(file: Path, kind: str, tracks: Sequence[str]) -> Facts:
    known = load(file, kind)
    if not usable(known):
        return known
    method = registry.load(kind, file.stem)
    known["identity"] = attempt(lambda: _method_identity(method, tracks))
    known["runs"] = {}
    for spec in _specs(file.stem, tracks):
        runs = []
        for seed in (1, 2):
            seed_everything(seed)
            runs.append(attempt(partial(_train_anew, spec)))
        known["runs"][f"{spec.track} {spec.condition}"] = runs
    known["record"] = attempt(lambda: dict(work.run_one(_specs(file.stem, tracks)[0], {}).metrics))
    return known


def _poisoned_method(file: Path, kind: str, tracks: Sequence[str]) -> Facts:
    specs = _specs(file.stem, tracks[:1])
    rows = {spec: _training(spec) for spec in specs}  # what the core hands out, before the rows are closed
    for spec in specs:
        work.fresh_student(spec)
    _unlabelled()
    known: Facts = {}
    seed_everything(1)
    with poisoned(TASK, ("dev", "evaluation")) as reads:
        known |= load(file, kind)
        if usable(known):
            method = registry.load(kind, file.stem)
            known["identity"] = attempt(lambda: _method_identity(method, tracks))
            known["runs"] = {
                f"{spec.track} {spec.condition}": attempt(partial(_train, spec, rows[spec])) for spec in specs
            }
    known["evaluation_reads"] = reads
    with poisoned(TASK, ("train", "dev", "evaluation")) as reads:
        if usable(known):
            known["closed"] = {
                f"{spec.track} {spec.condition}": attempt(partial(_train, spec, rows[spec])) for spec in specs
            }
    known["pool_reads"] = [split for split in reads if split in ("train", "all")]
    return known


def _altered_method(file: Path, kind: str, tracks: Sequence[str]) -> Facts:
    specs = _specs(file.stem, tracks[:1])
    rows = {spec: _training(spec) for spec in specs}  # what the core makes depends on evaluation rows: it avoids them
    for spec in specs:
        work.fresh_student(spec)
    _unlabelled()
    with altered(TASK):
        known = load(file, kind)
        if usable(known):
            known["runs"] = {}
            for spec in specs:
                seed_everything(1)
                known["runs"][f"{spec.track} {spec.condition}"] = attempt(partial(_train, spec, rows[spec]))
    return known


def _method_identity(method: Any, tracks: Sequence[str]) -> Facts:
    """Hyperparameters of every (track, k), each asked for twice; raises where they are no JSON or differ."""
    found = {}
    for name in tracks:
        for k in KS:
            asked = [canonical(method.hparams(all_tracks.track(name), k)) for _ in range(2)]
            if asked[0] != asked[1]:
                raise ValueError(f"hparams({name}, {k}) gave {asked[0]}, then {asked[1]}")
            found[f"{name} k={k}"] = json.loads(asked[0])
    return found


def _specs(method: str, tracks: Sequence[str]) -> list[RunSpec]:
    generator = suites.suite(TASK).generator
    return [
        RunSpec("last", track, TASK, method, condition, generator if needs_generator(condition) else "", K, 0)
        for track in tracks
        for condition in CONDITIONS
    ]


def _training(spec: RunSpec) -> TrainingSet:
    from cod_bench.counterfactuals.rows import build

    rows = warm.draw(spec.track, spec.task, spec.seed, False)
    entries = warm.pool(spec.track, spec.task, spec.generator).entries(rows, spec.k) if spec.generator else None
    return build(rows, spec.condition, spec.k, entries)


def _train_anew(spec: RunSpec) -> Facts:
    return _train(spec, _training(spec))


def _train(spec: RunSpec, training: TrainingSet) -> Facts:
    """One training without evaluation: losses, what was trained, and what the method had in its hands."""
    import hashlib

    from cod_bench.training.distil import train

    method = registry.load("baseline", spec.method)
    hparams = method.hparams(all_tracks.track(spec.track), spec.k)
    if issubclass(method, Fitted):
        return _fit(method, spec, training, hparams)
    student = work.fresh_student(spec)
    trained = train(
        spec, all_tracks.track(spec.track), training, method(), hparams, student, warm.teacher(spec.track, spec.task),
        None, work.student_tokenizer(spec),
    )  # fmt: skip
    weights = hashlib.sha256()
    for name, value in student.state_dict().items():
        weights.update(name.encode() + value.detach().cpu().numpy().tobytes())
    return {
        "losses": trained.losses["loss"], "weights": weights.hexdigest(), "rows": len(training.rows),
        "steps": len(trained.losses["loss"]), "declared_steps": int(hparams["steps"]),
    }  # fmt: skip


def _fit(method: type[Fitted], spec: RunSpec, training: TrainingSet, hparams: Mapping[str, Any]) -> Facts:
    """The same of a method without a gradient loop, whose probabilities of the pool's texts stand for the weights.

    Raises:
        RunError: a text's probabilities depend on the texts beside it, or it reads rows and says that it does not.
    """
    import hashlib

    classes = warm.teacher(spec.track, spec.task).classifier.head.out_features
    texts = _unlabelled()

    def fitted(rows: TrainingSet) -> fits.Fit:
        return fits.fit(
            method, spec, all_tracks.track(spec.track), hparams, rows, [str(label) for label in range(classes)],
            _unlabelled,
        )  # fmt: skip

    made = fitted(training)
    found = made.probabilities(texts)
    alone = np.concatenate([made.probabilities([text]) for text in texts[:ALONE]])
    if not np.allclose(found[:ALONE], alone, rtol=0, atol=LAST_BITS):
        raise RunError("a text's probabilities depend on the texts beside it; predict each by itself")
    return {
        "losses": [], "weights": hashlib.sha256(found.tobytes()).hexdigest(), "rows": len(training.rows),
        "steps": 0, "declared_steps": int(hparams.get("steps", 0)),
    }  # fmt: skip


@cache
def _unlabelled() -> tuple[str, ...]:
    """The training pool's texts; asked for before rows are closed."""
    return tuple(fits.pool_texts(TASK))


# Tasks


def _rows_alone(file: Path, kind: str, tracks: Sequence[str]) -> Facts:  # noqa: ARG001 - one signature for all
    from cod_bench.data import origin
    from cod_bench.data.corpus import prepare

    known = load(file, kind)
    if usable(known):
        task = registry.load(kind, file.stem)
        known["identity"] = attempt(lambda: json.loads(canonical(task.identity())))
        known["rows"] = attempt(lambda: _prepared(task, prepare(task) if task.read else origin.corpus(task.name)))
    return known


def _prepared(task: Any, corpus: Any) -> Facts:
    return {
        "told": losses.told(list(task.read()), corpus) if task.read else "",
        "pool_sha256": corpus.pool_sha256, "evaluation_sha256": corpus.evaluation_sha256,
        "train": len(corpus.train), "dev": len(corpus.dev), "evaluation": len(corpus.evaluation),
        "gold": sorted({row.label for row in corpus.evaluation}),
    }  # fmt: skip


def _task(file: Path, kind: str, tracks: Sequence[str]) -> Facts:
    known = _rows_alone(file, kind, tracks)
    rows = known.get("rows", {}).get("value")
    if rows is None:
        return known
    task = registry.load(kind, file.stem)
    known["pins"] = {"pool_sha256": task.pool_sha256, "evaluation_sha256": task.evaluation_sha256}
    if known["pins"] == {name: rows[name] for name in known["pins"]}:
        method = suites.suite(TASK).blocks[0].methods[0]
        spec = RunSpec("last", tracks[0], file.stem, method, "standard", "", K, 0)
        known["record"] = attempt(lambda: dict(work.run_one(spec, {}).metrics))
    return known


# Executors


def _import_alone(file: Path, kind: str, tracks: Sequence[str]) -> Facts:  # noqa: ARG001 - one signature for all
    return load(file, kind)


def _executor(file: Path, kind: str, tracks: Sequence[str]) -> Facts:
    from cod_bench.executor import Job
    from cod_bench.records.record import record_from_json
    from cod_bench.runner.jobs import teacher_job

    known = load(file, kind)
    if not usable(known):
        return known
    spec = _specs(suites.suite(TASK).blocks[0].methods[0], tracks[:1])[0]
    first = teacher_job(spec.track, spec.task)
    run = Job("run", {"stage": "run", "spec": asdict(spec), "provenance": {}}, (first.key,))
    broken = Job("broken", {"stage": "no such stage"})
    jobs = [first, run, broken, Job("after", run.payload, ("broken",))]

    def outcomes() -> Mapping[str, str]:
        found = {}
        for outcome in registry.load(kind, file.stem)(jobs, workers=1, plugins=()):
            found[outcome.job.key] = "error" if outcome.error else "done"
            if outcome.job.key == "run" and outcome.result is not None:
                record = record_from_json(outcome.result["record"])
                same = record.comparable() == work.run_one(spec, {}).comparable()
                found["run"] = "done" if same else "another record than this process makes"
        return found

    known["outcomes"] = attempt(outcomes)
    known["wanted"] = {first.key: "done", "run": "done", "broken": "error", "after": "error"}
    return known


if __name__ == "__main__":
    main(sys.argv[1:])
