"""Plugin file -> facts about it, in a process of its own: what `check` judges. Written as JSON to the path it is given.

Two processes probe one file. The clean one trains as a run does, twice, with other seeds of every global random stream.
The poisoned one has another hash seed, imports the file when the task's evaluation and dev rows can no longer be read,
and trains again; then once more with the training pool closed too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cod_bench import registry, suites, work
from cod_bench import tracks as all_tracks
from cod_bench.poison import poisoned
from cod_bench.spec import WITHOUT_GENERATOR, RunSpec, canonical

if TYPE_CHECKING:
    from cod_bench.condition import TrainingSet
    from cod_bench.pool import Entry
    from cod_bench.split import Draw

TASK = "toy"
"""What methods and generators are probed on: no asset, seconds."""
CONDITIONS = ("standard", "cod")
K, KS = 8, (8, 16, 32)
"""The budget that is trained, and those whose hyperparameters are asked for."""
SLOTS = ((0, 4), (4, 8))
"""Blocks of a generator's pool."""

Facts = dict[str, Any]


def main(arguments: Sequence[str]) -> None:
    """FILE KIND WORLD OUT TRACK..., for a process of its own."""
    import logging

    file, kind, world, out, *tracks = arguments
    logging.getLogger("transformers").setLevel(logging.ERROR)
    work.set_threads()
    Path(out).write_text(json.dumps(facts(Path(file), kind, world, tracks)), encoding="utf-8")


def facts(file: Path, kind: str, world: str, tracks: Sequence[str]) -> Facts:
    """What there is to know of a plugin file in one world, `clean` or `poisoned`."""
    return {
        ("baseline", "clean"): _method, ("baseline", "poisoned"): _poisoned_method,
        ("generator", "clean"): _generator, ("generator", "poisoned"): _poisoned_generator,
        ("task", "clean"): _task, ("task", "poisoned"): _rows_alone,
        ("executor", "clean"): _executor, ("executor", "poisoned"): _import_alone,
    }[kind, world](file, kind, tracks)  # fmt: skip


def attempt(what: Callable[[], Any]) -> Facts:
    """{"value": ...} or {"error": one sentence}: whatever a plugin raises is a fact about it."""
    try:
        return {"value": what()}
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything
        named = "" if type(error).__module__ == "cod_bench.errors" else f"{type(error).__name__}: "
        return {"error": " ".join(f"{named}{error}".split())}


def _load(file: Path, kind: str) -> Facts:
    """Facts `load` (the file can be imported and is a plugin) and `name` (it is what it says of itself)."""
    known = {"load": attempt(lambda: list(registry.installed_file(file) or registry.add_plugin(file)))}
    if "value" in known["load"]:
        known["name"] = attempt(lambda: _told(registry.load(kind, file.stem)))
    return known


def _usable(known: Facts) -> bool:
    return "value" in known.get("name", {})


def _seed_everything(seed: int) -> None:
    """Every global random stream: two seeds that give two results are how a plugin that uses one is found."""
    import random

    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the very stream that plugins must not use
    torch.manual_seed(seed)


# Methods


def _method(file: Path, kind: str, tracks: Sequence[str]) -> Facts:
    known = _load(file, kind)
    if not _usable(known):
        return known
    method = registry.load(kind, file.stem)
    known["identity"] = attempt(lambda: _method_identity(method, tracks))
    known["runs"] = {}
    for spec in _specs(file.stem, tracks):
        runs = []
        for seed in (1, 2):
            _seed_everything(seed)
            runs.append(attempt(partial(_train_anew, spec)))
        known["runs"][f"{spec.track} {spec.condition}"] = runs
    known["record"] = attempt(lambda: dict(work.run_one(_specs(file.stem, tracks)[0], {}).metrics))
    return known


def _poisoned_method(file: Path, kind: str, tracks: Sequence[str]) -> Facts:
    specs = _specs(file.stem, tracks[:1])
    rows = {spec: _training(spec) for spec in specs}  # what the core hands out, before the rows are closed
    for spec in specs:
        work.fresh_student(spec)
    known: Facts = {}
    _seed_everything(1)
    with poisoned(TASK, ("dev", "evaluation")) as reads:
        known |= _load(file, kind)
        if _usable(known):
            method = registry.load(kind, file.stem)
            known["identity"] = attempt(lambda: _method_identity(method, tracks))
            known["runs"] = {
                f"{spec.track} {spec.condition}": attempt(partial(_train, spec, rows[spec])) for spec in specs
            }
    known["evaluation_reads"] = reads
    with poisoned(TASK, ("train", "dev", "evaluation")) as reads:
        if _usable(known):
            known["closed"] = {
                f"{spec.track} {spec.condition}": attempt(partial(_train, spec, rows[spec])) for spec in specs
            }
    known["pool_reads"] = [split for split in reads if split in ("train", "all")]
    return known


def _told(plugin: Any) -> Facts:
    """What a plugin says of itself."""
    names = ("name", "version", "summary", "card", "title", "licence", "citation")
    told = {name: getattr(plugin, name) for name in names if isinstance(getattr(plugin, name, None), (str, int))}
    return {**told, "docstring": vars(plugin).get("__doc__") or ""} if isinstance(plugin, type) else told


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
        RunSpec("last", track, TASK, method, condition, "" if condition in WITHOUT_GENERATOR else generator, K, 0)
        for track in tracks
        for condition in CONDITIONS
    ]


def _training(spec: RunSpec) -> TrainingSet:
    from cod_bench.condition import build

    rows = work.draw(spec.track, spec.task, spec.seed, False)
    entries = work.pool(spec.track, spec.task, spec.generator).entries(rows, spec.k) if spec.generator else None
    return build(rows, spec.condition, spec.k, entries)


def _train_anew(spec: RunSpec) -> Facts:
    return _train(spec, _training(spec))


def _train(spec: RunSpec, training: TrainingSet) -> Facts:
    """One training without evaluation: losses, what was trained, and what the method had in its hands."""
    import hashlib

    from cod_bench.distil import train

    hparams = registry.load("baseline", spec.method).hparams(all_tracks.track(spec.track), spec.k)
    student = work.fresh_student(spec)
    distiller = registry.load("baseline", spec.method)()
    trained = train(
        spec, all_tracks.track(spec.track), training, distiller, hparams, student, work.teacher(spec.track, spec.task),
        None, work.student_tokenizer(spec),
    )  # fmt: skip
    weights = hashlib.sha256()
    for name, value in student.state_dict().items():
        weights.update(name.encode() + value.detach().cpu().numpy().tobytes())
    return {
        "losses": trained.losses["loss"], "weights": weights.hexdigest(), "rows": len(training.rows),
        "steps": len(trained.losses["loss"]), "declared_steps": int(hparams["steps"]),
    }  # fmt: skip


# Generators


def _generator(file: Path, kind: str, tracks: Sequence[str]) -> Facts:
    known = _load(file, kind)
    if not _usable(known):
        return known
    generator = registry.load(kind, file.stem)
    known["identity"] = attempt(lambda: json.loads(canonical(generator.params())))
    known["entries"] = {}
    for track in tracks:
        draw = work.draw(track, TASK, 0, False)
        found = []
        for seed, order in ((1, SLOTS), (2, SLOTS[::-1])):
            _seed_everything(seed)
            found.append(attempt(partial(_entries, generator, track, draw, order)))
        known["entries"][track] = found
    known["first"] = attempt(lambda: _first_answers(generator, tracks[0]))
    known["preserved"] = attempt(lambda: _preserved(generator, tracks[0]))
    return known


def _poisoned_generator(file: Path, kind: str, tracks: Sequence[str]) -> Facts:
    from cod_bench.pool import Pool

    track = tracks[0]
    draw, judge, rows = work.draw(track, TASK, 0, False), work.teacher(track, TASK), work.corpus(TASK)
    near = work.near_evaluation(TASK)
    known: Facts = {}
    _seed_everything(1)
    with poisoned(TASK, ("dev", "evaluation")) as reads:
        known |= _load(file, kind)
        if _usable(known):
            generator = registry.load(kind, file.stem)
            known["identity"] = attempt(lambda: json.loads(canonical(generator.params())))
            pool = Pool(rows, judge, generator, _elsewhere(), near)
            known["entries"] = {track: attempt(lambda: _blocks(pool, draw, SLOTS))}
    known["evaluation_reads"] = reads
    return known


def _entries(generator: Any, track: str, draw: Draw, order: Sequence[tuple[int, int]]) -> list[Facts]:
    from cod_bench.pool import Pool

    made = Pool(
        work.corpus(TASK), work.teacher(track, TASK), generator, _elsewhere(), work.near_evaluation(TASK)
    )  # fmt: skip
    return _blocks(made, draw, order)


def _elsewhere() -> Any:
    """Artifacts in a new folder: nothing that was searched before is found again."""
    import tempfile

    from cod_bench.store import Artifacts, home

    home().mkdir(parents=True, exist_ok=True)
    return Artifacts(Path(tempfile.mkdtemp(dir=home())))


def _blocks(pool: Any, draw: Draw, order: Sequence[tuple[int, int]]) -> list[Facts]:
    found: dict[int, Sequence[Entry]] = {start: pool.block(draw, start, end) for start, end in order}
    return [asdict(entry) for start in sorted(found) for entry in found[start]]


class _Liar:
    """A teacher that says the opposite of every text but the original, so that what was asked before shows."""

    def __init__(self, judge: Any, original: str) -> None:
        self._judge, self._original = judge, original

    def logits(self, texts: Sequence[str]) -> Any:
        found = self._judge.logits(texts)
        for i, text in enumerate(texts):
            if text != self._original and len(text.split()) > 1:  # scores of single words are allowed
                found[i] = -found[i]
        return found

    def word_vectors(self, words: Sequence[str]) -> Any:
        return self._judge.word_vectors(words)


def _queries(track: str) -> Iterator[Any]:
    from cod_bench.counterfactual import Query

    for slot in work.draw(track, TASK, 0, False).first_slots(SLOTS[-1][1]):
        yield Query(slot.original, slot.target, work.corpus(TASK).task)


def _first_answers(generator: Any, track: str) -> list[list[str]]:
    """[first answer, first answer by a teacher that lies about edited versions] of every query."""
    judge = work.teacher(track, TASK)
    state = json.loads(json.dumps(generator.prepare(work.corpus(TASK).train, judge), sort_keys=True))
    return [
        [
            str(generator.answer(query, judge, state).first),
            str(generator.answer(query, _Liar(judge, query.example.text), state).first),
        ]
        for query in _queries(track)
    ]


def _preserved(generator: Any, track: str) -> list[int]:
    """How many label-preserving rewrites each query's first answer has."""
    judge = work.teacher(track, TASK)
    state = json.loads(json.dumps(generator.prepare(work.corpus(TASK).train, judge), sort_keys=True))
    found = []
    for query in _queries(track):
        rewrites = generator.preserve(query, generator.answer(query, judge, state).first, judge, state)
        if not all(isinstance(text, str) for text in rewrites):
            raise TypeError("preserve must return strings")
        found.append(len(tuple(rewrites)))
    return found


# Tasks


def _rows_alone(file: Path, kind: str, tracks: Sequence[str]) -> Facts:  # noqa: ARG001 - one signature for all
    from cod_bench import origin
    from cod_bench.corpus import prepare

    known = _load(file, kind)
    if _usable(known):
        task = registry.load(kind, file.stem)
        known["identity"] = attempt(lambda: json.loads(canonical(task.identity())))
        known["rows"] = attempt(lambda: _counted(prepare(task) if task.read else origin.corpus(task.name)))
    return known


def _counted(corpus: Any) -> Facts:
    return {
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
        method = suites.suite(TASK).grids[0].methods[0]
        spec = RunSpec("last", tracks[0], file.stem, method, "standard", "", K, 0)
        known["record"] = attempt(lambda: dict(work.run_one(spec, {}).metrics))
        known["sources"] = attempt(lambda: [row.source for row in _training(spec).rows])
    return known


# Executors


def _import_alone(file: Path, kind: str, tracks: Sequence[str]) -> Facts:  # noqa: ARG001 - one signature for all
    return _load(file, kind)


def _executor(file: Path, kind: str, tracks: Sequence[str]) -> Facts:
    from cod_bench.jobs import Job, teacher_job
    from cod_bench.record import record_from_json

    known = _load(file, kind)
    if not _usable(known):
        return known
    spec = _specs(suites.suite(TASK).grids[0].methods[0], tracks[:1])[0]
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
