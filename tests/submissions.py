"""Folders of toy records with real identities, rows and reference files, whose students are drawn and not trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from cod_bench import registry
from cod_bench.analysis import grids
from cod_bench.condition import Partnered, condition
from cod_bench.data import origin
from cod_bench.design import suites
from cod_bench.design.identity import identify
from cod_bench.design.suite import Suite
from cod_bench.records import evaluate
from cod_bench.records.record import SCALE, Record, Reference
from cod_bench.records.results import Results
from cod_bench.spec import RunSpec, digest, stream
from tests.samples import sample_cfe, sample_cost, sample_record, sample_reference

PAIRS = {"pairs_sha256": "a" * 64}


def reference(teacher: str = "0123456789ab", *, track: str = "toy") -> Reference:
    """The toy task's rows with a drawn teacher."""
    rows = origin.corpus("toy").evaluation
    gold = [row.label for row in rows]
    p = [
        label if draw < 0.9 else 1 - label for label, draw in zip(gold, stream(teacher).random(len(gold)), strict=True)
    ]
    made = sample_reference(
        track=track, teacher_hash=teacher, eval_hash=origin.corpus("toy").eval_hash, row_ids=[row.id for row in rows],
        classes=list(origin.find("toy").classes), gold="".join(map(str, gold)),
        teacher_predictions="".join(map(str, p)), teacher_probabilities=[9000 if v else 1000 for v in p],
    )  # fmt: skip
    own = evaluate.metrics(made.teacher_predictions, made.teacher_probabilities, made)
    return replace(made, teacher_metrics={name: own[name] for name in ("accuracy", "auroc", "ece", "macro_f1", "mcc")})


def flips(name: str) -> bool:
    """Whether a condition's partners have another label than their originals."""
    known = condition(name)
    return isinstance(known, Partnered) and known.flips


def rows(spec: RunSpec) -> dict[str, Any]:
    """What a record says of its rows: the first that the seed draws, class by class in turn, and their partners."""
    train = origin.corpus(spec.task).train
    drawn = [train[place] for place in stream("draw", spec.task, spec.seed).permutation(len(train))]
    columns = [[row.id for row in drawn if row.label == label] for label in (0, 1)]
    found: list[tuple[str, int, str]] = []
    if condition(spec.condition).whole_pool:
        found = [(row.id, row.label, "p") for row in drawn]
    for slot in range(spec.k // 2):
        label, place = slot % 2, slot // 2
        found.append((columns[label][place], label, "o"))
        if spec.condition == "standard":
            found.append((columns[1 - label][spec.k // 4 + place], 1 - label, "p"))
        elif spec.condition != "half":
            found.append((columns[label][place], 1 - label if flips(spec.condition) else label, "p"))
    sources, labels, roles = (list(column) for column in zip(*found, strict=True))
    return {
        "hash": digest([spec.condition, spec.k, found]), "sources": sources, "labels": "".join(map(str, labels)),
        "balance": [labels.count(label) for label in sorted(set(labels))], "roles": "".join(map(str, roles)),
        "substituted": 0, "passed_over": 0,
    }  # fmt: skip


def record(
    spec: RunSpec,
    target: Reference,
    *,
    params: Mapping[str, Any] | None = None,
    method: Mapping[str, Any] | None = None,
) -> Record:
    """A run right on three rows of four, under the id that the installed code gives it.

    Args:
        params: what the generator got from its user.
        method: the identity of a method that is not installed.
    """
    known = spec if method is None else replace(spec, method="kd")
    asked = spec.generator and params is not None and grids.carries_data(spec)
    identity = identify(known, params=params if asked else None)
    if method is not None:
        identity["method"] = {"name": spec.method, **method}
    gold = evaluate.digits(target.gold)
    right = stream("student", *map(str, (spec.method, spec.condition, spec.generator, spec.seed))).random(len(gold))
    predicted = [int(g) if draw < 0.75 else 1 - int(g) for g, draw in zip(gold, right, strict=True)]
    sure = [int(SCALE * (0.7 + 0.2 * draw)) for draw in stream("sure", digest(identity)).random(len(gold))]
    probabilities = [p if v else SCALE - p for p, v in zip(sure, predicted, strict=True)]
    steps = int(identity["method"]["hparams"].get("steps", 2))
    digits = "".join(map(str, predicted))
    task = origin.find(spec.task)
    return sample_record(
        spec=spec, identity=identity, run_id=digest(identity), teacher_hash=target.teacher_hash, predictions=digits,
        probabilities=probabilities, metrics=dict(evaluate.metrics(digits, probabilities, target)),
        reference=f"{spec.task}-{target.teacher_hash}", eval_hash=target.eval_hash, train_hash=task.pool_sha256[:12],
        rows=rows(spec), cfe=sample_cfe(slots=spec.k // 2, valid=spec.k // 2) if spec.generator else None,
        cost=sample_cost(steps=float(steps)), history={"loss": [float(v) for v in right[:steps]]},
        provenance={"git": None, "date": "2026-01-01", "cod_bench": "0.1.0", "environment": {"machine": "one"}},
    )  # fmt: skip


def write(results: Results, suite: Suite, target: Reference, **kwargs: Any) -> list[Record]:
    """All records of a suite on the toy track that are not there yet, and the reference file."""
    made = [record(spec, target, **kwargs) for spec in _missing(results, suite)]
    for one in made:
        results.write(one)
    results.write_reference(target)
    return made


def many_sources(results: Results) -> None:
    """What one folder may hold: the suite, human pairs under `replay`, and a submission by another teacher."""
    toy, teacher = suites.suite("toy"), reference()
    write(results, toy, teacher)
    write(results, toy.variant(generator="replay"), teacher, params=PAIRS)
    method = None if "mine" in registry.names("baseline") else {"version": 1, "hparams": {"steps": 2}}
    write(results, toy.variant(submitted=("mine",)), reference("fedcba987654"), method=method)


def _missing(results: Results, suite: Suite) -> Iterable[RunSpec]:
    there = {one.spec for one in results.scan()[0]}
    return [spec for spec in suite.expand(track="toy") if spec not in there]
