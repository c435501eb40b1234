"""Records and references -> the runs of one (suite, protocol, track), checked and complete or not -> cells. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cod_bench.analysis import stats
from cod_bench.analysis.mixtures import refuse_mixtures
from cod_bench.condition import version_of
from cod_bench.design.suite import Suite
from cod_bench.design.suites import in_order
from cod_bench.errors import UsageError
from cod_bench.records import evaluate
from cod_bench.records.declarations import Declared
from cod_bench.records.record import Record, Reference
from cod_bench.spec import RunSpec

TOLERANCE = 1e-6
"""Records hold metrics at six digits; a larger difference to the recomputed value is an error."""
METRICS = ("accuracy", "mcc", "macro_f1", "auroc", "agreement", "kl", "ece", "top_share", "matched")
"""Of a run, as tables show them; `matched` is computed on reading, from old records and new ones alike."""
References = Mapping[tuple[str, str, str], Reference]


@dataclass(frozen=True, slots=True)
class Run:
    """A counted run: its record, its metrics as tables show them, and which evaluation rows it got right."""

    record: Record
    metrics: Mapping[str, float | bool]
    """`METRICS` and `collapsed`; the latter as `evaluate.collapsed` tells it, which is not what the record stores."""
    correct: NDArray[np.int8]
    """0/1 [rows]."""
    matched: NDArray[np.float32]
    """The same with the threshold at the evaluation prior, a fraction where p is tied at the cut [rows]."""


@dataclass(frozen=True, slots=True)
class Stale:
    """A record that belongs to the suite by name but is not counted, and why."""

    spec: RunSpec
    run_id: str
    reason: str
    revised: bool = False
    """Whether it is of an earlier version of its condition."""


@dataclass(frozen=True, slots=True)
class About:
    """What tables need to know of a task besides its records."""

    metric: str = "accuracy"
    """What the task's own table is ranked by; means over tasks are of accuracy."""
    ranked: bool = True


@dataclass(frozen=True, slots=True)
class AboutCondition:
    """What tables need to know of a condition besides its records."""

    meaning: str
    equal_k: bool = True
    """Whether it trains on at most k labelled rows and on nothing else."""
    version: int = 1
    text: str = "cfe"
    """The text of a pool entry that its figures are of."""


@dataclass(frozen=True, slots=True)
class Grid:
    """What a suite declares on one (protocol, track), and what is there. Nothing is ever imputed."""

    suite: Suite
    protocol: str
    track: str
    declared: tuple[RunSpec, ...]
    runs: Mapping[RunSpec, Run]
    missing: tuple[RunSpec, ...]
    stale: tuple[Stale, ...]
    teachers: Mapping[str, float]
    """Task -> accuracy of its teacher on the evaluation rows; the mean where a suite crosses several."""
    each_teacher: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """(task, track with one of its teachers) -> that teacher's accuracy."""
    majority: Mapping[str, float] = field(default_factory=dict)
    """Task -> share of the larger class among its evaluation rows."""
    about: Mapping[str, About] = field(default_factory=dict)
    """By task; accuracy and ranked where it is not told."""
    conditions_about: Mapping[str, AboutCondition] = field(default_factory=dict)
    """By condition; nothing is said of those that it lacks."""
    excluded: Mapping[str, str] = field(default_factory=dict)
    """Method -> why it cannot run on this track; its runs are not declared, and tables say so in their place."""
    states: Mapping[str, str] = field(default_factory=dict)
    """Method -> whether its records are submitted or have been re-run; what nobody told counts as submitted."""
    declared_as: Declared | None = None
    """What a declaration says of it; None where there is none, or nobody looked."""
    by_cell: Mapping[tuple[str, str, str, int], list[Run]] = field(init=False, repr=False, compare=False)
    """(task, method, condition, k) -> its runs in the order of `runs`: the suite's, seeds within teachers."""

    def __post_init__(self) -> None:
        found: dict[tuple[str, str, str, int], list[Run]] = {}
        for spec, run in self.runs.items():
            found.setdefault((spec.task, spec.method, spec.condition, spec.k), []).append(run)
        object.__setattr__(self, "by_cell", found)

    @property
    def complete(self) -> bool:
        """Whether every declared run is counted; before that there is no p, interval or claim."""
        return not self.missing

    @property
    def units(self) -> int:
        """Declared units, which are (task, seed)."""
        return len(self.suite.tasks) * len(self.suite.seeds)

    @property
    def tested(self) -> bool:
        """Whether it has intervals, p and verdicts: every declared run is there, and units enough."""
        return self.complete and self.units >= stats.FEWEST

    @property
    def on_teachers(self) -> tuple[str, ...]:
        """The names of its track with each of its teachers; one name where there is one."""
        return self.suite.on_teachers(self.track)

    @property
    def crossed(self) -> bool:
        """Whether every run is made with several teachers, so that a unit is averaged over them."""
        return len(self.on_teachers) > 1

    @property
    def methods(self) -> tuple[str, ...]:
        """Declared methods in the suite's order, without those that cannot run on this track."""
        declared = dict.fromkeys(method for block in self.suite.blocks for method in block.methods)
        return tuple(method for method in declared if method not in self.excluded)

    @property
    def floors(self) -> tuple[str, ...]:
        """The methods that it is measured against, in the suite's order, without those that cannot run here."""
        declared = dict.fromkeys(method for block in self.suite.floors for method in block.methods)
        return tuple(method for method in declared if method not in self.excluded)

    @property
    def ks(self) -> tuple[int, ...]:
        """Declared budgets, ascending."""
        return tuple(sorted({k for block in self.suite.blocks for k in block.ks}))

    def conditions(self, method: str) -> tuple[str, ...]:
        """Conditions that the suite declares for a method, in the order of tables."""
        return in_order(c for block in self.suite.everything if method in block.methods for c in block.conditions)

    @property
    def shown(self) -> tuple[str, ...]:
        """The conditions of all its methods, in the order of tables."""
        return in_order(condition for method in self.methods for condition in self.conditions(method))

    def generated(self, condition: str) -> bool:
        """Whether a condition's runs depend on the generator."""
        return any(spec.generator for spec in self.declared if spec.condition == condition)

    def ks_of(self, method: str, *conditions: str) -> tuple[int, ...]:
        """Budgets that the suite declares for every one of these conditions of a method, ceilings left out."""
        blocks = [block for block in self.suite.everything if method in block.methods]
        found = [{k for block in blocks if condition in block.conditions for k in block.ks} for condition in conditions]
        return tuple(k for k in self.ks if all(k in ks for ks in found))

    def primary(self, method: str, *conditions: str) -> tuple[int, ...]:
        """The suite's primary budgets among `ks_of`."""
        return tuple(k for k in self.ks_of(method, *conditions) if k in self.suite.primary_k)

    def cell(self, task: str, method: str, condition: str, k: int) -> list[Run]:
        """The counted runs of one cell, of all its teachers and seeds in the suite's order; may be short or empty."""
        return list(self.by_cell.get((task, method, condition, k), ()))


def collect(
    suite: Suite,
    *,
    protocol: str,
    track: str,
    records: Iterable[Record],
    references: References,
    expected: Mapping[RunSpec, str],
    about: Mapping[str, About] | None = None,
    conditions_about: Mapping[str, AboutCondition] | None = None,
    excluded: Mapping[str, str] | None = None,
) -> Grid:
    """The suite's runs on one (protocol, track).

    Args:
        records: any records; those of other runs are ignored.
        references: by (track, task, teacher hash), as `Results.references` gives them.
        expected: the run id that the current code gives each spec; another id makes a record stale.
        about: by task; accuracy and ranked where it is not told.
        conditions_about: by condition; the first version and a counterfactual where it is not told.
        excluded: method -> why it cannot run on this track.

    Raises:
        UsageError: two records of one run, a missing or unfit reference, a stored metric that its predictions do not
            give, or two runs of a pair from different teachers, data, versions or environments.
    """
    out, conditions = excluded or {}, conditions_about or {}
    declared = tuple(spec for spec in suite.expand(track=track, protocol=protocol) if spec.method not in out)
    wanted = set(declared)
    counted: dict[RunSpec, Record] = {}
    stale = []
    for record in sorted((r for r in records if r.spec in wanted), key=lambda r: (r.spec, r.run_id)):
        if expected.get(record.spec) == record.run_id:
            if record.spec in counted:
                raise UsageError(f"record {record.run_id} ({record.spec.label}) is given twice; name each folder once")
            counted[record.spec] = record
        else:
            told = conditions.get(record.spec.condition, AboutCondition(""))
            earlier = version_of(record.identity) < told.version
            reason = _stale_reason(record, expected.get(record.spec), told)
            stale.append(Stale(record.spec, record.run_id, reason, earlier))
    refuse_mixtures(counted[spec] for spec in declared if spec in counted)
    runs = _runs({spec: counted[spec] for spec in declared if spec in counted}, references)
    missing = tuple(spec for spec in declared if spec not in runs)
    known: dict[str, dict[str, Reference]] = {}
    for spec, run in runs.items():
        known.setdefault(spec.task, {})[spec.track] = references[spec.track, spec.task, run.record.teacher_hash]
    each = {
        (task, named): float(np.mean(evaluate.digits(r.gold) == evaluate.digits(r.teacher_predictions)))
        for task, own in known.items()
        for named, r in own.items()
    }
    teachers = {task: float(np.mean([each[task, named] for named in own])) for task, own in known.items()}
    golds = {task: next(iter(own.values())).gold for task, own in known.items()}
    majority = {task: float(evaluate.top_share(evaluate.digits(gold)[None], 2)[0]) for task, gold in golds.items()}
    return Grid(
        suite, protocol, track, declared, runs, missing, tuple(stale), teachers, each, majority, about or {},
        conditions, out,
    )  # fmt: skip


_checked: dict[int, tuple[Record, Reference, Run]] = {}
"""Runs computed before, by `id` of their record: suites share records, and so do a leaderboard and a page."""


def _runs(records: Mapping[RunSpec, Record], references: References) -> dict[RunSpec, Run]:
    """The runs of these records in their order, metrics recomputed and compared.

    Raises:
        UsageError: the first record that is unfit.
    """
    found: dict[RunSpec, Run] = {}
    waiting: dict[int, tuple[Reference, list[Record]]] = {}
    for record in records.values():
        reference = _reference(record, references)
        known = _checked.get(id(record))
        if known is None or known[0] is not record or known[1] is not reference:
            waiting.setdefault(id(reference), (reference, []))[1].append(record)
    for reference, own in waiting.values():
        made = evaluate.metrics_of([(r.predictions, r.probabilities) for r in own], reference)
        for record, of in zip(own, made, strict=True):
            _refuse_other_metrics(record, of.stored)
            _checked[id(record)] = record, reference, Run(record, of.stored | of.read, of.correct, of.matched)
    for spec, record in records.items():
        found[spec] = _checked[id(record)][2]
    return found


def _reference(record: Record, references: References) -> Reference:
    """The reference file that a record rests on."""
    spec = record.spec
    name = f"{spec.task}-{record.teacher_hash}"
    reference = references.get((spec.track, spec.task, record.teacher_hash))
    if reference is None or record.reference != name:
        raise UsageError(
            f"record {record.run_id} ({spec.label}) rests on reference {record.reference!r}, found "
            f"{'none for its teacher' if reference is None else repr(name)}; copy the _reference folder along"
        )
    if reference.eval_hash != record.eval_hash:
        raise UsageError(
            f"eval_hash: {record.eval_hash!r} in record {record.run_id} ({spec.label}), {reference.eval_hash!r} in its "
            "reference file; run it again"
        )
    return reference


def _refuse_other_metrics(record: Record, found: Mapping[str, float | bool]) -> None:
    for key in sorted(found.keys() | record.metrics.keys()):
        stored, value = record.metrics.get(key), found.get(key)
        if stored is None or value is None or not abs(float(stored) - float(value)) <= TOLERANCE:
            raise UsageError(
                f"metrics.{key}: record {record.run_id} ({record.spec.label}) says {stored!r}, its predictions give "
                f"{value!r}; one of the two was changed: delete the file with {record.run_id} in its name and run again"
            )


def _stale_reason(record: Record, expected: str | None, told: AboutCondition) -> str:
    if expected is None:
        return "the current code does not know this run"
    version = version_of(record.identity)
    if version < told.version:
        return f"version {version} of condition {record.spec.condition}; version {told.version} counts: run {expected}"
    return f"made by other code or settings: the current code expects run {expected}"


def cells(grid: Grid) -> list[dict[str, Any]]:
    """One entry a declared cell (task, method, condition, k): n, means and spread over its runs, which are of all seeds
    and teachers; None where no run is."""
    names = (*METRICS, "collapsed")
    declared = Counter((spec.task, spec.method, spec.condition, spec.k) for spec in grid.declared)
    found = []
    for task, method, condition, k in _cell_keys(grid):
        runs = grid.by_cell.get((task, method, condition, k), ())
        n = len(runs)
        entry: dict[str, Any] = {"task": task, "method": method, "condition": condition, "k": k}
        entry |= {"n": n, "declared": declared[task, method, condition, k]}
        values = np.array([[run.metrics[name] for run in runs] for name in names], dtype=np.float64)
        means = values.mean(axis=1).tolist() if n else [None] * len(names)
        entry |= dict(zip(METRICS, means, strict=False))
        entry["accuracy_sd"] = float(values[0].std(ddof=1)) if n > 1 else None
        entry["collapsed_share"] = means[-1]
        found.append(entry)
    return found


def _cell_keys(grid: Grid) -> Iterator[tuple[str, str, str, int]]:
    for task in grid.suite.tasks:
        for method in (*grid.methods, *grid.floors):
            for condition in grid.conditions(method):
                for k in grid.ks_of(method, condition) or (0,):
                    yield task, method, condition, k


def by_seed(runs: Iterable[Run], metric: str = "accuracy") -> NDArray[np.float64]:
    """A metric of one cell's runs by seed, averaged over teachers: what intervals over units are made of [seeds]."""
    found: dict[int, list[float]] = {}
    for run in runs:
        found.setdefault(run.record.spec.seed, []).append(float(run.metrics[metric]))
    return np.array([np.mean(values) for values in found.values()], dtype=np.float64)


def mean_accuracy(grid: Grid, method: str, condition: str, ks: Sequence[int]) -> tuple[float | None, int]:
    """`mean_of` accuracy."""
    return mean_of(grid, "accuracy", method, condition, ks)


def mean_of(grid: Grid, metric: str, method: str, condition: str, ks: Sequence[int]) -> tuple[float | None, int]:
    """Mean over tasks of the mean over seeds, teachers and ks, and the number of runs; None while a task has no run at
    some k."""
    parts, n = [], 0
    for task in grid.suite.tasks:
        per_k = [[float(r.metrics[metric]) for r in grid.cell(task, method, condition, k)] for k in ks]
        n += sum(len(values) for values in per_k)
        parts.append(None if not all(per_k) else float(np.mean([np.mean(values) for values in per_k])))
    known = [part for part in parts if part is not None]
    return (float(np.mean(known)) if known and len(known) == len(parts) else None), n
