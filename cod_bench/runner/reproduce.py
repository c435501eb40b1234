"""Records -> random cells re-run on this machine -> verdicts: how `submitted` becomes `reproduced`."""

from __future__ import annotations

import datetime as dt
import math
import secrets
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from cod_bench import registry
from cod_bench.condition import outdated
from cod_bench.design.identity import run_id
from cod_bench.errors import RunError, UsageError, unknown
from cod_bench.records import verdicts
from cod_bench.records.provenance import environment, provenance
from cod_bench.records.record import Record, record_from_json
from cod_bench.records.results import Results
from cod_bench.records.verdicts import Cell, Part, Verdict
from cod_bench.runner.jobs import jobs_for
from cod_bench.spec import RunSpec, stream
from cod_bench.store import usable_home, write_atomic

Listener = Callable[[RunSpec, Cell], None]


def sample(records: Sequence[Record], share: float, seed: int) -> list[Record]:
    """Random cells of one part's records: that share of them, at least one, in the order of runs."""
    own = sorted(records, key=lambda r: (r.spec, r.run_id))
    spec = own[0].spec
    order = stream("reproduce", spec.method, spec.task, spec.generator, seed).permutation(len(own))
    return [own[int(i)] for i in sorted(order[: max(1, math.ceil(share * len(own)))])]


def groups(records: Sequence[Record], methods: Sequence[str]) -> dict[Part, list[Record]]:
    """Records by part, of these methods or of all.

    Raises:
        UsageError: a method without a record, or that is not installed and whose file was not named.
    """
    found: dict[Part, list[Record]] = {}
    for record in records:
        if not methods or record.spec.method in methods:
            found.setdefault(verdicts.part(record.spec), []).append(record)
    there = {record.spec.method for own in found.values() for record in own}
    for method in methods:
        if method not in there:
            raise unknown("method with records", method, {record.spec.method for record in records})
    for method in sorted(there.difference(registry.names("baseline"))):
        raise UsageError(f"method {method!r}: is not installed here; read its file and name it by --plugin")
    return dict(sorted(found.items()))


def reproduce(
    results: Results,
    *,
    share: float,
    methods: Sequence[str] = (),
    seed: int | None = None,
    workers: int = 1,
    executor: str = "local",
    listen: Listener,
) -> list[Verdict]:
    """Re-run random cells of every method (or of those named), write what became of them, and return it.

    Nothing is written where a run fails. The seed of the sample is drawn anew unless given: a submission must not know
    which of its cells will be looked at.

    Raises:
        UsageError: no records, a record that other code made, or an unfit value.
        RunError: a run failed.
    """
    usable_home()
    if not 0 < share <= 1:
        raise UsageError(f"--sample {share}: choose a share above 0 and up to 1, such as 0.05")
    records, bad = results.scan()
    if bad:
        raise UsageError(f"record {bad[0].path} is corrupt ({bad[0].reason}); see `cod-bench check {results.root}`")
    records = [record for record in records if not outdated(record.spec.condition, record.identity)]
    if not records:
        raise UsageError(f"--results {results.root}: has no records to re-run, or only of earlier versions")
    drawn = secrets.randbits(32) if seed is None else seed
    own = groups(records, methods)
    chosen = {key: sample(found, share, drawn) for key, found in own.items()}
    for record in (record for found in chosen.values() for record in found):
        if run_id(record.spec) != record.run_id:
            raise UsageError(
                f"record {record.run_id} ({record.spec.label}): made by other code or settings, which give run "
                f"{run_id(record.spec)} here; check out the version that made it"
            )
    again = _run({r.spec: r for found in chosen.values() for r in found}, workers, executor, listen)
    today = dt.datetime.now(dt.UTC).date().isoformat()
    made = [
        Verdict(
            *part, verdicts.records_digest(own[part]), len(own[part]), verdicts.TOLERANCE, share, drawn, environment(),
            today, tuple(again[record.spec] for record in found),
        )
        for part, found in chosen.items()
    ]  # fmt: skip
    others = [v for v in results.verdicts() if v.part not in chosen]
    write_atomic(results.reproduced_path(), verdicts.to_json([*others, *made]))
    return made


def _run(stored: dict[RunSpec, Record], workers: int, executor: str, listen: Listener) -> dict[RunSpec, Cell]:
    execute = registry.load("executor", executor)
    jobs = jobs_for(list(stored), provenance())
    cells: dict[RunSpec, Cell] = {}
    with closing(execute(jobs, workers=workers, plugins=registry.plugin_files())) as outcomes:
        for outcome in outcomes:
            if outcome.result is None:
                raise (UsageError if outcome.usage else RunError)(f"{outcome.job.key}: {outcome.error}")
            if outcome.job.stage != "run":
                continue
            value: Any = outcome.result["record"]
            record = record_from_json(value)
            cells[record.spec] = verdicts.settle(stored[record.spec], record)
            listen(record.spec, cells[record.spec])
    return cells
