"""Rows of `fisher-order.csv` and `fisher-errors.csv` -> what became of Theorem 1, in tables and sentences."""

from __future__ import annotations

from collections.abc import Sequence

from cod_bench.reports.lab.moons import Section
from cod_bench.reports.lab.read import Row, number

SURE = 1.96
"""Standard errors on either side of a mean over 1,000 draws: 95 %."""


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
    along = min(number(row, "along") for row in at_zero)
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
        "Smallest eigenvalue of the mean difference in Fisher information per row, `cod` minus `standard`, over 1,000 "
        "draws of 40 rows; held: share of single draws without a negative eigenvalue; along w: cosine of its "
        "eigenvector and w.",
        f"On the boundary itself it is not, for any length of w: the missing direction is w (cosine at least "
        f"{along:.3f}), of which points with w'x = 0 say nothing, so that the theorem's assumption of equal second "
        f"moments fails. On average the order holds {where}; "
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
