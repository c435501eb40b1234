"""A record -> the same run done again here -> where the two part: rows, teacher, pool, training, evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cod_bench import registry
from cod_bench.data import origin
from cod_bench.design.identity import identify
from cod_bench.errors import RunError, UsageError
from cod_bench.records.provenance import environment, provenance
from cod_bench.records.record import LARGEST_FILE, Record, record_from_json
from cod_bench.records.results import UNREADABLE
from cod_bench.records.verdicts import TOLERANCE
from cod_bench.runner.jobs import jobs_for
from cod_bench.spec import digest
from cod_bench.store import read_text, usable_home


@dataclass(frozen=True, slots=True)
class Stage:
    """What a run rests on or gives, in the order in which it is made."""

    name: str
    state: Literal["same", "departs", "not told"]
    told: str = ""


def read(path: Path) -> Record:
    """The record in a file.

    Raises:
        UsageError: it is not there or is none.
    """
    if path.is_dir():
        raise UsageError(f"verify {path}: is a folder; name the file of one record in it")
    try:
        return record_from_json(read_text(path, LARGEST_FILE))
    except UNREADABLE as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"verify {path}: is no record ({why}); name a file of a results folder") from error


def again(record: Record, *, executor: str = "local", listen: Callable[[str], None] = lambda _: None) -> Record:
    """The same run, done here and now.

    Raises:
        UsageError: the installed code gives the run another identity, or its task's rows are not at hand.
        RunError: the run failed.
    """
    usable_home()
    found = identify(record.spec)
    if digest(found) != record.run_id:
        off = sorted(name for name in {*found, *record.identity} if found.get(name) != record.identity.get(name))
        raise UsageError(
            f"record {record.run_id} ({record.spec.label}): made by other code or settings ({', '.join(off) or 'run'} "
            "is another one here); check out the version that made it"
        )
    origin.ready([record.spec.task])
    execute = registry.load("executor", executor)
    with closing(
        execute(jobs_for([record.spec], provenance()), workers=1, plugins=registry.plugin_files())
    ) as outcomes:
        for outcome in outcomes:
            if outcome.result is None:
                raise (UsageError if outcome.usage else RunError)(f"{outcome.job.key}: {outcome.error}")
            listen(outcome.job.stage)
            if outcome.job.stage == "run":
                value: Any = outcome.result["record"]
                return record_from_json(value)
    raise RunError(f"{record.spec.label}: the executor {executor!r} did not do it; try --executor local")


def compare(stored: Record, made: Record) -> list[Stage]:
    """Stage by stage, whether two records of one run say the same. Pure."""
    here = environment() if made.provenance.get("environment") is None else made.provenance["environment"]
    return [
        _environment(stored.provenance.get("environment") or {}, here),
        _hashes("rows of the task", (stored.train_hash, stored.eval_hash), (made.train_hash, made.eval_hash)),
        _teacher(stored, made),
        _pool(stored, made),
        _hashes("training rows", *(_rows(record) for record in (stored, made))),
        _training(stored.history, made.history),
        _evaluation(stored, made),
    ]


def _environment(told: Mapping[str, str], here: Mapping[str, str]) -> Stage:
    off = [f"{name} {told.get(name)!r}, here {here.get(name)!r}" for name in here if told.get(name) != here[name]]
    return Stage("environment", "departs" if off else "same", "; ".join(off))


def _hashes(name: str, stored: tuple[Any, ...], made: tuple[Any, ...]) -> Stage:
    off = [f"{a} in the record, {b} here" for a, b in zip(stored, made, strict=True) if a != b]
    return Stage(name, "departs" if off else "same", "; ".join(off))


def _rows(record: Record) -> tuple[Any, ...]:
    return record.rows.get("hash"), record.rows.get("passed_over"), record.rows.get("substituted")


def _teacher(stored: Record, made: Record) -> Stage:
    if stored.teacher_hash != made.teacher_hash:
        return Stage("teacher", "departs", f"weights {stored.teacher_hash} in the record, {made.teacher_hash} here")
    told, here = ((record.rests_on or {}).get("teacher") for record in (stored, made))
    if told is not None and told != here:
        return Stage("teacher", "departs", "the weights are the same and its answers on the evaluation rows are not")
    return Stage("teacher", "same", stored.teacher_hash)


def _pool(stored: Record, made: Record) -> Stage:
    name = "counterfactuals"
    if made.cfe is None:
        return Stage(name, "same", "none")
    told, here = ((record.rests_on or {}).get("pool") for record in (stored, made))
    if not isinstance(told, Mapping) or not isinstance(here, Mapping):
        same = stored.cfe == made.cfe
        return Stage(name, "not told" if same else "departs", "the record is older than digests of counterfactuals")
    off = sorted(block for block in {*told, *here} if told.get(block) != here.get(block))
    return Stage(name, "departs" if off else "same", f"{', '.join(off)}" if off else f"{len(here)} files")


def _training(stored: Mapping[str, Sequence[float]], made: Mapping[str, Sequence[float]]) -> Stage:
    for part in sorted({*stored, *made}, key=lambda part: part != "loss"):
        told, here = stored.get(part, ()), made.get(part, ())
        if len(told) != len(here):
            return Stage("training", "departs", f"{part}: {len(told)} values in the record, {len(here)} here")
        step = next((i for i, (a, b) in enumerate(zip(told, here, strict=True)) if a != b), None)
        if step is not None:
            return Stage("training", "departs", f"{part} at step {step}: {told[step]} in the record, {here[step]} here")
    return Stage("training", "same", f"{len(made.get('loss', ()))} steps")


def _evaluation(stored: Record, made: Record) -> Stage:
    rows = len(made.predictions)
    if len(stored.predictions) != rows:
        return Stage("evaluation", "departs", f"{len(stored.predictions)} rows in the record, {rows} here")
    alike = sum(a == b for a, b in zip(stored.predictions, made.predictions, strict=True))
    if stored.predictions == made.predictions and list(stored.probabilities) == list(made.probabilities):
        return Stage("evaluation", "same", f"{rows} rows")
    far = max(abs(a - b) for a, b in zip(stored.probabilities, made.probabilities, strict=True))
    verdict = "one result" if alike >= TOLERANCE * rows else "another result"
    return Stage(
        "evaluation", "departs",
        f"the same class on {alike} of {rows} rows, probabilities up to {far / 10_000:.4f} apart: {verdict}",
    )  # fmt: skip
