"""A submission's grid and the declared one -> the submission beside the declared methods. Pure; exploratory."""

from __future__ import annotations

from cod_bench import compare
from cod_bench.aggregate import Grid
from cod_bench.tables import code, escape, interval, markdown, p_value, points


def parts(own: Grid, declared: Grid) -> list[str]:
    """Heading, table and caption for the page of a submission; says what is missing while a grid is not complete."""
    heading = f"## Beside the methods of suite {code(declared.suite.name)} (accuracy points, exploratory)"
    if not (own.complete and declared.complete):
        return [heading, "Not compared before both grids are complete."]
    rows, unpaired = [], False
    for method in own.methods:
        for other in declared.methods:
            for condition in own.conditions(method):
                ks = [k for k in own.primary(method, condition) if k in declared.primary(other, condition)]
                if condition not in declared.conditions(other) or not ks:
                    continue
                found = compare.compare(
                    (method, compare.side(own, method, condition, ks)),
                    (other, compare.side(declared, other, condition, ks)),
                )
                if not found.units or found.estimate is None:
                    continue
                unpaired |= not found.paired
                how = "paired" if found.paired else "**unpaired**"
                told = [points(found.estimate), interval(found.low, found.high)]
                told += ["–" if found.p is None else p_value(found.p), how, str(found.units)]
                named = [f"{escape(method)} - {escape(other)}", code(condition), ", ".join(map(str, found.ks))]
                rows.append([*named, *told])
    if not rows:
        return []
    caption = (
        "Accuracy of the submission minus that of a declared method under the same condition, mean over tasks of the "
        "mean over seeds and the k named; 95 % intervals, p not adjusted. Paired by (task, seed) where both had one "
        "teacher and the same evaluation rows. "
    )
    if unpaired:
        caption += (
            "Across teachers methods are compared **unpaired**: another teacher makes another problem, so the spreads "
            "of both sides add up, there is no p, and a difference may be the teacher's. "
        )
    headers = ["difference", "condition", "k", "points", "95 % interval", "p", "how", "n units"]
    caption += f"Track {code(own.track)}, protocol {code(own.protocol)}."
    return [heading, markdown(headers, rows, left=3), caption]
