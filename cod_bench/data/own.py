"""A stranger's file of texts and labels -> a task of that name: its classes, and which of its rows are evaluated on.

No Python file is needed: `--data NAME=PATH` with a name that no task has. Like every local slice it is known by the
content of its rows, so that another file under the same name is another task.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cod_bench.data import local as localfiles
from cod_bench.errors import UsageError
from cod_bench.task import Hub, RawRow, Task

CLASSES = range(2, 11)
"""How many there may be: records write a class with one digit."""
LONGEST = 40
"""Characters of a class's name."""
EVALUATION_ROWS = 1000
"""At most, where one table holds all rows."""
EVALUATION_SHARE = 0.4
"""Of the smallest class: of few rows many must judge, since students train on fewer still."""
CLASS = re.compile(r"[A-Za-z0-9_-]+( [A-Za-z0-9_-]+){0,2}")
"""What a class may be called in a record."""


def task(name: str, where: Path) -> Task:
    """The task of a file or a folder of rows, without its content.

    Raises:
        UsageError: rows that cannot be read, or labels that make no classes.
    """
    pool, evaluation = localfiles.table(where)
    counts = Counter(label for _, label in pool)
    classes = _classes(where, counts)
    strange = sorted({label for _, label in evaluation or ()} - {*classes})
    if strange:
        raise UsageError(
            f"--data {name}={where}: label {strange[0]!r} stands in its test rows alone; give training rows"
        )
    each = min(EVALUATION_ROWS // len(classes), max(1, int(EVALUATION_SHARE * min(counts.values()))))
    return Task(
        name=name, version=1, title="rows of your own", classes=classes, metric="accuracy", licence="your own",
        citation="", hub=Hub(id="", config="", rows={}, text="text", labels={}), evaluation_rows=each * len(classes),
        keep="sample" if evaluation is None else "distinct",
    )  # fmt: skip


def read(where: Path, classes: Sequence[str]) -> tuple[list[RawRow], list[RawRow] | None]:
    """Its training and evaluation rows; None where one table holds both.

    Raises:
        UsageError: as `task`.
    """
    numbers = {name: number for number, name in enumerate(classes)}
    pool, evaluation = localfiles.table(where)
    found = [
        None if rows is None else [RawRow(text, numbers[label]) for text, label in rows] for rows in (pool, evaluation)
    ]
    return found[0] or [], found[1]


def _classes(where: Path, counts: Counter[str]) -> tuple[str, ...]:
    """The labels in the order of their numbers or letters."""
    if len(counts) not in CLASSES:
        told = ", ".join(repr(label[:LONGEST]) for label in sorted(counts)[:5])
        raise UsageError(
            f"{where}: has {len(counts)} different labels ({told}); give rows of {CLASSES[0]} to {CLASSES[-1]} classes"
        )
    odd = [label for label in counts if not CLASS.fullmatch(label) or len(label) > LONGEST]
    if odd:
        raise UsageError(
            f"{where}: label {odd[0][:60]!r} cannot be a class's name; write one to three words of letters, digits, _ "
            f"or -, at most {LONGEST} characters"
        )
    numeric = all(label.isdecimal() for label in counts)
    return tuple(sorted(counts, key=lambda label: (int(label) if numeric else 0, label)))
