"""Rows of `fisher-order.csv` and `fisher-errors.csv` -> what became of Theorem 1, in tables and sentences."""

from __future__ import annotations

from collections.abc import Sequence

from cod_bench.reports.lab.moons import Section
from cod_bench.reports.lab.read import Row, number

SURE = 1.96
"""Standard errors on either side of a mean over hundreds of draws: 95 %."""
NIL = 0.99
"""Cosine from which on an eigenvector is called w."""


def sections(orders: Sequence[Row], errors: Sequence[Row]) -> list[Section]:
    """Every question that is put to the logistic regressions.

    Raises:
        UsageError: a file lacks a column.
    """
    return [_order(orders), *(_error(errors, regime) for regime in dict.fromkeys(row["regime"] for row in errors))]


def _order(orders: Sequence[Row]) -> Section:
    own = [row for row in orders if row["condition"] == "cod"]
    norms = list(dict.fromkeys(row["norm"] for row in own))
    at_zero = [row for row in own if number(row, "overshoot") == 0]
    short = [row for row in at_zero if number(row, "least") + SURE * number(row, "least_se") < 0]
    most = max(number(row, "held") for row in own)
    holds = {
        norm: [row["overshoot"] for row in own if row["norm"] == norm and _low(row) > 0] for norm in norms
    }  # fmt: skip
    where = "; ".join(
        f"for |w| = {norm} at {' and '.join(found)} logits past it"
        if found
        else f"for |w| = {norm} at no overshoot tried"
        for norm, found in holds.items()
    )
    return Section(
        "Theorem 1: is the information at least as large in every direction?",
        "Smallest eigenvalue of the mean difference in Fisher information per row, `cod` minus `standard`, over "
        f"{draws(orders)} draws of 40 rows; held: share of single draws without a negative one; along w: cosine of "
        "its eigenvector and w.",
        f"{_missing(short)} On average the order holds {where}; "
        f"in single draws of 40 rows in at most {100 * most:.1f} %.",
        ("|w|", "overshoot, logits", "smallest eigenvalue", "held", "along w", "information about w", "across"),
        [
            (
                row["norm"], row["overshoot"], f"{number(row, 'least'):+.4f} ± {SURE * number(row, 'least_se'):.4f}",
                f"{100 * number(row, 'held'):.1f} %", f"{number(row, 'along'):.3f}",
                f"{number(row, 'along_w'):+.4f}", f"{number(row, 'across_w'):+.4f}",
            )
            for row in own
        ],
    )  # fmt: skip


def _missing(short: Sequence[Row]) -> str:
    """What the settings on the boundary say whose smallest eigenvalue is shown to be below 0."""
    if not short:
        return "On the boundary itself no length of w shows that it is not."
    norms = " and ".join(row["norm"] for row in short)
    along = min(number(row, "along") for row in short)
    told = f"On the boundary itself it is not, for |w| = {norms}: the missing direction has a cosine of at least"
    if along < NIL:
        return f"{told} {along:.3f} with w."
    unmet = "of which points with w'x = 0 say nothing: the theorem's assumption of equal second moments is not met"
    return f"{told} {along:.3f} with w, {unmet}."


def draws(found: Sequence[Row]) -> str:
    """How many draws a file's rows are over."""
    return f"{int(number(found[0], 'draws')):,}"


def _low(row: Row) -> float:
    return number(row, "least") - SURE * number(row, "least_se")


REGIMES = {
    "bernoulli": "labels drawn from the teacher's probability",
    "argmax": "the teacher's more probable class as label",
    "soft": "the teacher's probability itself as label",
}


def _error(errors: Sequence[Row], regime: str) -> Section:
    own = [row for row in errors if row["regime"] == regime and row["condition"] in ("standard", "cod")]
    better, settings = [0, 0], 0
    for row in own:
        if row["condition"] == "cod":
            settings += 1
            better[0] += number(row, "less_squared") > SURE * number(row, "less_squared_se")
            better[1] += number(row, "less_angle") > SURE * number(row, "less_angle_se")
    worst = min(number(row, "rested") for row in own)
    return Section(
        f"The error of the estimate: {REGIMES.get(regime, regime)}",
        "Mean squared distance of estimate and w, mean angle between them, mean log ratio of their lengths; gains are "
        "`standard` minus `cod`, paired by draw, with 1.96 standard errors.",
        f"Of {settings} settings (lengths of w, overshoots, estimators) `cod` has the smaller squared error in "
        f"{better[0]} and the smaller angle in {better[1]}, each beyond 1.96 standard errors. Searches came to rest in "
        f"at least {100 * worst:.1f} % of the draws of each setting.",
        ("|w|", "estimator", "overshoot", "squared error", "gain", "angle, degrees", "gain", "log length", "wins"),
        [
            (
                row["norm"], row["estimator"], row["overshoot"] or "`standard`", f"{number(row, 'squared'):.3g}",
                *_gains(row), f"{number(row, 'length'):+.2f}",
                f"{100 * number(row, 'wins'):.0f} %" if row["overshoot"] else "",
            )
            for row in own
        ],
    )  # fmt: skip


def _gains(row: Row) -> tuple[str, str, str]:
    if not row["overshoot"]:
        return "", f"{number(row, 'angle'):.2f}", ""
    squared, angle = (
        f"{number(row, f'less_{part}'):+.3g} ± {SURE * number(row, f'less_{part}_se'):.2g}"
        for part in ("squared", "angle")
    )
    return squared, f"{number(row, 'angle'):.2f}", angle
