"""A suite on one (track, protocol) -> its declaration; a declaration and a grid's records -> whether it was kept. Pure.

What is declared is computed from the installed code, as tables compute it: the run ids, the comparisons and, in words,
the rules that they follow. Whoever changes any of it afterwards departs from the declaration, and the grid says so: as
far as names, versions, numbers and hashes tell, for nothing here can tell whether code does what its rule says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from cod_bench import registry
from cod_bench.analysis import claims, stats
from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.grids import carries_data, ids_that_count, params
from cod_bench.condition import condition
from cod_bench.design import suites, tracks
from cod_bench.design.identity import excluded, identify, run_ids
from cod_bench.design.suite import Suite
from cod_bench.errors import UsageError
from cod_bench.records.declarations import SCHEMA, Committed, Declaration, Declared, is_date
from cod_bench.records.evaluate import LEANING
from cod_bench.records.fields import key, short
from cod_bench.records.record import Record
from cod_bench.spec import RunSpec, base_name, digest

RULES: Mapping[str, str] = {
    "unit": "a (task, seed), averaged over the primary k that both sides have",
    "estimand": "mean over tasks of the mean over seeds of the paired difference in accuracy, one condition minus the "
    "other, on the task's evaluation rows",
    "test": f"sign-flip of whole units, two-sided: every pattern up to {stats.EXACT_UNITS} units, else "
    f"{stats.DRAWS:,} drawn ones and (b + 1) / (m + 1); its null is that the two sides of a unit are exchangeable",
    "interval": "95 %: t over units, stratified by task, and the normal one over evaluation rows, added in squares",
    "shown": f"Holm p at most {claims.ALPHA}, every estimate positive, and the 95 % interval above 0",
    "reversed": f"Holm p at most {claims.ALPHA}, every estimate negative, and the 95 % interval below 0; what is "
    "neither is not shown, which does not say that there is no difference",
    "matched": "the same comparison with each run's threshold at the evaluation rows' share of its class is told "
    "beside it, and so is agreement with the teacher; no verdict follows from either",
    "collapsed": "runs whose most predicted class exceeds that class's gold share by more than "
    f"{LEANING[0] / LEANING[1]:.0%} of the rows are counted; they stay in every mean",
    "floors": "methods and ceilings beside the grid are compared with an interval and in no family",
    "budgets": "single budgets and whatever is not in a family are exploratory",
    "developed": "tasks on whose evaluation rows generator, recipe or track were settled: what is shown holds for new "
    "seeds of these tasks, and confirms nothing of other corpora",
    "methods": "where there are several methods, the claim is of their mean; each of them alone is its robustness",
    "whole": "no p, interval or claim before every run is there; none is imputed",
    "teachers": "one fine-tuned teacher a task: how results vary from teacher to teacher is in no interval",
}
"""As they are declared. To change a word is to change the rule: every earlier declaration then departs from it."""
CROSSED = (
    "several fine-tuned teachers a task, crossed with the seeds; a unit is averaged over them, and how results vary "
    "from teacher to teacher is told beside and is in no interval"
)
"""In place of the rule of teachers where a suite has several."""
NAMED = "each method has the comparisons that are named for it; none is of their mean"
"""In place of the rule of methods where a suite names its comparisons."""
MEASURES: Mapping[str, str] = {
    "matched": "where a comparison says so, its difference is in matched accuracy",
    "trend": "where a comparison says so, a unit is the slope of its gains over log2 k by least squares, times -1: how "
    "much the gain falls each time k doubles; its null is that slopes are symmetric about 0",
    "equivalence": f"where a comparison says so, p is that of two one-sided tests that the mean lies within "
    f"{claims.MARGIN:.0%} of the rows: the 90 % interval, made as the 95 % one, lies within the margin",
}
"""What is declared besides of comparisons that a suite names one by one."""
HOLM: Mapping[str, str] = {
    "methods": "a claim of the mean over methods is one test; Holm in each other family over its methods; where a "
    "family asks for several comparisons at once, over the largest of their p",
    "conditions": "Holm in each family over all comparisons of a method",
    "asked": "Holm over the comparisons that are named here, method by method; each claim is one of them",
}
"""By what a suite's families run over."""
DIRECTION = "two-sided; shown is condition above over"
WHOLE_DIGEST = 64
Given = Mapping[str, Mapping[str, Any]]
"""Generator -> its parameters, where its user gave them; the code is asked for all others."""


def declaration(suite: Suite, *, track: str, protocol: str, date: str, version: str, commit: str) -> Declaration:
    """What is going to be compared.

    Raises:
        UsageError: the suite has no run there, it compares nothing, or a learning rate has not been chosen yet.
    """
    runs = declared_runs(suite, track, protocol)
    if not runs:
        raise UsageError(f"suite {suite.name!r}: has no run on track {track!r}, protocol {protocol!r}; name others")
    found = _content(suite, runs, {})
    if not found["families"]:
        raise UsageError(f"suite {suite.name!r}: compares nothing, so there is nothing to declare; name another one")
    return Declaration(
        **found, title=suite.title, date=date, code={"cod_bench": version, "commit": commit}
    )  # fmt: skip


def declared_runs(suite: Suite, track: str, protocol: str) -> list[RunSpec]:
    """The suite's runs there, without those of methods that cannot run on the track."""
    specs = list(suite.expand(track=track, protocol=protocol))
    out = excluded(specs)
    return [spec for spec in specs if (spec.track, spec.method) not in out]


def kept(found: Declaration, suite: Suite, records: Iterable[Record]) -> Declared:
    """Whether a suite's records are what was declared and came after it, as far as the files themselves tell.

    Args:
        records: any; those that count are looked at.
    """
    told, own = _held(found, suite, records)
    departs = told or _earlier(found, own)
    return Declared(found.date, departs, int(found.teacher["seeds"]), len(own), found.expected)


def contradicted(
    found: Declaration, suite: Suite, records: Iterable[Record], where: Committed, there: Collection[str]
) -> str:
    """What git says against records that keep a declaration by what the files tell; empty if nothing.

    Args:
        where: the commit that brought the declaration, as `declarations.committed` tells it.
        there: commits that the repository has.
    """
    told, own = _held(found, suite, records)
    if told or not own or _earlier(found, own):
        return ""  # exploratory as it is
    if not where.commit:
        return f"is in no commit as it lies there, and {len(own)} records rest on it; commit it before they are made"
    if lost := [record for record in own if _commit(record) not in there]:
        return (
            f"{_some(lost, own)} made by code of a commit that is not in this repository, such as {lost[0].run_id} of "
            f"commit {_commit(lost[0])[:10]}, so that nothing tells whether it follows; keep the commits of records"
        )
    before = [record for record in own if _commit(record) not in where.after]
    if not before:
        return ""
    return (
        f"{_some(before, own)} made by code that does not follow commit {where.commit[:10]}, which brought it, such as "
        f"{before[0].run_id} of commit {_commit(before[0])[:10]}; run them again with code that does"
    )


def commits(records: Iterable[Record]) -> set[str]:
    """The commits that records tell of."""
    return {_commit(record) for record in records} - {""}


def _held(found: Declaration, suite: Suite, records: Iterable[Record]) -> tuple[str, list[Record]]:
    """In what a suite departs from a declaration, and those of the records that count."""
    where = (found.track, found.protocol)
    given = [record for record in records if (suite.placed(record.spec.track), record.spec.protocol) == where]
    try:
        runs = declared_runs(suite, found.track, found.protocol)
        by_user = _given(runs, given)
        ids = _ids(runs, by_user)
        told = _apart(found, _content(suite, runs, by_user)) if runs else "the suite has no run there"
    except UsageError as error:
        told, ids = f"it cannot be made again here: {error}", {}
    return told, [record for record in given if ids.get(record.spec) == record.run_id]


def _apart(found: Declaration, content: Mapping[str, Any]) -> str:
    """What the suite is now and was not declared to be."""
    was, now = found.content(), _plain(content)
    declared, present = (value["grid"].pop("run_ids", "") for value in (was, now))
    # run ids follow from all the rest, which is easier to understand
    told = (_first_difference(was[name], now[name], name) for name in ("grid", *sorted(now)))
    return next(filter(None, told), "") or _first_difference(declared, present, "grid.run_ids")


def _earlier(found: Declaration, records: Sequence[Record]) -> str:
    """Which records are older than the declaration, or do not tell."""
    early = [record for record in records if _day(record) < found.date]
    if early:
        day = _day(early[0]) or "no date"
        return f"{_some(early, records)} made before it, such as {early[0].run_id} of {day}"
    if untold := [record for record in records if not _commit(record)]:
        return f"{_some(untold, records)} made by code in no commit that is told, such as {untold[0].run_id}"
    # the commit that declares comes after the one of the code that wrote the declaration
    if before := [record for record in records if _commit(record) == found.code["commit"]]:
        return f"{_some(before, records)} made by the very code that it was written by, such as {before[0].run_id}"
    return ""


def _day(record: Record) -> str:
    told = record.provenance.get("date")
    return told if isinstance(told, str) and is_date(told) else ""


def _some(some: Sequence[Record], records: Sequence[Record]) -> str:
    return f"{len(some)} of {len(records)} records {'was' if len(some) == 1 else 'were'}"


def _commit(record: Record) -> str:
    """That of the code which made it; empty where none is told, or the code was changed since."""
    git = record.provenance.get("git")
    told = git.get("commit") if isinstance(git, Mapping) and git.get("dirty") in (False, None) else None
    return told if isinstance(told, str) else ""


def _given(runs: Sequence[RunSpec], records: Sequence[Record]) -> Given:
    """What generators got from their users, as those records tell it that count."""
    ids = ids_that_count(runs, records)
    counted = [record for record in records if ids.get(record.spec) == record.run_id and carries_data(record.spec)]
    return {record.spec.generator: params(record) for record in counted}


def _ids(runs: Sequence[RunSpec], given: Given) -> dict[RunSpec, str]:
    """The run ids that the installed code gives."""
    told = [spec for spec in runs if spec.generator in given]
    alike = run_ids(spec for spec in runs if spec.generator not in given)
    return alike | {spec: digest(_identity(spec, given)) for spec in told}


def _identity(spec: RunSpec, given: Given) -> dict[str, Any]:
    return identify(spec, params=given.get(spec.generator))


def _content(suite: Suite, runs: Sequence[RunSpec], given: Given) -> dict[str, Any]:
    """The fields of a declaration that a grid is held to."""
    first, ids = runs[0], _ids(runs, given)
    track = suite.placed(first.track)
    grid = Grid(
        suite, first.protocol, track, tuple(runs), {}, tuple(runs), (), {},
        excluded={method: "" for method in suite.methods if not any(spec.method == method for spec in runs)},
    )  # fmt: skip
    return {
        "schema": SCHEMA, "suite": suite.name, "track": track, "protocol": first.protocol,
        "grid": {
            "tasks": list(suite.tasks), "methods": list(grid.methods), "conditions": sorted(grid.shown),
            "ks": list(grid.ks), "primary_k": list(suite.primary_k), "seeds": list(suite.seeds), "runs": len(runs),
            "run_ids": digest([ids[spec] for spec in runs], WHOLE_DIGEST),
            "floors": [asdict(block) for block in suite.floors],
            "developed": sorted(task for task in suite.tasks if base_name(task) in suites.DEVELOPED),
        },
        "families": _families(grid),
        "expected": [asdict(one) for one in suite.expected],
        "seen": suite.seen,
        "rules": {**RULES, **_more_rules(grid), "multiplicity": HOLM[_holm(grid)]},
        "data": {spec.task: _identity(spec, given)["task"] for spec in {spec.task: spec for spec in runs}.values()},
        "versions": _versions(runs, given),
        "teacher": {
            "seeds": len(suite.on_teachers(track)), "identity": tracks.track(first.track).teacher_identity(),
            **({"crossed": list(suite.teachers)} if len(grid.on_teachers) > 1 else {}),
        },
    }  # fmt: skip


def _holm(grid: Grid) -> str:
    """What Holm's correction is over, as `HOLM` names it."""
    return "asked" if claims.by_asking(grid) else "conditions" if claims.by_conditions(grid) else "methods"


def _more_rules(grid: Grid) -> dict[str, str]:
    """The rules of what not every suite has: several teachers, and measures of comparisons."""
    measures = {str(one.measure) for method in grid.methods for one, _ in claims.asked(grid, method)}
    found = {name: rule for name, rule in MEASURES.items() if name in measures}
    if measures:
        found["methods"] = NAMED
    return found | ({"teachers": CROSSED} if len(grid.on_teachers) > 1 else {})


def _families(grid: Grid) -> list[dict[str, Any]]:
    """What Holm corrects over, family by family, as tables make them; a comparison is (method, condition, over, k)."""
    members: dict[str, list[list[Any]]] = {}
    if claims.by_asking(grid):
        for method in grid.methods:
            own = [[method, one.condition, one.over, list(ks), one.measure] for one, ks in claims.asked(grid, method)]
            members |= {f"{claims.ASKED}, {method}": own} if own else {}
        return [_family(name, own) for name, own in members.items()]
    if claims.by_conditions(grid):
        for method in grid.methods:
            for family, pair in claims.families(grid, method):
                if ks := grid.primary(method, *pair):
                    members.setdefault(family, []).append([method, *pair, list(ks)])
        return [_family(name, own) for name, own in members.items()]
    pooled = {gain.over: [gain.method, "cod", gain.over, list(gain.ks)] for gain in claims.pooled(grid)}
    for name, others in claims.CLAIMS.items():
        if set(others) <= pooled.keys():
            members[f"{name}, mean of methods"] = [pooled[other] for other in others]
        own = [[method, "cod", other, list(ks)] for method in grid.methods for other in others
               if (ks := _asked(grid, method, ("cod", other)))]  # fmt: skip
        members[name] = [one for one in own if sum(other[0] == one[0] for other in own) == len(others)]
    named = {("cod", others[0]) for others in claims.CLAIMS.values() if len(others) == 1}
    have = sorted({pair for method in grid.methods for pair in claims.pairs(grid, method)} - named)
    for pair in have:
        own = [[method, *pair, list(ks)] for method in grid.methods if (ks := _asked(grid, method, pair))]
        members[" over ".join(pair)] = own
    return [_family(name, own) for name, own in members.items() if own]


def _asked(grid: Grid, method: str, pair: tuple[str, str]) -> tuple[int, ...]:
    """The primary budgets at which a method asks for a comparison; none if it does not."""
    return grid.primary(method, *pair) if pair in claims.pairs(grid, method) else ()


def _family(name: str, members: Sequence[Any]) -> dict[str, Any]:
    return {"name": name, "direction": DIRECTION, "comparisons": list(members)}


def _versions(runs: Sequence[RunSpec], given: Given) -> dict[str, Any]:
    """Conditions, methods and generators as they are now; params and hyperparameters as digests."""
    conditions = {spec.condition: condition(spec.condition) for spec in runs}
    found: dict[str, Any] = {
        "conditions": {
            name: {"version": one.version, "equal_k": one.equal_k} for name, one in sorted(conditions.items())
        },
        "methods": {},
        "generators": {},
    }
    hparams: dict[str, dict[str, Any]] = {}
    for spec in {(spec.method, spec.k): spec for spec in runs}.values():
        hparams.setdefault(spec.method, {})[str(spec.k)] = _identity(spec, given)["method"]
    for name, by_k in hparams.items():
        version = registry.load("baseline", name).version
        found["methods"][name] = {"version": version, "hparams": digest(by_k, WHOLE_DIGEST)}
    for spec in {spec.generator: spec for spec in runs if spec.generator}.values():
        own = dict(_identity(spec, given)["generator"])
        own["params"] = digest(own["params"], WHOLE_DIGEST)
        found["generators"][own.pop("name")] = own
    return found


def _plain(content: Mapping[str, Any]) -> dict[str, Any]:
    """The same as `Declaration.content` gives it: lists for tuples, and what JSON makes of numbers."""
    whole = Declaration(**content, title="", date="", code={})
    return {name: item for name, item in whole.content().items() if name in content}


def _first_difference(was: Any, now: Any, where: str) -> str:
    """Where two plain values first part, in a sentence; empty where they are equal."""
    if was == now:
        return ""
    if isinstance(was, dict) and isinstance(now, dict):
        names = sorted(was.keys() | now.keys())
        told = (_first_difference(was.get(name), now.get(name), f"{where}.{key(name)}") for name in names)
        return next(filter(None, told), "")
    return f"{where} was declared as {short(was)} and is {short(now)}"
