"""A grid -> what the page shows of it: headline, comparisons, charts, tables. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cod_bench.analysis import claims
from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.claims import Claim, Findings, Gain
from cod_bench.records.results import BadFile
from cod_bench.records.verdicts import REPRODUCED
from cod_bench.reports import captions, floors, leaderboard, page, standing
from cod_bench.reports import gains as gain_tables
from cod_bench.reports.asked import comparisons, teachers
from cod_bench.reports.asked.expected import OF_DIFFERENCES
from cod_bench.reports.site import charts as site_charts
from cod_bench.reports.site import limits
from cod_bench.reports.site.charts import Forest, Panel
from cod_bench.reports.site.limits import Limit
from cod_bench.reports.tables import counted, p_value, percent

MAIN_PAIR = claims.MAIN_PAIR
HALF = "half"


@dataclass(frozen=True, slots=True)
class Section:
    """One (suite, protocol, track): everything that never shares a table with another."""

    grid: Grid
    gains: tuple[Gain, ...]
    claims: tuple[Claim, ...]
    answer: Forest
    """What `cod` gains over `standard`, a row a method: of the reproduced ones if there are any."""
    groups: tuple[tuple[str, tuple[tuple[str, str, Forest], ...]], ...]
    """Every difference, in titled groups: (condition, over, a row a method), all on one scale."""
    panels: tuple[tuple[Panel, ...], ...]
    conditions: tuple[str, ...]
    parts: Mapping[str, str]
    """The leaderboard's own tables and captions, as markdown."""


@dataclass(frozen=True, slots=True)
class Headline:
    """The answer, what it rests on, and where it does not hold."""

    answer: str
    standing: str
    """Whether anybody has re-run the records behind it; empty where it was found again."""
    basis: str
    shown: bool = False
    """Whether it says that `cod` gains."""
    limits: tuple[Limit, ...] = ()
    rivals: str = ""
    """What is ahead of `cod`, in sentences as on the leaderboard."""

    @property
    def but(self) -> str:
        """In short, that it does not hold everywhere; empty where nothing speaks against it."""
        ahead = sum(limit.rival for limit in self.limits)
        flat = len({one.name for one in self.limits if not one.rival and not one.elsewhere}) if self.shown else 0
        told = [f"{counted(ahead, 'rival')} {'is' if ahead == 1 else 'are'} ahead"] if ahead else []
        told += [f"in {counted(flat, 'task')} no gain is shown"] if flat else []
        return f"But {', and '.join(told)}." if told else ""

    @property
    def sentence(self) -> str:
        """All of it in a line."""
        return " ".join(filter(None, (self.answer, self.but, self.standing, self.rivals)))


def section(grid: Grid, bad: Sequence[BadFile] = (), conditions: Sequence[str] = ()) -> Section:
    """What one grid gives to the page, which shows these conditions besides its own."""
    found = claims.findings(grid)
    told, asking = gain_tables.gain_caption(grid, found), claims.by_asking(grid)
    table = comparisons.table(grid, found.claims) if asking else gain_tables.gain_table(grid, found)
    parts = {
        "heading": captions.heading(grid),
        "state": page.state(grid),
        "floors": "\n\n".join(floors.main_parts(grid, level=3)[1:]),
        "accuracy": f"{page.accuracy(grid)}\n\n{page.accuracy_caption(grid)}",
        "gains": f"{table}\n\n{told}"
        if found.gains and not (grid.tested and (asking or claims.by_conditions(grid)))
        else "",
        "gain caption": " ".join(filter(None, [comparisons.undrawn(grid, found.gains), told])),
        "teachers": "\n\n".join(teachers.parts(grid, found.gains, level=3)[1:]),
        "matched": "\n\n".join(gain_tables.matched_parts(grid, found, level=3)[1:]),
        "claims": "\n\n".join(_claims(grid, found)),
        "per task": "\n\n".join(page.per_task(grid)[1:]),
        "counterfactuals": "\n\n".join(page.counterfactuals(grid)[1:]),
        "incomplete": "" if grid.complete and not grid.stale and not bad else leaderboard.incomplete(grid, bad),
    }
    return Section(
        grid, found.gains, found.claims,
        answer=site_charts.forest(_main(grid, found.gains)),
        groups=_groups(grid, found.gains),
        panels=tuple(tuple(row) for row in site_charts.panels(grid, [*grid.shown, *conditions])),
        conditions=grid.shown,
        parts=parts,
    )  # fmt: skip


def _claims(grid: Grid, found: Findings) -> list[str]:
    """The table of verdicts with its words, or why there is none."""
    if claims.by_asking(grid):
        return comparisons.parts(grid, found.claims) if grid.tested else [captions.untested(grid)]
    if claims.by_conditions(grid) and grid.tested:
        return gain_tables.worth(grid, found)
    return gain_tables.claim_parts(grid, found.claims)


def _main(grid: Grid, gains: Sequence[Gain]) -> list[Gain]:
    """What the headline is made of."""
    return standing.headed(grid, claims.main_gains(gains))


def _groups(grid: Grid, gains: Sequence[Gain]) -> tuple[tuple[str, tuple[tuple[str, str, Forest], ...]], ...]:
    drawn = [gain for gain in gains if gain.measure in OF_DIFFERENCES]
    whole = site_charts.forest(drawn)
    keys = [(gain.condition, gain.over, gain.measure, gain.ks if claims.by_asking(grid) else ()) for gain in drawn]
    found: dict[str, list[tuple[str, str, Forest]]] = {}
    for key in dict.fromkeys(keys):
        condition, over, measure, _ = key
        rows = [row for row, other in zip(whole.rows, keys, strict=True) if other == key]
        every = {row.method: row for row in rows[::-1]}
        own = tuple(row for row in rows if every[row.method] is row)  # two families may have the same gain
        title = "Over half as many labelled texts, trained as long" if over == HALF else "At the same k"
        told = (grid.conditions_about.get(name) for name in (condition, over))
        if over != HALF and not all(one is None or one.equal_k for one in told):
            title = "Not at the same k"
        title += ", in matched accuracy" if measure == "matched" else ""
        found.setdefault(title, []).append((condition, over, replace(whole, rows=own)))
    return tuple((title, tuple(forests)) for title, forests in found.items())


def headline(shown: Section, *others: Section) -> Headline:
    """The main answer: what `cod` gains over `standard`, or why nothing can be said; and what others show to be ahead.

    Args:
        others: the page's other sections; of a suite the first is its main one.
    """
    every = (shown, *others)
    first = {one.grid.suite.name: one for one in reversed(every)}
    main = [(one.grid, one.claims) for one in every if first[one.grid.suite.name] is one]
    return replace(_answer(shown), limits=tuple(limits.of(main)), rivals=gain_tables.rivals(main, str))


def _answer(shown: Section) -> Headline:
    grid = shown.grid
    done, declared = len(grid.runs), len(grid.declared)
    main = _main(grid, shown.gains)
    where = f"Suite {grid.suite.name}, track {grid.track}, protocol {grid.protocol}: {done} of {declared} trainings."
    where += f" Records: {standing.brief(grid)}. {standing.declared(grid)}"
    tried = [gain for gain in shown.gains if gain.condition in grid.suite.tried and gain.mean is not None]
    tried = standing.headed(grid, tried)
    if not main and tried:
        named = ", ".join(dict.fromkeys(f"{gain.condition} over {gain.over}" for gain in tried))
        said = f"Exploratory, no claim: {named} {_range(tried)} accuracy points."
        return Headline(said, _unproven(grid, tried), where)
    if not main:
        return Headline("Not asked here: this suite does not compare cod with standard.", "", where)
    n, tasks, seeds = captions.units(grid)
    of = {gain.method: ", ".join(map(str, gain.ks)) for gain in main}
    alike = len(set(of.values())) == 1 or not claims.by_asking(grid)
    ks = ", ".join(map(str, dict.fromkeys(k for gain in main for k in gain.ks)))
    ks = ks if alike else "; ".join(f"{own} ({method})" for method, own in of.items())
    basis = (
        f"Points of accuracy over standard at the same number of labelled texts, mean over k = {ks} and over "
        f"{counted(tasks, 'task')} × {counted(seeds, 'seed')}{captions.each(grid)}. "
    )
    ending = f"{captions.resting(grid)} {where}"
    others = [m for m in grid.methods if grid.primary(m, *MAIN_PAIR) and all(gain.method != m for gain in main)]
    left_out = f" Not in this headline: {', '.join(others)}. {standing.words(grid, others)}" if others else ""
    if not grid.complete:
        what = "Means so far; no interval, p or claim before every declared run is there. "
        said = f"Not decided yet: {done} of {declared} trainings are there."
        return Headline(said, "", basis + what + ending + left_out)
    if not grid.tested:
        said = f"Not decided: {_range(main)} accuracy points. {captions.untested(grid)}"
        return Headline(said, "", basis + ending + left_out)
    verdicts = claims.main_verdicts(shown.claims)
    p = max((gain.holm for gain in main if gain.holm is not None), default=None)
    basis += f"Bars: 95 % intervals, n = {n} units; Holm p at most {p_value(p)}. {ending}{left_out}"
    shows = any(verdicts.get(gain.method) == "shown" for gain in main)
    return Headline(_sentence(main, verdicts), _unproven(grid, main), basis, shows)


def _unproven(grid: Grid, gains: Sequence[Gain]) -> str:
    """What a headline says behind its numbers where they are of records that were not found again."""
    if any(standing.short(grid, gain.method) == REPRODUCED for gain in gains):
        return ""
    return standing.words(grid, list(dict.fromkeys(gain.method for gain in gains)))


def _sentence(main: Sequence[Gain], verdicts: Mapping[str, str | None]) -> str:
    by_verdict: dict[str, list[Gain]] = {}
    for gain in main:
        by_verdict.setdefault(verdicts.get(gain.method) or "not shown", []).append(gain)
    of, same = len(main), "at the same number of labels"
    up, down = by_verdict.get("shown", []), by_verdict.get("reversed", [])
    if up and down:
        return f"It depends on the method: {len(up)} of {of} gain and {len(down)} lose {same}."
    if up:
        whom = "" if len(up) == of else f" for {len(up)} of {of} methods"
        return f"Here they do{whom}: {_range(up)} accuracy points {same}."
    if down:
        whom = "" if len(down) == of else f" for {len(down)} of {of} methods"
        return f"Here they hurt{whom}: {_range(down)} accuracy points {same}."
    return f"Not shown: {_range(main)} accuracy points {same}, too little to tell from chance."


def _range(gains: Sequence[Gain]) -> str:
    values = sorted(gain.mean or 0.0 for gain in gains)
    texts = [text if text.startswith("-") else f"+{text}" for text in (percent(values[0]), percent(values[-1]))]
    return texts[0] if texts[0] == texts[1] else f"{texts[0]} to {texts[1]}"
