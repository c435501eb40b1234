"""What was timed -> a table of ratios, JSON, and a comparison with an earlier file. Values and text; no torch."""

from __future__ import annotations

import datetime as dt
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cod_bench.device import CPUINFO
from cod_bench.errors import UsageError
from cod_bench.records.provenance import environment, git

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds on the wall and of CPU, of all threads of this process."""

    wall: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall + other.wall, self.cpu + other.cpu)

    def __mul__(self, times: float) -> Cost:
        return Cost(self.wall * times, self.cpu * times)


@dataclass(slots=True)
class Clock:
    """Adds up what runs inside `of`."""

    cost: Cost = field(default_factory=Cost)

    @contextmanager
    def of(self) -> Iterator[None]:
        """Time what is inside."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.cost += Cost(time.perf_counter() - wall, time.process_time() - cpu)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table."""

    name: str
    what: str
    fast: Cost
    """Of the package, scaled to what `what` says."""
    plain: Cost | None = None
    """Of the plain loop for the same work; None where there is no plain way."""
    floor: float | None = None
    """The ratio that is promised."""
    measured: str = ""
    """What was timed, before it was scaled."""
    extra: dict[str, float] = field(default_factory=dict)
    """Further figures by name, in the unit that the name says."""
    promised: dict[str, float] = field(default_factory=dict)
    """The least that is promised of some of them."""

    @property
    def ratio(self) -> float | None:
        """Plain CPU time over fast CPU time, which other work on the machine moves little."""
        return None if self.plain is None else self.plain.cpu / self.fast.cpu


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one `cod-bench bench` found."""

    machine: dict[str, Any]
    date: str
    quick: bool
    lines: tuple[Line, ...]


def machine() -> dict[str, Any]:
    """CPU, cores, instruction set and library versions; no host name and no path."""
    found = {"cpu": "unknown", "cores": os.cpu_count() or 1, "commit": (git() or {}).get("commit", "unknown")}
    try:
        for line in CPUINFO.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                found["cpu"] = value.strip()
            if name.strip() in ("cpu family", "model"):
                found[name.strip()] = value.strip()
    except OSError:
        found["cpu"] = "unknown"
    return {**found, **environment()}


def report(lines: Sequence[Line], *, quick: bool) -> Report:
    """The lines with the machine and the date of today."""
    return Report(machine(), dt.datetime.now(dt.UTC).date().isoformat(), quick, tuple(lines))


def to_json(made: Report) -> str:
    """As it is written to a file."""
    return json.dumps({"schema": SCHEMA, **asdict(made)}, indent=1, sort_keys=True) + "\n"


def read(path: Path) -> Report:
    """An earlier file.

    Raises:
        UsageError: it cannot be read or is none of ours.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["schema"] != SCHEMA:
            raise UsageError(f"--compare {path}: schema {value['schema']}, not {SCHEMA}; measure again")
        lines = tuple(_line(one) for one in value["lines"])
        return Report(value["machine"], value["date"], bool(value["quick"]), lines)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"--compare {path}: is not a file that `cod-bench bench --out` wrote; name one") from error


def _line(value: dict[str, Any]) -> Line:
    plain = None if value["plain"] is None else Cost(**value["plain"])
    return Line(**{**value, "fast": Cost(**value["fast"]), "plain": plain})


def heading(found: dict[str, Any]) -> str:
    """The machine in one line."""
    family = f" (family {found.get('cpu family', '?')}, model {found.get('model', '?')})"
    return (
        f"{found['cpu']}{family}, {found['cores']} cores, {found['instructions']}, one thread; torch {found['torch']}, "
        f"transformers {found['transformers']}, Python {found['python']}; commit {str(found['commit'])[:12]}"
    )


def row(line: Line) -> str:
    """One line of the table: seconds of CPU (wall), ratio in CPU time (wall), floor, and how it was measured."""
    fast = f"{_seconds(line.fast.cpu)} ({_seconds(line.fast.wall)})"
    told = f"{line.name:22} {line.what}: {fast}"
    if line.plain is not None and line.ratio is not None:
        wall = line.plain.wall / line.fast.wall
        told += f", plain {_seconds(line.plain.cpu)} ({_seconds(line.plain.wall)}), {line.ratio:.2f}x ({wall:.2f}x)"
    if line.floor is not None and line.ratio is not None:
        told += f", floor {line.floor:g}x {'kept' if line.ratio >= line.floor else 'MISSED'}"
    for name, value in line.extra.items():
        told += f"; {name} {value:.4g}"
        if name in line.promised:
            told += f", floor {line.promised[name]:g} {'kept' if value >= line.promised[name] else 'MISSED'}"
    return told + (f"\n{'':22}   measured: {line.measured}" if line.measured else "")


def comparison(now: Report, before: Report) -> list[str]:
    """Line by line, this report's CPU seconds and ratio against an earlier one's."""
    known = {line.name: line for line in before.lines}
    found = [f"against {before.date}, {heading(before.machine)}"]
    if now.quick != before.quick:
        found.append("one of the two is --quick: their scaled figures differ in more than speed")
    for line in now.lines:
        other = known.get(line.name)
        if other is None:
            found.append(f"{line.name:22} not in the earlier file")
            continue
        told = f"{line.name:22} {_seconds(other.fast.cpu)} -> {_seconds(line.fast.cpu)} of CPU"
        if line.ratio is not None and other.ratio is not None:
            told += f", ratio {other.ratio:.2f}x -> {line.ratio:.2f}x"
        found.append(told)
    return found


def _seconds(value: float) -> str:
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.1f} s" if value < 600 else f"{value / 60:.1f} min"
