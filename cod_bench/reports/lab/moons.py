"""Rows of `moons.csv` -> the tables of the two moons and the sentence that each supports, a section a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from cod_bench.reports.lab import read
from cod_bench.reports.lab.read import Compared, Row, Setting

K = 20
"""Where single things are varied."""
KS = (8, 20, 40)
CONTROLS = ("half", "random", "unvalidated", "shuffled", "cfe-only")
OVERSHOOTS = ("0", "0.025", "0.05", "0.1", "0.2", "0.4")
NOISES = ("0", "0.2", "0.4")
PERCENT = 100.0


@dataclass(frozen=True)
class Section:
    """A question: what was done, what came out in words, and the table behind it."""

    title: str
    how: str
    finding: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def sections(found: Sequence[Row]) -> list[Section]:
    """Every question that is put to two moons.

    Raises:
        UsageError: the file lacks a setting.
    """
    return [_nearer(found), _controls(found), _labels(found), _bound(found), _overshoot(found), _sided(found),
            _noise(found)]  # fmt: skip


def distance(found: Sequence[Row], one: Setting, other: Setting) -> Compared:
    """The primary measure: mean symmetric distance to the teacher's boundary near the data."""
    return read.compared(found, one, other, "distance", less_is_better=True)


def agreement(found: Sequence[Row], one: Setting, other: Setting) -> Compared:
    """Share of fresh points on which student and teacher agree."""
    return read.compared(found, one, other, "agreement", less_is_better=False)


def accuracy(found: Sequence[Row], one: Setting, other: Setting) -> Compared:
    """Share of fresh points that the student gets right."""
    return read.compared(found, one, other, "accuracy", less_is_better=False)


def _nearer(found: Sequence[Row]) -> Section:
    said, rows = [], []
    for k in KS:
        cod, standard = Setting("cod", k), Setting("standard", k)
        near, agrees = distance(found, cod, standard), agreement(found, cod, standard)
        far = read.compared(found, cod, standard, "greatest", less_is_better=True)
        means = (f"{read.average(found, one, 'distance'):.3f}" for one in (standard, cod))
        rows.append((str(k), *means, _length(near), _wins(near), _points(agrees), _length(far)))
        said.append(f"at k = {k} {verdict(near, 'nearer', 'farther')} ({_length(near)}), "
                    f"agreement {verdict(agrees, 'lower', 'higher')} ({_points(agrees)})")  # fmt: skip
    return Section(
        "Do counterfactuals bring the student's boundary nearer to the teacher's?",
        "`cod` against `standard`: mean symmetric distance of both boundaries within 0.25 of the data, agreement on "
        "2,000 fresh points, greatest distance in the box (Hausdorff).",
        f"`cod`'s boundary is, against `standard`'s, {'; '.join(said)}.",
        ("k", "distance, standard", "cod", "cod - standard", "nearer", "agreement, points", "Hausdorff"),
        rows,
    )


def _controls(found: Sequence[Row]) -> Section:
    said, rows = [], []
    for name in CONTROLS:
        row = [f"`{name}`"]
        for k in KS:
            row += [_length(distance(found, Setting("cod", k), Setting(name, k)))]
        at = distance(found, Setting("cod", K), Setting(name, K))
        row += [_points(agreement(found, Setting("cod", K), Setting(name, K)))]
        rows.append(tuple(row))
        said.append(f"{verdict(at, 'nearer than', 'farther than')} `{name}` ({_length(at)})")
    return Section(
        "What of it is the counterfactual?",
        "`cod` minus each control: `random` moves as far in any direction and keeps the class, `unvalidated` takes one "
        "linear step and asks nobody, `shuffled` has the counterfactuals of other originals, `cfe-only` no originals, "
        "`half` no counterfactuals.",
        f"At k = {K} `cod` is {'; '.join(said)}.",
        ("control", *(f"distance, k = {k}" for k in KS), f"agreement, points, k = {K}"),
        rows,
    )


def _labels(found: Sequence[Row]) -> Section:
    said, rows = [], []
    for k in KS:
        hard, plain = Setting("cod", k, soft="no"), Setting("standard", k, soft="no")
        agrees, near = agreement(found, hard, plain), distance(found, hard, plain)
        shares = [PERCENT * read.average(found, one, "agreement") for one in (plain, hard)]
        rows.append((str(k), *(f"{share:.1f}" for share in shares), _points(agrees), _length(near)))
        said.append(f"{shares[0]:.1f} to {shares[1]:.1f} % at k = {k} ({_points(agrees)})")
    return Section(
        "Does it need the teacher's soft labels?",
        "The same rows with their hard labels alone, cross-entropy without the teacher's logits.",
        f"Without soft labels agreement goes, from `standard` to `cod`, from {', '.join(said)}.",
        ("k", "agreement, standard", "cod", "points", "distance"),
        rows,
    )


def _bound(found: Sequence[Row]) -> Section:
    rows, said = [], ""
    for name in ("cod", "unvalidated"):
        for k in KS:
            own = list(Setting(name, k).of(found).values())
            crossed = _mean([read.number(row, "pairs.crossed") for row in own])
            ratio = _median([_ratio(row) for row in own])
            gap, length = (_mean([read.number(row, f"pairs.{part}") for row in own]) for part in ("gap", "length"))
            holds = sum(_ratio(row) >= 1 for row in own)
            told = sum(_ratio(row) == _ratio(row) for row in own)
            rows.append((f"`{name}`", str(k), f"{PERCENT * crossed:.0f} %", f"{ratio:.1f}", f"{holds} of {told}",
                         f"{gap:.3f}", f"{length:.3f}"))  # fmt: skip
            if name == "cod" and k == K:
                said = (
                    f"at k = {K} both models cross {PERCENT * crossed:.0f} % of the pairs of `cod`; there it is kept "
                    f"for {holds} of {told} and is {ratio:.1f} times (median) the distance that it bounds, while the "
                    f"two boundaries cross a pair {gap:.3f} apart on average"
                )
    return Section(
        "Does the bound of Theorem 2 say how near?",
        "alpha + epsilon is at least the Hausdorff distance H, by the triangle inequality, over the pairs that both "
        "models cross; the gap is how far apart they cross a pair.",
        f"It must hold, which says nothing of how near: {said}.",
        ("pairs of", "k", "crossed by both", "(alpha + epsilon) / H, median", "bound holds", "gap", "length"),
        rows,
    )


def _overshoot(found: Sequence[Row]) -> Section:
    standard, rows, said = Setting("standard", K), [], []
    for value in OVERSHOOTS:
        cod = Setting("cod", K, overshoot=value)
        near, agrees = distance(found, cod, standard), agreement(found, cod, standard)
        crossed = _mean([read.number(row, "pairs.crossed") for row in cod.of(found).values()])
        rows.append((value, _length(near), _wins(near), _points(agrees), f"{PERCENT * crossed:.0f} %"))
        if near.shown:
            said.append(f"{value} ({_length(near)})")
    told = f"is shown at an overshoot of {', '.join(said)}" if said else "is shown at none of the overshoots"
    return Section(
        "How far beyond the boundary?",
        f"The overshoot of counterfactuals varied, k = {K}, against the same `standard`.",
        f"That the distance differs from `standard`'s {told}; intervals are not corrected for six looks.",
        ("overshoot", "distance", "nearer", "agreement, points", "pairs crossed"),
        rows,
    )


def _sided(found: Sequence[Row]) -> Section:
    cod, standard = Setting("cod", K, sided="yes"), Setting("standard", K, sided="yes")
    near, agrees = distance(found, cod, standard), agreement(found, cod, standard)
    return Section(
        "And if the originals cover only one side?",
        f"Originals with a first coordinate below 0.5 alone, k = {K}.",
        f"Of one half-plane's originals `cod`'s boundary is {verdict(near, 'nearer', 'farther')} ({_length(near)}), "
        f"its agreement {verdict(agrees, 'lower', 'higher')} ({_points(agrees)}).",
        ("distance, standard", "cod", "cod - standard", "nearer", "agreement, points"),
        [
            (
                *(f"{read.average(found, one, 'distance'):.3f}" for one in (standard, cod)),
                _length(near),
                _wins(near),
                _points(agrees),
            )
        ],
    )


def _noise(found: Sequence[Row]) -> Section:
    rows, said = [], []
    for noise in NOISES:
        standard = Setting("standard", K, noise=noise, kept="yes")
        cod = replace(standard, condition="cod")
        gain, agrees = accuracy(found, cod, standard), agreement(found, cod, standard)
        taught, first, second = (
            PERCENT * read.average(found, one, measure)
            for one, measure in ((cod, "taught"), (standard, "accuracy"), (cod, "accuracy"))
        )
        rows.append((f"{PERCENT * float(noise):.0f} %", f"{taught:.1f}", f"{first:.1f}", f"{second:.1f}", _points(gain),
                     _points(agrees)))  # fmt: skip
        said.append(f"{first:.1f} to {second:.1f} % at {PERCENT * float(noise):.0f} % noise ({_points(gain)})")
    return Section(
        "And if the teacher errs?",
        f"A share of the teacher's training labels flipped; originals that it gets wrong are kept, with their true "
        f"class; k = {K}.",
        f"True accuracy goes, from `standard` to `cod`, from {', '.join(said)}.",
        ("labels flipped", "teacher, true accuracy", "standard", "cod", "points", "agreement, points"),
        rows,
    )


def verdict(found: Compared, below: str, above: str) -> str:
    """What a difference is called: below or above 0 where its interval has no 0 in it, else not told apart."""
    if not found.shown:
        return "not told apart from" if below.endswith(" than") else "not told apart"
    return below if found.mean < 0 else above


def _length(found: Compared) -> str:
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def _points(found: Compared) -> str:
    return f"{PERCENT * found.mean:+.1f} [{PERCENT * found.low:+.1f}, {PERCENT * found.high:+.1f}]"


def _wins(found: Compared) -> str:
    left = f", {found.left_out} without a boundary" if found.left_out else ""
    return f"{found.wins} of {found.n + found.left_out}{left}; median {found.median:+.3f}"


def _ratio(row: Row) -> float:
    return (read.number(row, "pairs.alpha") + read.number(row, "pairs.epsilon")) / read.number(row, "pairs.greatest")


def _mean(values: Sequence[float]) -> float:
    there = [value for value in values if value == value]
    return sum(there) / len(there) if there else float("nan")


def _median(values: Sequence[float]) -> float:
    there = [value for value in values if value == value]
    return median(there) if there else float("nan")
