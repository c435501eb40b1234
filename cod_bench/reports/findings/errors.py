"""Runs of several tracks -> which of their teacher's errors students repeat, and the worst group. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from cod_bench.analysis.aggregate import Grid, References, Run
from cod_bench.records import evaluate
from cod_bench.records.evaluate import digits
from cod_bench.track import of_teacher

PLACE = ("track", "task", "method", "condition", "k", "seed")


def rows(grids: Sequence[Grid], references: References) -> list[dict[str, object]]:
    """A row a run of a suite on several tracks, and of a task whose rows have strata.

    Columns: the run's coordinates; `errors`, how many evaluation rows its teacher gets wrong; `repeated`, the share of
    them on which the student says what its teacher says; `clean`, the same share of the same rows and answers for the
    student of the suite's first track with the same task, method, condition, k, seed and teacher's seed, NULL where
    there is none or it is that one; `worst`, accuracy in the worst group of class and stratum, NULL without strata.
    """
    found = []
    for suite in dict.fromkeys(grid.suite.name for grid in grids):
        own = [grid for grid in grids if grid.suite.name == suite]
        first = next((grid for grid in own if grid.track == grid.suite.tracks[0]), None)
        clean = {} if first is None else {_place(run): run for run in first.runs.values()}
        for grid in own:
            for run in grid.runs.values():
                record = run.record
                reference = references[record.spec.track, record.spec.task, record.teacher_hash]
                if len(own) == 1 and not reference.strata:
                    continue
                other = None if grid is first else clean.get(_place(run))
                found.append(
                    {"suite": suite}
                    | {
                        name: getattr(record.spec, name)
                        for name in ("track", "task", "method", "condition", "k", "seed")
                    }
                    | _repeated(run, other, reference.gold, reference.teacher_predictions)
                    | {"worst": evaluate.worst_group(record.predictions, reference) if reference.strata else None}
                )
    return found


def _place(run: Run) -> tuple[str | int, ...]:
    """What a run shares with that of another teacher: all but the track's name; other evaluation rows are others."""
    spec = run.record.spec
    return (
        of_teacher(spec.track)[1],
        spec.protocol,
        spec.task,
        spec.method,
        spec.condition,
        spec.k,
        spec.seed,
        run.record.eval_hash,
    )


def _repeated(run: Run, clean: Run | None, gold: str, taught: str) -> dict[str, object]:
    said = digits(taught)
    wrong = said != digits(gold)
    if not wrong.any():
        return {"errors": 0, "repeated": None, "clean": None}
    return {
        "errors": int(wrong.sum()),
        "repeated": float((digits(run.record.predictions) == said)[wrong].mean()),
        "clean": None if clean is None else float((digits(clean.record.predictions) == said)[wrong].mean()),
    }
