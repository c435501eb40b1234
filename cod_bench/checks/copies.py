"""Records -> runs that end as one on other rows does, and conditions under two names. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cod_bench.checks.rows import history, made
from cod_bench.condition import condition
from cod_bench.design.suites import CONDITIONS
from cod_bench.distiller import reads_no_row
from cod_bench.errors import UsageError
from cod_bench.records.record import SCALE, Record
from cod_bench.spec import digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

# How near two honest runs come, measured over the 84,879 pairs of published runs of one teacher on other rows: equal
# probabilities on at most 0.7 % of the rows that tell something, within NEAR of each other on at most 9.0 % (28 % among
# runs of the toy task), 195 apart on the mean or more, equal classes on at most 97.8 %; losses at least 2 % apart. Of
# the 1,260 pairs of methods on the same rows: 1.7 %, 26.9 %, 66 apart, and equal classes on up to 100 %.
NEAR = 10
"""Units in which two probabilities may differ and count as near; fewer where a run's own hardly differ."""
STEADY = 60
"""So many times its width is the deviation of a run's probabilities, at the least; published runs have 610 and more."""
FLAT = 10
"""Deviation in units below which a run says the same of every row, as another such run may too; on the toy task 14."""
END, USUAL = 200, 0.05
"""Units from either end within which two runs may meet because both are sure; share of rows from which a run's most
frequent value is its usual one."""
FEWEST = 20
"""Rows that must tell something before two runs are compared."""
EQUAL, HALF = 0.999, 0.5
"""Shares of rows equal to the last digit, or near, from which one run is a copy of the other."""
ALIKE, CLOSE = 0.99, 100
"""Told, not failed: share of equal classes, and mean difference in units, that no published trainings on other rows
have."""
ROOM = 6
"""That difference is so many times below a run's own deviation too: fits of few rows may say about one half of all."""
ONE_CLASS = 0.99
"""Share of one class from which equal classes say nothing."""


@dataclass(slots=True)
class Copies:
    """Which runs end as another one did."""

    wrong: dict[str, str] = field(default_factory=dict)
    """Copies of a run on other rows, by path."""
    alike: list[str] = field(default_factory=list)
    """What may be chance: runs on other rows that are alike, methods that do the same on the same rows, conditions that
    have the same rows."""

    @property
    def told(self) -> str:
        """In a sentence or two; empty if nothing is."""
        more = f" (and {len(self.alike) - 3} more)" if len(self.alike) > 3 else ""
        return "; ".join(self.alike[:3]) + more


def copies(records: Mapping[str, Record]) -> Copies:
    """Runs with the probabilities or the losses of a run on other rows, to the last digit or nearly so.

    Equal rows may give equal outcomes: a submitted method may do what another does, which is told, and where all first
    answers are valid `unvalidated` is `cod`. To two methods that read no training row all rows are equal. A submitted
    condition that has another's rows wherever both were run is told.
    """
    found, same = Copies(), Counter[tuple[str, str]]()
    cells: Counter[tuple[str, str]] = Counter()
    groups: dict[tuple[str, str, str, int], list[tuple[str, Record]]] = {}
    losses: dict[tuple[Hashable, ...], list[tuple[str, Record]]] = {}
    for path, record in records.items():
        place = (record.spec.track, record.spec.task, record.teacher_hash)
        groups.setdefault((*place, len(record.predictions)), []).append((path, record))
        if record.history and not history(record):
            losses.setdefault((*place, len(record.history["loss"])), []).append((path, record))
    for own in losses.values():
        _losses(own, found)
    for own in groups.values():
        _outcomes(own, found, same, cells)
    for (one, other), times in sorted(same.items()):
        found.alike.append(f"method {other} ends as {one} on the same rows in {times} of {cells[one, other]} runs")
    found.alike += _conditions(records.values())
    return found


def trained_on(record: Record) -> str:
    """A digest of the rows that a run was trained on: equal where these are.

    A row's role is no part of it: where no slot has a counterfactual, the substitutes of `cod` are the partners of
    `standard`. Rows that are all the pool's own are told by source and label; where a text may be made, only by the
    record's hash, which counts roles too.
    """
    if record.spec.k == 0:
        return record.train_hash  # the whole pool is the same rows, in whatever order
    hashed = str(record.rows.get("hash"))
    sources, labels, roles = (record.rows.get(name) for name in ("sources", "labels", "roles"))
    if not (isinstance(sources, list) and isinstance(labels, str) and isinstance(roles, str)):
        return hashed
    if not len(sources) == len(labels) == len(roles):
        return hashed
    try:
        own, told = condition(record.spec.condition), [str(source) for source in sources]
    except UsageError:
        return hashed  # who is not known here is told elsewhere
    return hashed if any(made(own, told, roles)) else digest([told, labels])


def _conditions(records: Iterable[Record]) -> Iterator[str]:
    """Conditions of submissions that have the rows of another one wherever both were run, in a sentence each.

    Runs without any partner say nothing: where no counterfactual is valid, conditions may all have the same rows.
    """
    drawn: dict[Hashable, dict[str, str]] = {}
    for record in records:
        spec, roles = record.spec, str(record.rows.get("roles"))
        if "s" in roles and "p" not in roles:
            continue
        place = (spec.protocol, spec.track, spec.task, record.train_hash, record.teacher_hash, spec.seed, spec.k)
        drawn.setdefault(place, {})[spec.condition] = trained_on(record)
    both, same = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for own in drawn.values():
        for one in own.keys() - {*CONDITIONS}:
            for other in own.keys() - {one}:
                both[one, other] += 1
                same[one, other] += own[one] == own[other]
    for (one, other), times in sorted(same.items()):
        if times == both[one, other] and (other in CONDITIONS or other < one):
            yield f"condition {one} has the rows of {other} in {times} of {times} draws"


def _outcomes(
    runs: Sequence[tuple[str, Record]], found: Copies, same: Counter[tuple[str, str]], cells: Counter[tuple[str, str]]
) -> None:
    """Compare probabilities and classes of all runs of one teacher, each with all after it; of p that of class 1."""
    p = np.array([_of_class_1(record) for _, record in runs], dtype=np.int16)
    said = np.array([np.frombuffer(record.predictions.encode(), dtype=np.uint8) for _, record in runs])
    rows = np.array([trained_on(record) for _, record in runs])
    methods = [record.spec.method for _, record in runs]
    blind = np.array([reads_no_row(method) for method in methods])
    spread = p.std(axis=1)
    width = np.minimum(NEAR, spread / STEADY).astype(np.int16)
    steady = spread >= FLAT
    # of two values in one end, of two clipped ones and of two runs' usual ones nobody wonders that they meet
    usual = _usual(p)
    ends = [p <= END, p >= SCALE - END, usual & (p > END) & (p < SCALE - END)]
    clipped = [p <= 1, p >= SCALE - 1, usual & (p > 1) & (p < SCALE - 1)]
    most = np.array([np.bincount(row).max() / len(row) for row in said])
    for i in range(len(runs) - 1):
        after = slice(i + 1, None)
        apart = np.abs(p[after] - p[i])
        near = apart <= np.minimum(width[after], width[i])[:, None]
        equal, told = apart == 0, apart.shape[1] - _both(clipped, i)
        for values, which in ((equal, clipped), (near, ends)):
            for side in which:
                columns = np.flatnonzero(side[i])
                if len(columns):
                    values[:, columns] &= ~side[after][:, columns]
        telling = apart.shape[1] - _both(ends, i)
        may = steady[after] & steady[i]
        exact = may & (told >= FEWEST) & (_count(equal) >= EQUAL * told)
        close = may & (telling >= FEWEST) & (_count(near) >= HALF * telling)
        other = (rows[after] != rows[i]) & ~(blind[after] & blind[i])
        for j in np.flatnonzero(exact | close).tolist():
            path, own = runs[i + 1 + j]
            if other[j]:
                share = _count(equal[j : j + 1])[0] / told[j] if exact[j] else _count(near[j : j + 1])[0] / telling[j]
                how = "the same to the last digit as" if exact[j] else f"within {width[[i, i + 1 + j]].min()} units of"
                found.wrong.setdefault(
                    path,
                    f"probabilities: {100 * share:.1f} % are {how} those of run {runs[i][1].run_id}, which was trained "
                    "on other rows; train it again",
                )
            elif methods[i] != own.spec.method:
                same[_pair(methods[i], own.spec.method)] += 1
        for j in np.flatnonzero(~other).tolist():
            if methods[i] != methods[i + 1 + j]:
                cells[_pair(methods[i], methods[i + 1 + j])] += 1
        agree = _count(said[after] == said[i]) >= ALIKE * apart.shape[1]
        agree &= (most[after] < ONE_CLASS) | (most[i] < ONE_CLASS)
        limit = np.minimum(CLOSE, np.minimum(spread[after], spread[i]) / ROOM)
        agree |= may & (apart.mean(axis=1) <= limit) & (telling >= FEWEST)
        for j in np.flatnonzero(other & agree & ~exact & ~close).tolist():
            found.alike.append(f"runs {runs[i][1].run_id} and {runs[i + 1 + j][1].run_id} on other rows are alike")


def _of_class_1(record: Record) -> Sequence[int]:
    classes = len(record.probabilities) // max(len(record.predictions), 1)
    return record.probabilities if classes == 1 else record.probabilities[1::classes]


def _usual(p: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Where runs say what they say most often, as of texts of which they know nothing, if that is often."""
    found: NDArray[np.bool_] = p == np.array([np.bincount(said).argmax() for said in p])[:, None]
    found &= found.mean(axis=1, keepdims=True) >= USUAL
    return found


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)


def _count(values: NDArray[np.bool_]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.bitwise_count(np.packbits(values, axis=1)).sum(axis=1, dtype=np.int64)
    return found


def _both(sides: Sequence[NDArray[np.bool_]], i: int) -> NDArray[np.int64]:
    """On how many rows each run after the i-th is at the same side as it."""
    return sum((_count(side[i + 1 :] & side[i]) for side in sides), np.zeros(len(sides[0]) - i - 1, dtype=np.int64))


SAME_LOSS, MOST_LOSSES = 1e-3, 0.9
"""Relative difference in which two losses are near, and share of the steps from which one history is a copy.

The first steps of two runs may see the same rows, so that not a few of them may be equal.
"""
STEPS = 10
"""Steps that tell something before two histories are compared but for equality."""


def _losses(runs: Sequence[tuple[str, Record]], found: Copies) -> None:
    """Compare the losses of all runs of one teacher and length, each with all after it."""
    values = np.array([record.history["loss"] for _, record in runs], dtype=np.float64)
    rows = np.array([trained_on(record) for _, record in runs])
    for i in range(len(runs) - 1):
        apart = np.abs(values[i + 1 :] - values[i])
        size = np.maximum(np.abs(values[i + 1 :]), np.abs(values[i]))
        telling = size > 10 * SAME_LOSS  # of losses that are nearly nothing nobody wonders that they meet
        steps = telling.sum(axis=1)
        near = ((apart <= SAME_LOSS * size) & telling).sum(axis=1) >= MOST_LOSSES * steps
        exact = (apart == 0).all(axis=1)
        for j in np.flatnonzero((rows[i + 1 :] != rows[i]) & (exact | (near & (steps >= STEPS)))).tolist():
            how = "to the last digit" if exact[j] else "nearly"
            told = f"losses: those of run {runs[i][1].run_id} {how}, which was trained on other rows; train it again"
            found.wrong.setdefault(runs[i + 1 + j][0], told)
