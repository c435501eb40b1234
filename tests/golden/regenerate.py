"""Seeded synthetic records -> the committed leaderboard beside this file: `python tests/golden/regenerate.py`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cod_bench.analysis import grids
from cod_bench.analysis.aggregate import References
from cod_bench.design import suites
from cod_bench.design.identity import run_ids
from cod_bench.design.suite import Block, Suite
from cod_bench.records import evaluate
from cod_bench.records.record import SCALE, SCHEMA, Record, Reference, quantise, rounded
from cod_bench.reports import leaderboard
from cod_bench.spec import RunSpec, digest, identity, needs_generator, stream

HERE = Path(__file__).parent
SUITE = Suite(
    name="tiny",
    title="Tiny synthetic suite",
    tracks=("minilm",),
    tasks=("rt_quotes", "brand_tweets"),
    seeds=(0, 1, 2, 3, 4),
    primary_k=(8, 16),
    blocks=(
        Block(("kd", "lwd"), ("standard", "cod", "random", "unvalidated"), (8, 16)),
        Block(("kd",), ("half",), (8, 16)),
        Block(("kd",), ("label-preserving",), (16,)),
    ),
    generator="substitution",
)
LIFT = {"cod": 0.05, "unvalidated": 0.02, "random": 0.0, "standard": 0.0, "label-preserving": 0.005, "half": -0.04}
Chance = Callable[[RunSpec], float]


def lifted(spec: RunSpec) -> float:
    """Expected accuracy of a synthetic run: rises with k and with the condition, differs between tasks and seeds."""
    luck = float(stream("luck", spec.task, spec.seed).normal(0, 0.02))
    base = {"rt_quotes": 0.62, "brand_tweets": 0.7}.get(spec.task, 0.65)
    return base + 0.02 * np.log2(spec.k / 8) + luck + LIFT[spec.condition]


def reference(task: str, *, track: str = "minilm", rows: int = 100) -> Reference:
    """A balanced reference whose teacher is right on about nine rows in ten."""
    rng = stream("reference", task)
    gold = np.arange(rows) % 2
    p = np.where(rng.random(rows) < 0.9, gold, 1 - gold) * 0.8 + 0.1
    teacher = "".join(str(int(v > 0.5)) for v in p)
    return Reference(
        schema=SCHEMA,
        track=track,
        task=task,
        teacher_hash=digest(["teacher", task]),
        eval_hash=digest(["rows", task, rows]),
        classes=("negative", "positive"),
        row_ids=tuple(digest([task, i]) for i in range(rows)),
        gold="".join(map(str, gold)),
        teacher_predictions=teacher,
        teacher_probabilities=tuple(quantise(float(v)) for v in p),
        teacher_metrics={"accuracy": 0.9},
        teacher_cost={"seconds": 1.0},
    )


def record(spec: RunSpec, target: Reference, *, chance: Chance = lifted, environment: str = "cpu-a") -> Record:
    """A run that is right on each row with probability `chance(spec)`."""
    rng = stream("synthetic", *(str(getattr(spec, name)) for name in RunSpec.__slots__))
    gold = evaluate.digits(target.gold)
    right = rng.random(len(gold)) < chance(spec)
    confidence = rng.uniform(0.5, 1.0, len(gold))
    predicted = np.where(right, gold, 1 - gold)
    p = np.clip(np.round(np.where(predicted == 1, confidence, 1 - confidence) * SCALE), 1, SCALE - 1).astype(int)
    return from_predictions(spec, target, "".join(map(str, predicted)), [int(v) for v in p], environment=environment)


def from_predictions(
    spec: RunSpec, target: Reference, predictions: str, probabilities: list[int], *, environment: str = "cpu-a"
) -> Record:
    """A record with everything else filled in."""
    parts = identity(
        spec,
        task={"version": 1},
        track={"precision": "float32"},
        method={"version": 1},
        generator={"version": 1} if needs_generator(spec.condition) else None,
    )
    slots = spec.k // 2
    cfe = {
        "slots": slots,
        "valid": slots - (spec.seed == 1) * (1 if spec.task == "rt_quotes" else slots // 2),
        "first_flips": slots // 2,
        "edit_fraction": 0.08,
        "margin_before": -0.7,
        "margin_after": 0.4,
        "redraws": 1,
        "exhausted": 0,
        "refused": 0,
    }
    return Record(
        schema=SCHEMA,
        run_id=digest(parts),
        spec=spec,
        identity=parts,
        metrics=rounded(evaluate.metrics(predictions, probabilities, target)),
        history={"loss": [1.0, 0.5]},
        predictions=predictions,
        probabilities=tuple(probabilities),
        reference=f"{spec.task}-{target.teacher_hash}",
        eval_hash=target.eval_hash,
        train_hash=digest(["pool", spec.task]),
        teacher_hash=target.teacher_hash,
        rows={"ids": []},
        cfe=cfe if needs_generator(spec.condition) else None,
        cost={"seconds": 1.0},
        provenance={"environment": environment},
    )


def references(
    tasks: Iterable[str], *, track: str = "minilm", rows: int = 100
) -> dict[tuple[str, str, str], Reference]:
    """References by their key."""
    made = [reference(task, track=track, rows=rows) for task in tasks]
    return {(r.track, r.task, r.teacher_hash): r for r in made}


def records(
    suite: Suite, *, track: str = "minilm", protocol: str = "last", rows: int = 100, chance: Chance = lifted
) -> list[Record]:
    """Every run of a suite."""
    targets = {task: reference(task, track=track, rows=rows) for task in suite.tasks}
    return [record(spec, targets[spec.task], chance=chance) for spec in suite.expand(track=track, protocol=protocol)]


def expected(made: Iterable[Record]) -> dict[RunSpec, str]:
    """The run ids as current code would give them: those of the records themselves."""
    return {r.spec: r.run_id for r in made}


def render(*, figures: bool = True) -> dict[str, str]:
    """The golden leaderboard's files: a complete suite and one of which only seed 0 is there."""
    made = records(SUITE)
    partial = Suite("partial", "Partial suite", ("toy",), ("toy",), (0, 1), (8,), SUITE.blocks[:1], "substitution")
    some = [r for r in records(partial, track="toy") if r.spec.seed == 0]
    everything = references(SUITE.tasks) | references(partial.tasks, track="toy")
    return leaderboard.render(found([SUITE, partial], made + some, everything), figures=figures)


def found(suites: Sequence[Suite], made: Sequence[Record], references: References, **kwargs: Any) -> list[Any]:
    """Each suite with its sections, as `render` takes them."""
    kwargs = {"expected": expected(made), "conditions_about": grids.conditions_about(SUITE)} | kwargs
    return [(s, grids.sections(s, records=made, references=references, **kwargs)) for s in suites]


def pinned_ids() -> dict[str, str]:
    """Digest of all run ids of each (suite, track, protocol, condition) that is declared."""
    found: dict[str, list[list[str]]] = {}
    for suite in suites.SUITES.values():
        for track in suite.tracks:
            for spec, run in run_ids(suite.expand(track=track)).items():
                key = f"{suite.name} {track} {spec.protocol} {spec.condition}"
                found.setdefault(key, []).append([spec.label, run])
    return {key: digest(sorted(runs)) for key, runs in sorted(found.items())}


def main() -> None:
    """Write the text files; figures depend on matplotlib's version and are not committed."""
    (HERE / "run_ids.json").write_text(json.dumps(pinned_ids(), indent=1) + "\n")
    leaderboard.write(HERE, {name: text for name, text in render(figures=False).items() if not name.endswith(".svg")})


if __name__ == "__main__":
    main()
