"""Gains -> one axis: a row a comparison with its interval, a colour a method, groups by what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cod_bench.analysis import claims
from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.claims import ALPHA, POOLED, Gain
from cod_bench.reports import plots
from cod_bench.reports.asked.expected import OF_DIFFERENCES
from cod_bench.reports.figures.limits import Limits, Spot, beyond, limits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOOKS = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "v"), ("#E69F00", "D"), ("#56B4E9", "p"))
"""(colour, marker) of a method, in the suite's order; the mean of methods is a black diamond."""
MEAN = "mean of methods"
APART = 0.55
"""Between two methods of a comparison, where 1 is between two comparisons of one method."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the axis: the heading of a group, or a comparison with the gains of its methods."""

    label: str
    gains: tuple[Gain, ...] = ()


def of(grid: Grid, *, methods: Sequence[str] = (), conditions: Sequence[str] = ()) -> list[Gain]:
    """The gains in accuracy that a grid's tables have, each once: those of the mean over methods first. A trend or an
    equivalence that a suite asks for is none.

    Args:
        methods: only these, and no mean over methods; all if empty.
        conditions: only comparisons among these, or all of one condition where one is named; all if empty.
    """
    found = claims.findings(grid)
    one: dict[tuple[object, ...], Gain] = {}
    for gain in (*(() if methods else found.pooled), *found.gains):
        pair = {gain.condition, gain.over}
        named = not conditions or pair <= {*conditions} or (len(conditions) == 1 and conditions[0] in pair)
        if named and (not methods or gain.method in methods) and gain.measure in OF_DIFFERENCES:
            # over conditions two families have `cod` - `standard`
            key = (gain.measure, gain.ks) if claims.by_asking(grid) else ()
            one.setdefault((gain.method, gain.condition, gain.over, *key), gain)
    return [*one.values()]


def rows(gains: Sequence[Gain], *, condition: Callable[[str], str] = str) -> list[Row]:
    """The lines from top to bottom: first `cod` minus each condition, then each condition minus another."""
    groups: dict[str, dict[tuple[str, str, str], list[Gain]]] = {}
    several = len({gain.ks for gain in gains if gain.family == claims.ASKED}) > 1
    for gain in gains:
        ours = gain.condition == claims.MAIN_PAIR[0]
        head = f"{condition(gain.condition)} minus" if ours else f"minus {condition(gain.over)}"
        told = " (matched accuracy)" if gain.measure == "matched" else ""
        told += f", k = {', '.join(map(str, gain.ks))}" if several else ""
        groups.setdefault(head, {}).setdefault((gain.condition, gain.over, told), []).append(gain)
    found = []
    for head, pairs in groups.items():
        found.append(Row(head))
        for (one, other, told), own in pairs.items():
            found.append(Row(condition(other if one == claims.MAIN_PAIR[0] else one) + told, tuple(own)))
    return found


def draw(ax: Axes, lines: Sequence[Row], methods: Sequence[str], *, method: Callable[[str], str] = str) -> None:
    """Draw on an axis: points gained with 95 % intervals; hollow where Holm's p is not at most .05, or there is none.

    Args:
        methods: those of the suite, whose order gives each its look.
        method: what one is called.
    """
    import matplotlib as mpl
    from matplotlib.markers import CARETLEFT, CARETRIGHT
    from matplotlib.ticker import MaxNLocator

    scale = mpl.rcParams["lines.markersize"] / 6.0
    there = [name for name in (POOLED, *methods) if any(gain.method == name for line in lines for gain in line.gains)]
    looks = {name: LOOKS[place % len(LOOKS)] for place, name in enumerate(methods)} | {POOLED: ("#000000", "D")}
    on = _ends([gain for line in lines for gain in line.gains])
    middles = places(lines)
    for middle, line in zip(middles, lines, strict=True):
        own = sorted(line.gains, key=lambda gain: there.index(gain.method))
        for turn, gain in enumerate(own):
            spot, (colour, marker) = _spot(gain), looks[gain.method]
            at = middle + APART * (turn - (len(own) - 1) / 2)
            if spot is None:
                continue
            if spot.low is not None and spot.high is not None:
                ax.plot([spot.low, spot.high], [at, at], color=colour, linewidth=1.2 * scale, zorder=2)
            for out, end, arrow in zip(beyond(spot, on), on, (CARETLEFT, CARETRIGHT), strict=True):
                if out:
                    ax.plot([end], [at], marker=arrow, color=colour, markersize=4 * scale, linestyle="", clip_on=False)
            face = colour if _shown(gain) else "white"
            ax.plot([spot.mean], [at], marker, color=colour, markerfacecolor=face, markersize=4.5 * scale, zorder=3)
    for name in there:
        called = MEAN if name == POOLED else method(name)
        ax.plot([], [], looks[name][1], color=looks[name][0], markersize=4.5 * scale, label=plots.plain(called))
    ax.axvline(0.0, color="#8a8a8a", linewidth=0.9, zorder=1)
    ax.set_yticks(middles, [plots.plain(line.label) for line in lines])
    for tick, line in zip(ax.get_yticklabels(), lines, strict=True):
        tick.set_fontweight("normal" if line.gains else "bold")
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(middles[-1] + _half(lines[-1]) + 0.2, middles[0] - 0.7)
    ax.set_xlim(*on)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.set_xlabel("accuracy points gained")
    ax.grid(axis="x", alpha=0.25)


def places(lines: Sequence[Row]) -> list[float]:
    """Where the lines stand, from the top: a comparison of several methods takes more room."""
    found: list[float] = []
    for before, line in zip((None, *lines), lines, strict=False):
        found.append(0.0 if before is None else found[-1] + _half(before) + _half(line))
    return found


def _half(line: Row) -> float:
    """Half of a line's height."""
    return 0.5 + APART * max(0, len(line.gains) - 1) / 2


def _ends(gains: Sequence[Gain]) -> Limits:
    return limits([spot for gain in gains if (spot := _spot(gain)) is not None], (0.0,))


def _spot(gain: Gain) -> Spot | None:
    """Points gained; none while a task has no unit."""
    e = gain.effect
    if e is not None:
        low, high = (None if end is None else 100 * end for end in (e.low, e.high))
        return Spot(0.0, 100 * e.estimate, low, high)
    return None if gain.mean is None else Spot(0.0, 100 * gain.mean)


def _shown(gain: Gain) -> bool:
    """Whether its p is at most .05: Holm's, or its own where it is one test."""
    p = gain.holm if gain.holm is not None else gain.effect.p if gain.effect is not None else None
    return p is not None and p <= ALPHA
