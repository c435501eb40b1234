"""No given row is lost without a word: each rule tells how many it took."""

from __future__ import annotations

import hashlib
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from cod_bench.data import corpus as corpora
from cod_bench.data import losses
from cod_bench.task import Hub, RawRow, Task

TASK = Task(
    name="mine", version=1, title="Mine", classes=("no", "yes"), metric="accuracy", licence="own", citation="",
    hub=Hub(id="", config="", rows={}, text="text", labels={}), evaluation_rows=20, keep="sample",
)  # fmt: skip


def text(n: int) -> str:
    """A text that is near to no other."""
    return " ".join(hashlib.sha256(f"{n}/{place}".encode()).hexdigest()[:8] for place in range(5))


def rows(count: int) -> list[RawRow]:
    return [RawRow(text(n), n % 2) for n in range(count)]


def test_each_rule_tells_its_own() -> None:
    given_rows = rows(120)
    more = [
        RawRow("too short", 0),
        given_rows[0],
        RawRow(given_rows[1].text.upper(), given_rows[1].label),
        RawRow("one text under two labels here", 0),
        RawRow("one text under two labels here", 1),
    ]
    told = losses.told([*given_rows, *more], corpora.arrange(TASK, [*given_rows, *more], None))
    assert told.startswith("125 rows: ")
    assert "1 shorter than 4 words" in told
    assert "4 repeated or under two labels" in told


def test_rows_are_looked_for_as_corpora_have_them() -> None:
    given_rows = [RawRow(f"\u201c{row.text}\u201d \u2013 it\u2019s", row.label) for row in rows(40)]
    made = corpora.arrange(TASK, given_rows, None)
    assert len(made.train) + len(made.dev) + len(made.evaluation) == len(given_rows)
    assert "left out" not in losses.told(given_rows, made)


def test_nothing_lost_is_nothing_told() -> None:
    given_rows = rows(40)
    made = corpora.arrange(TASK, given_rows, None)
    kept = [*made.train, *made.dev, *made.evaluation]
    told = losses.told([RawRow(row.text, row.label) for row in kept], made)
    assert "left out" not in told


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 150), min_size=60, max_size=160))
def test_the_counts_add_up(chosen: list[int]) -> None:
    given_rows = [*rows(60), *(RawRow(text(n), n % 2) for n in chosen)]
    told = losses.told(given_rows, corpora.arrange(TASK, given_rows, None))
    total, *parts = (int(n) for n in re.findall(r"\d+(?= )", told.replace("than 4 words", "")))
    assert total == len(given_rows) == sum(parts), told
