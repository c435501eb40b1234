"""Names and filters -> plans, runs and tables of records: the verbs of the command line for Python. Prints nothing.

A filter takes one value or several: `method="kd"`, `k=(8, 16)`, `seed=range(3)`; left out, it takes everything.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing import current_process
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING

from cod_bench import registry
from cod_bench.data import origin
from cod_bench.design.filters import Filters, parts
from cod_bench.design.suite import Suite
from cod_bench.design.suites import DEFAULT_SUITE
from cod_bench.errors import RunError, UsageError
from cod_bench.executor import Outcome
from cod_bench.records.results import results_folder
from cod_bench.runner import plan as plans
from cod_bench.runner import run as runs
from cod_bench.runner.plan import Plan
from cod_bench.runner.run import Listener, Tally
from cod_bench.spec import RunSpec

if TYPE_CHECKING:
    import pandas as pd

    from cod_bench.analysis.aggregate import Grid

log = logging.getLogger(__name__)

Names = str | Iterable[str]
Numbers = int | Iterable[int]

COLUMNS = ("family", "method", "condition", "over", "k", "points", "low", "high", "p", "holm", "n_units")
"""Of the table that `gains` returns."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a `run` has done; runs that were done before are in neither number."""

    done: int
    failed: int
    """Each left its reason in the results folder: `cod-bench status` tells it, `rerun="failed"` tries again."""
    blocked: int = 0
    """Not tried, since their teacher or counterfactuals were not had; the same call tries them again."""
    earlier: int = 0
    """Had failed before this call and were not asked for again."""


def plan(
    suite: str | Suite = DEFAULT_SUITE, *, results: str | Path = "runs", track: str = "", task: Names = (),
    method: Names = (), condition: Names = (), k: Numbers = (), seed: Numbers = (), generator: str = "",
    protocol: Names = (),
) -> Plan:  # fmt: skip
    """Which runs of a suite are done, missing and failed in a results folder. Starts nothing.

    Args:
        suite: its name, or a suite of your own.
        results: folder of records; it need not be there yet.
        track: instead of the first of the suite's that this machine supports.
        task, method, condition, k, seed, protocol: only these.
        generator: instead of the suite's own.

    Raises:
        UsageError: an unknown name (with the nearest one), or nothing is left.
    """
    filters = _filters(track, task, method, condition, k, seed, generator, protocol)
    (chosen, own), *others = parts(suite, filters)
    if others:
        names = ", ".join(one.name for one, _ in ((chosen, own), *others))
        raise UsageError(f"plan: these runs have tables of their own ({names}); plan each in a call of its own")
    return plans.make(chosen, own, results_folder(Path(results)))


def run(
    suite_or_runs: str | Suite | RunSpec | Iterable[RunSpec], *, results: str | Path = "runs", workers: int = 0,
    rerun: str = "", executor: str = "local", fail_fast: bool = False, timeout: float = 0.0,
    listen: Listener | None = None, track: str = "", task: Names = (), method: Names = (), condition: Names = (),
    k: Numbers = (), seed: Numbers = (), generator: str = "", protocol: Names = (),
) -> Ran:  # fmt: skip
    """Do what is missing, and return when it is done. Ctrl-C stops; the same call goes on.

    Workers are processes of their own that import the calling script first: in a script, call it under
    `if __name__ == "__main__":`. A notebook needs no such line.

    Args:
        suite_or_runs: a suite after the filters, by its name or as a value, or exactly these runs without any filter.
        results: folder of records; made if it is not there.
        workers: processes, one thread each; 0 for all cores.
        rerun: besides the missing runs: `failed`, `all` or `mismatched` (those of another teacher).
        executor: how jobs are spread.
        fail_fast: raise at the first failed run.
        timeout: seconds after which a run counts as hanging; 0 for ten times the longest of its kind, at least 600.
        listen: called after every job with its outcome and the tally so far.
        track, task, method, condition, k, seed, generator, protocol: as `plan` takes them.

    Raises:
        UsageError: a mistake in what is asked for, another `run` at work in the folder, or no `__main__` guard.
        RunError: with `fail_fast`, the first failure; without, only what stops all runs.
    """
    # set while a new process imports the script: multiprocessing itself looks at it, but only after a run has begun
    if getattr(current_process(), "_inheriting", False):
        raise UsageError(
            'run: a worker process imports this script and comes upon the call again; put it under `if __name__ == "'
            '__main__":`'
        )
    if workers < 0:
        raise UsageError(f"workers={workers}: give a number of processes, or 0 for all cores")
    filters = _filters(track, task, method, condition, k, seed, generator, protocol)
    folder = results_folder(Path(results))
    first: list[str] = []

    def tell(outcome: Outcome, tally: Tally) -> None:
        if outcome.error and not first:
            first.append(outcome.error)
        if listen is not None:
            listen(outcome, tally)

    if isinstance(suite_or_runs, str | Suite):
        tallies = [
            runs.run_all(
                suite, own, folder, workers=workers, rerun=rerun, executor=executor, fail_fast=fail_fast,
                timeout=timeout, on_plan=lambda _plan, _tally: None, listen=tell, partial=lambda: None,
            )
            for suite, own in parts(suite_or_runs, filters)
        ]  # fmt: skip
    else:
        if filters != Filters():
            raise UsageError("run: runs that are named one by one take no filter; leave the filters out")
        tallies = [
            runs.run_these(
                _specs(suite_or_runs), folder, workers=workers, rerun=rerun, executor=executor, fail_fast=fail_fast,
                timeout=timeout, on_plan=lambda _plan, _tally: None, listen=tell,
            )
        ]  # fmt: skip
    if first and all(tally.blocked == tally.total for tally in tallies):
        died = "process" in first[0]  # as workers do that come upon the call again
        script = ' (in a script, call it under `if __name__ == "__main__":`)' if died else ""
        raise RunError(f"run: nothing could be tried: {first[0]}{script}")
    counts = ("done", "failed", "blocked", "earlier")
    return Ran(*(sum(getattr(tally, name) for tally in tallies) for name in counts))


def load(results: str | Path = "runs", suite: str | Suite = "", track: str = "", protocol: str = "") -> pd.DataFrame:
    """One row a counted run, floors and ceilings included, in tidy columns; docs/python.md has their table.

    Counted are runs that the installed code would make again: those of other settings have no row, and nothing is
    imputed. Corrupt files are logged as warnings.

    Columns: suite, kind (`student`, `floor` or `ceiling`), the run's coordinates (protocol, track, task, method,
    condition, generator, k, seed), run_id, teacher_hash, teacher_accuracy, metrics (shares of 1 where not told
    otherwise), what is known of its counterfactuals (`cfe_...`) and what it cost (NaN where it was not counted).

    Args:
        results: folder of records.
        suite: only its runs; if empty those of all suites, each run once under the first suite that has it, and then
            those that no suite declares, whose suite is empty.
        track, protocol: only these.

    Raises:
        UsageError: no such folder, suite, track or protocol, or records that cannot stand in one table.
    """
    from cod_bench.analysis import frame, grids
    from cod_bench.reports.figures import axes

    axes.known(track, protocol)
    folder = results_folder(Path(results), there=True)
    found = grids.named(suite, folder, track=track, protocol=protocol) if suite else grids.every(folder)
    for file in folder.scan()[1]:
        log.warning("not counted, corrupt: %s", file.line)
    chosen = [one for one in found if track in ("", one.track) and protocol in ("", one.protocol)]
    return frame.frame(chosen).drop_duplicates("run_id", ignore_index=True)


def grid(results: str | Path = "runs", suite: str | Suite = DEFAULT_SUITE, track: str = "", protocol: str = "") -> Grid:
    """What a suite declares on one (track, protocol) and what is there of it: what tables and figures are made of.

    It is read once and may be handed to `gains` and to every function of `cod_bench.figures`.

    Args:
        results: folder of records.
        suite: its name, or a suite of your own.
        track: the suite's main one if empty, or the one with most runs where that has none.
        protocol: the first with runs of `last`, `dev` and `paper` if empty.

    Raises:
        UsageError: an unknown name, no such folder, no run of the suite in it, or records that cannot be compared.
    """
    from cod_bench.reports.figures import axes

    return axes.read(results, suite, track, protocol)


def gains(
    results: str | Path | Grid = "runs", suite: str | Suite = DEFAULT_SUITE, track: str = "", protocol: str = "last", *,
    exploratory: bool = False,
) -> pd.DataFrame:  # fmt: skip
    """One row a declared comparison of two conditions under one method.

    Columns: family (what Holm runs over: `methods`, one of two families of conditions, or what the suite asks, with the
    measure in brackets where `points` are no difference in accuracy), method, condition, over (the condition it is set
    against), k (the budgets it is the mean over, such as "8, 16, 32"), points (accuracy points
    gained, mean over tasks and seeds), low and high (ends of the 95 % interval), p (sign-flip test), holm (p adjusted
    over the family; exploratory: over its budgets too) and n_units (pairs of task and seed that have both sides).
    Before every declared run is there, points, low, high, p and holm are NaN.

    Args:
        results: folder of records, or what `grid` read of one; then suite, track and protocol are those of the grid.
        suite: whose comparisons.
        track: as `grid` chooses if empty.
        protocol: one of `last`, `dev` and `paper`.
        exploratory: a row a budget instead of the mean over the primary ones; `k` is then a number.

    Raises:
        UsageError: an unknown name, no such folder, no run of the suite in it, or records that cannot be compared.
    """
    import pandas as pd

    from cod_bench.analysis import claims
    from cod_bench.analysis.aggregate import Grid

    found = results if isinstance(results, Grid) else grid(results, suite, track, protocol)
    rows = []
    for gain in claims.exploratory(found) if exploratory else claims.gains(found):
        effect = gain.effect
        shares = (None,) * 3 if effect is None else (effect.estimate, effect.low, effect.high)
        points = [None if share is None else 100 * share for share in shares]
        budgets = gain.ks[0] if exploratory else ", ".join(map(str, gain.ks))
        tested = (None if effect is None else effect.p, gain.holm, gain.pairs)
        rows.append((gain.family_told, gain.method, gain.condition, gain.over, budgets, *points, *tested))
    numbers = dict.fromkeys(("points", "low", "high", "p", "holm"), "float64")
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(numbers)


def use(*plugins: str | Path, data: str | Path | Iterable[str | Path] = ()) -> None:
    """Take plugin files and local data into use, in this process and in the workers it starts.

    Args:
        plugins: Python files with a task, method, condition, generator or executor, as `--plugin` takes them.
        data: folders with `<task>/train.*` and `test.*`, or `TASK=FOLDER`, as `--data` takes them; they replace those
            of an earlier call.

    Raises:
        UsageError: no such file or folder, or it is not what it should be.
    """
    for plugin in plugins:
        registry.add_plugin(Path(plugin))
    origin.choose([str(data)] if isinstance(data, str | Path) else [str(value) for value in data])


def _filters(
    track: str, task: Names, method: Names, condition: Names, k: Numbers, seed: Numbers, generator: str, protocol: Names
) -> Filters:
    return Filters(
        protocol=_words("protocol", protocol), track=track, task=_words("task", task),
        method=_words("method", method), condition=_words("condition", condition), k=_numbers("k", k),
        seed=_numbers("seed", seed), generator=generator,
    )  # fmt: skip


def _words(name: str, given: Names) -> tuple[str, ...]:
    found = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else [None]
    if not all(isinstance(value, str) for value in found):
        raise UsageError(f"{name}={given!r}: give names, such as {name}='a' or {name}=('a', 'b')")
    return tuple(dict.fromkeys(map(str, found)))


def _numbers(name: str, given: Numbers) -> tuple[int, ...]:
    try:
        found = [index(value) for value in given] if isinstance(given, Iterable) else [index(given)]
    except TypeError:
        raise UsageError(f"{name}={given!r}: give whole numbers, such as {name}=8 or {name}=(8, 16)") from None
    return tuple(dict.fromkeys(found))


def _specs(given: RunSpec | Iterable[RunSpec]) -> list[RunSpec]:
    found = [given] if isinstance(given, RunSpec) else list(given)
    for value in found:
        if not isinstance(value, RunSpec):
            raise UsageError(f"run: {value!r} is no run; name a suite, or give a list of RunSpec")
    return found
