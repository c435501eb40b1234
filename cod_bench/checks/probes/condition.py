"""Condition file -> facts about it in one world, on the toy task: what `check` judges. Called by `probe`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cod_bench import registry
from cod_bench.checks.facts import TASK, Facts, attempt, load, seed_everything, usable
from cod_bench.checks.poison import altered, poisoned
from cod_bench.condition import Condition, ask
from cod_bench.counterfactuals import warm
from cod_bench.counterfactuals.rows import build, describe
from cod_bench.design import suites
from cod_bench.errors import UsageError
from cod_bench.runner import work
from cod_bench.spec import RunSpec, canonical, generator_for

if TYPE_CHECKING:
    from cod_bench.generator import Entry
    from cod_bench.split import Draw, Neighbours

KS, SEEDS = (8, 16), (0, 1)
"""Budgets and draws that rows are asked for."""
MOST = 32
"""Slots whose entries are at hand: what four times the largest budget would need."""
HOLE = 3
"""Every slot of that many is asked for once more without its counterfactual."""


@dataclass(frozen=True, slots=True)
class Material:
    """What rows of one draw may be made of, more than any condition may need."""

    draw: Draw
    entries: Mapping[str, Sequence[Entry]]
    """By generator."""
    share: Mapping[str, float]
    neighbours: Neighbours


Materials = Mapping[int, Material]
"""By seed."""


def clean_world(file: Path, kind: str, tracks: Sequence[str]) -> Facts:
    """Identity, rows of several draws twice, rows where counterfactuals are missing, and a training."""
    known = load(file, kind)
    if not usable(known):
        return known
    own: Condition = registry.load(kind, registry.name_of(kind, file.stem))
    known["identity"] = attempt(lambda: _identity(own))
    material = _materials(tracks[0])
    known["rows"] = []
    for seed in (1, 2):
        seed_everything(seed)
        known["rows"].append(attempt(partial(_rows, own, material)))
    known["holes"] = attempt(lambda: _rows(own, _with_holes(material)))
    known["record"] = attempt(lambda: _trained(own, tracks[0]))
    return known


def poisoned_world(file: Path, kind: str, tracks: Sequence[str]) -> Facts:
    """The same identity and rows when evaluation and dev rows are closed, and what was asked for."""
    material = _materials(tracks[0])
    known: Facts = {}
    seed_everything(1)
    with poisoned(TASK, ("dev", "evaluation")) as reads:
        known |= load(file, kind)
        if usable(known):
            own: Condition = registry.load(kind, registry.name_of(kind, file.stem))
            known["identity"] = attempt(lambda: _identity(own))
            known["rows"] = attempt(lambda: _rows(own, material))
    known["evaluation_reads"] = reads
    return known


def altered_world(file: Path, kind: str, tracks: Sequence[str]) -> Facts:
    """Rows when evaluation and dev rows are others."""
    material = _materials(tracks[0])
    seed_everything(1)
    with altered(TASK):
        known = load(file, kind)
        if usable(known):
            own: Condition = registry.load(kind, registry.name_of(kind, file.stem))
            known["rows"] = attempt(lambda: _rows(own, material))
    return known


def _identity(own: Condition) -> Facts:
    """What it says of itself that decides a run, as plain JSON."""
    said = {
        "version": own.version, "needs": own.needs, "equal_k": own.equal_k,
        "entries": [ask(own, "entries_at", k) for k in KS],
        "texts": [ask(own, "texts_at", k) for k in KS],
        "parameters": own.parameters, "whole_pool": own.whole_pool,
    }  # fmt: skip
    found: Facts = json.loads(canonical(said))
    return found


def _materials(track: str) -> Materials:
    """What may be needed of each draw: of every variant of the generator, since the file is not read yet."""
    own = suites.suite(TASK).generator
    generators = [name for name in registry.names("generator") if name == own or name.startswith(f"{own}_")]
    found = {}
    for seed in SEEDS:
        draw = warm.draw(track, TASK, seed, False)
        pools = {name: warm.pool(track, TASK, name) for name in generators}
        entries = {name: pool.entries(draw, 2 * MOST) for name, pool in pools.items()}
        shares = {name: pool.share() for name, pool in pools.items()}
        found[seed] = Material(draw, entries, shares, warm.neighbours(track, TASK))
    return found


def _with_holes(materials: Materials) -> Materials:
    """The same where every third slot has no counterfactual, and so no control of its size either."""

    def emptied(place: int, entry: Entry) -> Entry:
        return entry if place % HOLE else replace(entry, cfe=None, random=None, preserving=None)

    def holed(entries: Sequence[Entry]) -> list[Entry]:
        return [emptied(place, entry) for place, entry in enumerate(entries)]

    return {
        seed: replace(one, entries={name: holed(entries) for name, entries in one.entries.items()})
        for seed, one in materials.items()
    }


def _budgets(own: Condition, draw: Draw) -> tuple[int, ...]:
    """Those that rows are asked for: of what takes the whole pool 0, of others those for which it has enough texts."""
    if own.whole_pool:
        return (0,)
    return tuple(k for k in KS if k == KS[0] or ask(own, "texts_at", k) <= len(draw.everything()))


def _rows(own: Condition, materials: Materials) -> list[Facts]:
    """What would stand in a record of each draw's rows."""
    found = []
    generator = generator_for(own.name, suites.suite(TASK).generator)
    for seed, one in materials.items():
        if generator and generator not in one.entries:
            raise UsageError(f"parameters={own.parameters!r}: there is no generator {generator!r}; add its file")
        for k in _budgets(own, one.draw):
            entries, share = one.entries.get(generator), one.share.get(generator, 0.0)
            needed = ask(own, "entries_at", k) if generator else 0
            if entries is not None and needed > len(entries):
                raise UsageError(
                    f"entries_at({k}) is {needed}; a condition is checked with at most {len(entries)} slots"
                )
            given = None if entries is None else entries[:needed]
            told = describe(build(one.draw, own.name, k, given, share=share, neighbours=one.neighbours))
            rows = list(zip(told["sources"], told["labels"], told["roles"], strict=True))
            if fault := ask(own, "faults", rows, k, own.version):
                raise UsageError(f"its own faults() refuses its rows at k={k}: {fault}")
            found.append({"k": k, "seed": seed, **told})
    return found


def _trained(own: Condition, track: str) -> Facts:
    """A record's metrics, and whether what it tells of its rows is what `check` of a folder demands."""
    from cod_bench.checks.rows import alone

    suite = suites.suite(TASK)
    generator = generator_for(own.name, suite.generator)
    k = _budgets(own, warm.draw(track, TASK, 0, False))[0]
    record = work.run_one(RunSpec("last", track, TASK, suite.methods[0], own.name, generator, k, 0), {})
    return {"metrics": dict(record.metrics), "fault": alone(record)}
