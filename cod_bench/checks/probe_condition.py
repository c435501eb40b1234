"""Condition file -> facts about it in one world, on the toy task: what `check` judges. Called by `probe`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cod_bench import registry
from cod_bench.checks.facts import TASK, Facts, attempt, load, seed_everything, usable
from cod_bench.checks.poison import altered, poisoned
from cod_bench.condition import Condition
from cod_bench.counterfactuals import warm
from cod_bench.counterfactuals.rows import build, describe
from cod_bench.design import suites
from cod_bench.errors import UsageError
from cod_bench.runner import work
from cod_bench.spec import RunSpec, canonical

if TYPE_CHECKING:
    from cod_bench.generator import Entry
    from cod_bench.split import Draw

KS, SEEDS = (8, 16), (0, 1)
"""Budgets and draws that rows are asked for."""
MOST = 32
"""Slots whose entries are at hand: what four times the largest budget would need."""
HOLE = 3
"""Every slot of that many is asked for once more without its counterfactual."""

Material = Mapping[tuple[int, int], tuple["Draw", Sequence["Entry"]]]
"""(k, seed) -> the draw and its entries, more than any condition may need."""


def clean_world(file: Path, kind: str, tracks: Sequence[str]) -> Facts:
    """Identity, rows of several draws twice, rows where counterfactuals are missing, and a training."""
    known = load(file, kind)
    if not usable(known):
        return known
    own: Condition = registry.load(kind, registry.name_of(kind, file.stem))
    known["identity"] = attempt(lambda: _identity(own))
    material = _material(tracks[0])
    known["rows"] = []
    for seed in (1, 2):
        seed_everything(seed)
        known["rows"].append(attempt(partial(_rows, own, material)))
    known["holes"] = attempt(lambda: _rows(own, _with_holes(material)))
    known["record"] = attempt(lambda: _trained(own, tracks[0]))
    return known


def poisoned_world(file: Path, kind: str, tracks: Sequence[str]) -> Facts:
    """The same identity and rows when evaluation and dev rows are closed, and what was asked for."""
    material = _material(tracks[0])
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
    material = _material(tracks[0])
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
        "entries": [own.entries_at(k) for k in KS],
        "texts": [own.texts_at(k) for k in KS],
    }  # fmt: skip
    found: Facts = json.loads(canonical(said))
    return found


def _material(track: str, slots: int = MOST) -> Material:
    generator = suites.suite(TASK).generator
    found: dict[tuple[int, int], tuple[Draw, Sequence[Entry]]] = {}
    for seed in SEEDS:
        draw = warm.draw(track, TASK, seed, False)
        entries = warm.pool(track, TASK, generator).entries(draw, 2 * slots)
        found |= {(k, seed): (draw, entries) for k in KS}
    return found


def _with_holes(material: Material) -> Material:
    """The same where every third slot has no counterfactual, and so no control of its size either."""

    def emptied(place: int, entry: Entry) -> Entry:
        return entry if place % HOLE else replace(entry, cfe=None, random=None, preserving=None)

    return {
        key: (draw, [emptied(place, entry) for place, entry in enumerate(entries)])
        for key, (draw, entries) in material.items()
    }


def _rows(own: Condition, material: Material) -> list[Facts]:
    """What would stand in a record of each draw's rows."""
    found = []
    for (k, seed), (draw, entries) in material.items():
        needed = own.entries_at(k) if own.needs == "entries" else 0
        if needed > len(entries):
            raise UsageError(f"entries_at({k}) is {needed}; a condition is checked with at most {len(entries)} slots")
        told = describe(build(draw, own.name, k, entries[:needed] if needed else None))
        rows = list(zip(told["sources"], told["labels"], told["roles"], strict=True))
        if fault := own.faults(rows, k, own.version):
            raise UsageError(f"its own faults() refuses its rows at k={k}: {fault}")
        found.append({"k": k, "seed": seed, **told})
    return found


def _trained(own: Condition, track: str) -> Facts:
    """A record's metrics, and whether what it tells of its rows is what `check` of a folder demands."""
    from cod_bench.checks.rows import alone

    suite = suites.suite(TASK)
    generator = suite.generator if own.needs == "entries" else ""
    record = work.run_one(RunSpec("last", track, TASK, suite.methods[0], own.name, generator, KS[0], 0), {})
    return {"metrics": dict(record.metrics), "fault": alone(record)}
