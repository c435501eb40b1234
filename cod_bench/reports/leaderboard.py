"""Records and references -> the leaderboard's files as text; writing and checking them. No training side."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from cod_bench.analysis import claims, quality, stats
from cod_bench.analysis.aggregate import Grid
from cod_bench.analysis.claims import POOLED, Findings, Gain
from cod_bench.design.suite import Suite
from cod_bench.errors import plain
from cod_bench.records.results import BadFile
from cod_bench.reports import beside, captions, exports, floors, frontier, page, standing
from cod_bench.reports import exploratory as explore_page
from cod_bench.reports.figures import board
from cod_bench.reports.gains import rivals
from cod_bench.reports.tables import code, counted, escape, interval, markdown, p_value, percent, points
from cod_bench.spec import RunSpec
from cod_bench.store import write_atomic
from cod_bench.track import of_teacher

States = Callable[[Grid], Mapping[str, str]]

INDEX = "README.md"
MAIN = "main.txt"
"""The main figure of a section as plain lines, for the terminal."""
INTRODUCTION = (
    "Few-shot distillation of text classifiers: does half of the labelled rows with a counterfactual of each teach the "
    "student more than as many labelled rows do? Rendered by `cod-bench leaderboard` from records alone. Protocols, "
    "tracks and suites never share a table."
)


def render(
    found: Sequence[tuple[Suite, Sequence[Grid]]],
    *,
    bad: Sequence[BadFile] = (),
    figures: bool = True,
    states: States | None = None,
) -> dict[str, str]:
    """Every file of the leaderboard, by its path under the output folder.

    A suite's folder holds its main section, the first of `grids.sections`: as a rule protocol `last` on the suite's
    main track. Every other (protocol, track) with records has a folder of its own inside, `<protocol>-<track>`.

    Args:
        found: what to render, each suite with its `sections`; one without a counted run gets one line in the index.
        bad: files that should be records and are not; listed by name.
        figures: draw the curves; without, their names stand with empty text (enough for `check`).
        states: grid -> method -> whether its records are submitted or have been re-run; submitted where none is told.
    """
    files: dict[str, str] = {}
    index = ["# Leaderboard", INTRODUCTION]
    shown: list[tuple[str, Grid]] = []
    asked_over: list[tuple[Grid, Sequence[claims.Claim]]] = []
    for suite, grids in found:
        counted = [replace(grid, states=states(grid) if states else {}) for grid in grids if grid.runs]
        if not counted:
            stale = sum(len(grid.stale) for grid in grids)
            index.append(f"## {escape(suite.title)} (suite {code(suite.name)})")
            index.append("No run yet." if not stale else f"No counted run; {stale} stale records.")
            continue
        for place, grid in enumerate(counted):
            folder = safe(suite.name)
            if place:
                folder += f"/{safe(f'{grid.protocol}-{grid.track}')}"
            asked = claims.findings(grid)
            made = section(grid, asked, bad=bad, figures=figures)
            files |= {f"{folder}/{name}": text for name, text in made.items()}
            shown.append((f"{folder}/{INDEX}", grid))
            if place == 0:
                asked_over.append((grid, asked.claims))
                index.append(f"## [{captions.heading(grid)}]({quote(folder)}/README.md)")
                index += [*headline(grid, asked.gains), page.state(grid), page.main(grid, asked, level=3)]
            else:
                told = f"{len(grid.runs)} runs, {escape(standing.brief(grid))}"
                index.append(f"Also: [{captions.heading(grid)}]({quote(folder)}/README.md), {told}.")
    if ahead := rivals(asked_over):
        index.insert(2, f"**{ahead}**")
    files[INDEX] = "\n\n".join(index) + "\n"
    for name, grid in shown:  # once every grid is there to stand beside
        if (other := beside.counterpart(grid, [grid for _, grid in shown])) is not None:
            files[name] += "".join(f"\n{part}\n" for part in beside.parts(grid, other))
    return files


def headline(grid: Grid, gains: Sequence[Gain]) -> list[str]:
    """What `cod` gains over `standard` in a line, by the reproduced methods if there are any; none before all is there.

    Where none is reproduced, the line says that nobody has re-run the records.
    """
    asked = [gain for gain in claims.main_gains(gains) if gain.mean is not None]
    own = standing.headed(grid, asked)
    if not own or not grid.tested:
        return []
    values = sorted(gain.mean or 0.0 for gain in own)
    span = " to ".join(dict.fromkeys(points(value) for value in (values[0], values[-1])))
    methods = [gain.method for gain in own]
    text = f"**`cod` - `standard`: {span} accuracy points ({', '.join(map(escape, methods))}).**"
    return [f"{text} {escape(standing.words(grid, methods))}"]


def section(grid: Grid, asked: Findings, *, bad: Sequence[BadFile] = (), figures: bool = True) -> dict[str, str]:
    """The files of one (suite, protocol, track), by name."""
    curves = {f"{safe(task)}.svg": task for task in grid.suite.tasks if any(s.task == task for s in grid.runs)}
    files = {
        INDEX: page.page(grid, asked, list(curves)),
        "cells.csv": exports.cells_csv(grid),
        "overall.csv": exports.overall_csv(grid),
        "significance.csv": exports.significance_csv(grid, [*asked.pooled, *asked.gains, *claims.exploratory(grid)]),
        "claims.csv": exports.claims_csv(grid, asked.claims),
        "exploratory.md": explore_page.text(grid),
        "incomplete.md": incomplete(grid, bad),
        MAIN: "\n".join(main_figure(grid, asked)) + "\n",
    }
    files |= frontier.files(grid, figures=figures) | ({"floors.csv": floors.csv(grid)} if grid.floors else {})
    return files | {name: board.learning_curve(grid, task) if figures else "" for name, task in curves.items()}


def incomplete(grid: Grid, bad: Sequence[BadFile] = ()) -> str:
    """What is missing, stale or unreadable."""
    parts = [f"# Incomplete: {captions.heading(grid)}"]
    groups: dict[tuple[str, str, str, int, str], list[int]] = {}
    for spec in grid.missing:
        teacher = str(of_teacher(spec.track)[1])
        groups.setdefault((spec.task, spec.method, spec.condition, spec.k, teacher), []).append(spec.seed)
    if groups:
        rows = [
            [
                escape(task), escape(method), code(condition), str(k), *([teacher] if grid.crossed else []),
                ", ".join(map(str, seeds)), str(len(seeds)),
            ]
            for (task, method, condition, k, teacher), seeds in groups.items()
        ]  # fmt: skip
        names = ["task", "method", "condition", "k", *(["teacher's seed"] if grid.crossed else [])]
        table = markdown([*names, "missing seeds", "n"], rows, left=3)
        parts += [f"{len(grid.missing)} of {len(grid.declared)} runs are missing; none is imputed.", table]
    else:
        parts.append(f"Nothing: all {len(grid.declared)} runs are there.")
    if grid.stale:
        rows = [[escape(_label(grid, s.spec)), code(s.run_id), escape(s.reason)] for s in grid.stale]
        parts += ["## Stale records, not counted", markdown(["run", "run id", "reason"], rows, left=3)]
    if bad:
        # The reason may quote the file's content, and the folder stays private.
        found = sorted(bad, key=lambda file: file.path.name)
        rows = [[escape(plain(file.path.name)), escape(plain(file.reason))] for file in found]
        parts += ["## Unreadable files, not counted", markdown(["file", "reason"], rows, left=2)]
    return "\n\n".join(parts) + "\n"


def _label(grid: Grid, spec: RunSpec) -> str:
    """A run's label, with its teacher where there are several."""
    return f"{spec.label} teacher={of_teacher(spec.track)[1]}" if grid.crossed else spec.label


def main_figure(grid: Grid, found: Findings | None = None, *, methods: Sequence[str] = ()) -> list[str]:
    """The figure that `run` prints at its end: what `cod` gains over `standard`, of all methods and a line a method.

    In a variant that tries a condition of one's own, every gain that is asked of it. Reproduced methods stand first.
    Each line says the state of its records, or the last one that of all. `found` are the grid's
    `claims.findings`, computed here if not given. With `methods` these alone have a line.
    """
    tried = bool(grid.suite.tried)
    what = "exploratory, accuracy points" if tried else "cod - standard, accuracy points"
    lines = [f"suite {grid.suite.name}, track {grid.track}, protocol {grid.protocol}: {what}"]
    n, tasks, seeds = captions.units(grid)
    if not grid.complete:
        lines[0] += f" (PARTIAL: {len(grid.runs)} of {len(grid.declared)} runs; no interval or p before all are there)"
    elif not grid.tested:
        lines[0] += f" (no interval or p: {n} of the {stats.FEWEST} units that they take)"
    known = claims.findings(grid) if found is None else found
    asked = list(known.gains) if tried else claims.main_gains(known.gains)
    asked = [gain for gain in asked if not methods or gain.method in methods]
    first = standing.headed(grid, asked)
    states = {gain.method: standing.short(grid, gain.method) for gain in asked}
    alike = len(set(states.values())) == 1
    rest = [gain for gain in asked if not any(gain is one for one in first)]
    for gain in [*claims.main_gains(() if methods else known.pooled), *first, *rest]:
        whole = gain.method == POOLED
        state = "" if alike else f", records: {standing.brief(grid) if whole else states[gain.method]}"
        method = captions.ALL_METHODS if whole else " ".join(gain.method.split())
        ks, e = ", ".join(map(str, gain.ks)), gain.effect
        method += f" {gain.condition} - {gain.over}" if tried else ""
        if e is None:
            lines.append(f"{method}: {points(gain.mean)}, n = {gain.pairs} of {n} units, k = {ks}{state}")
            continue
        bounds = interval(e.low, e.high)
        design = f"n = {e.units} units ({counted(tasks, 'task')} x {counted(seeds, 'seed')}"
        design += f", each averaged over {len(grid.on_teachers)} teachers)" if grid.crossed else ")"
        adjusted = "one test" if whole else f"Holm {p_value(gain.holm)}"
        lines.append(
            f"{method}: {points(e.estimate)}, 95 % interval {bounds}, p = {p_value(e.p)} "
            f"({adjusted}; smallest possible {p_value(stats.smallest_p(n))}), {design}, k = {ks}{state}"
        )
    if alike:
        lines.append(standing.words(grid, list(states)))
    if len(lines) == 1 and grid.methods:
        lines.append("not in this suite: it does not declare both conditions")
    if told := floors.sentence(grid, plain=True, methods=methods):
        lines.append(told)
    lines += [
        f"{method}: not applicable on this track: it {why}"
        for method, why in grid.excluded.items()
        if not methods or method in methods
    ]
    return lines


def footing(grid: Grid) -> list[str]:
    """What the figures of a folder stand on, where that is weak: teachers that know little, slots without a flip."""
    lines = []
    best: dict[str, float] = {}
    for spec, run in grid.runs.items():
        best[spec.task] = max(best.get(spec.task, 0.0), float(run.metrics["accuracy"]))
    if weak := [f"{task} {percent(own)} %" for task, own in grid.teachers.items() if own < best.get(task, 0.0)]:
        lines.append(f"Weak teacher: {', '.join(weak)}, less than the best run here; so is what it labels and flips")
    cells = quality.table(grid, "cod") if "cod" in grid.shown else []
    if few := [cell for cell in cells if cell.marked]:
        told = ", ".join(f"{cell.task} {percent(cell.valid)} % at k = {cell.k}" for cell in few)
        lines.append(f"Few valid counterfactuals ({told} of the slots): the others hold plain texts in cod too")
    return lines


def asked_figure(grid: Grid, asked: Sequence[RunSpec]) -> list[str]:
    """What `run` prints at its end where filters left a part of the suite: means of that part and nothing else.

    A line a method, condition and k; behind each condition what it gains over `standard` where both were asked for,
    over the units that both have. Never an interval or p: a part was chosen by whoever asked.
    """
    where = f"suite {grid.suite.name}, track {grid.track}, protocol {grid.protocol}"
    whole = counted(len(grid.declared), "run")
    lines = [f"{where}: what was asked for, accuracy in %, means alone (the whole suite has {whole})"]
    cells: dict[tuple[str, str, int], list[RunSpec]] = {}
    for spec in asked:
        if spec in grid.runs:
            cells.setdefault((spec.method, spec.condition, spec.k), []).append(spec)
    shares = {spec: float(grid.runs[spec].metrics["accuracy"]) for own in cells.values() for spec in own}
    for (method, condition, k), own in sorted(cells.items(), key=lambda item: (item[0][0], item[0][2])):
        name = " ".join(f"{method} {condition}, k = {k}".split())
        line = f"{name}: {percent(_mean(own, shares))} (n = {counted(len(own), 'run')})"
        base = {replace(spec, condition="standard", generator=""): spec for spec in own}
        pairs = [(spec, other) for other, spec in base.items() if other in shares]
        if condition != "standard" and pairs:
            here, there = ([pair[side] for pair in pairs] for side in (0, 1))
            gain = _mean(here, shares) - _mean(there, shares)
            line += f"; {condition} - standard {points(gain)} (n = {counted(len(pairs), 'pair')})"
        lines.append(line)
    return lines if len(lines) > 1 else []


def _mean(specs: Sequence[RunSpec], shares: Mapping[RunSpec, float]) -> float:
    """Mean over tasks of the mean over seeds and teachers."""
    of_task: dict[str, list[float]] = {}
    for spec in specs:
        of_task.setdefault(spec.task, []).append(shares[spec])
    return sum(sum(own) / len(own) for own in of_task.values()) / len(of_task)


def write(out: Path, files: Mapping[str, str]) -> None:
    """Write every file under `out`, each whole.

    Raises:
        UsageError: the folder cannot be written.
    """
    for name, text in files.items():
        write_atomic(out / name, text)


def check(out: Path, files: Mapping[str, str]) -> list[str]:
    """Names under `out` that are missing or differ from `files`; a figure only has to be there and not be empty."""
    found = []
    for name, text in sorted(files.items()):
        path = out / name
        if not path.is_file() or not path.stat().st_size:
            found.append(f"{name}: missing")
        elif not name.endswith(".svg") and path.read_bytes() != text.encode():
            found.append(f"{name}: stale")
    return found


def safe(name: str) -> str:
    """A name as a file name: other characters than letters, digits and `._+-` become `_`."""
    return re.sub(r"[^A-Za-z0-9._+-]|^\.", "_", name)
