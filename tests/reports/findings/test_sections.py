"""Section files and a database -> sentences whose numbers are the database's, and an error for what cannot be said."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cod_bench.errors import RunError
from cod_bench.reports.findings import sections

WHOLE = """# Does it
help?

Claim: It helps (Table 1),
always.

Run: `cod-bench run --all`

Run: `cod-bench lab moons`

Figure: docs/a.svg | What it looks like

```sql
SELECT k, 100 * AVG(gain) AS gain, 'holds here' AS verdict FROM told GROUP BY k
```

At k = {k} it gains {gain:+.1f}
points.

```sql
SELECT COUNT(*) AS n FROM told
```

Over {n} units.
"""


@pytest.fixture
def told() -> sqlite3.Connection:
    made = sqlite3.connect(":memory:")
    made.execute("CREATE TABLE told (k, gain)")
    made.executemany("INSERT INTO told VALUES (?, ?)", [(8, 0.01), (8, 0.03), (16, -0.005)])
    return made


def test_a_file_is_a_title_a_head_and_queries_with_their_sentences() -> None:
    found = sections.parse("one", WHOLE)
    assert (found.title, found.claim) == ("Does it help?", "It helps (Table 1), always.")
    assert found.commands == ("`cod-bench run --all`", "`cod-bench lab moons`")
    assert found.figures == (("docs/a.svg", "What it looks like"),)
    assert [words for _, words in found.asked] == ["At k = {k} it gains {gain:+.1f} points.", "Over {n} units."]


def test_a_sentence_a_row_with_its_numbers_and_the_querys_verdict(told: sqlite3.Connection) -> None:
    found = sections.answer(sections.parse("one", WHOLE), told)
    assert found.findings[0].sentences == (
        ("At k = 8 it gains +2.0 points.", "holds here"),
        ("At k = 16 it gains -0.5 points.", "holds here"),
    )
    assert found.findings[1].sentences == (("Over 3 units.", ""),)


@given(gains=st.lists(st.floats(-1, 1), min_size=1, max_size=20))
def test_what_a_sentence_says_is_what_the_rows_say(gains: list[float]) -> None:
    made = sqlite3.connect(":memory:")
    made.execute("CREATE TABLE told (k, gain)")
    made.executemany("INSERT INTO told VALUES (8, ?)", [(gain,) for gain in gains])
    ((words, _),) = sections.answer(sections.parse("one", WHOLE), made).findings[0].sentences
    (mean,) = made.execute("SELECT 100 * AVG(gain) FROM told").fetchone()
    assert words == f"At k = 8 it gains {mean:+.1f} points."


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("# Does", "Does", "needs a title"),
        ("Run: `cod-bench run --all`\n\nRun: `cod-bench lab moons`\n\n", "", "needs a title, a command"),
        ("Claim: ", "Claims: ", "'Claims: It helps (Table 1), always.' is none of Claim, Run, Figure"),
        ("| What it looks like", "", "has no words"),
        ("Over {n} units", "Over 20 units", "states '2' itself"),
        ("```sql\nSELECT COUNT", "```\nSELECT COUNT", "with its sentence below"),
        ("Over {n} units.", "", "with its sentence below"),
    ],
)
def test_a_file_that_is_none_is_told(old: str, new: str, said: str) -> None:
    with pytest.raises(RunError, match=r"^section one: ") as caught:
        sections.parse("one", WHOLE.replace(old, new))
    assert said in str(caught.value)


def test_numbers_in_code_are_names() -> None:
    assert sections.parse("one", WHOLE.replace("Over {n} units", "Over {n} units of `ten10`"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "FROM told GROUP BY k",
            "FROM untold GROUP BY k",
            "its query fails (no such table: untold); run `cod-bench run",
        ),
        (
            "FROM told GROUP BY k",
            "FROM told WHERE k = 512 GROUP BY k",
            "its query finds no records; run `cod-bench run",
        ),
        (
            "100 * AVG(gain)",
            "NULL",
            "gain is empty in its sentence; run `cod-bench run --all` and `cod-bench lab moons`",
        ),
        ("SELECT COUNT(*) AS n", "SELECT NULL AS n", "n is empty in its sentence"),
        ("{gain:+.1f}", "{loss:+.1f}", "has no column 'loss'"),
        ("{gain:+.1f}", "{gain:+.1x}", "in its sentence"),
        ("'holds here'", "'wins'", "verdict 'wins' is none of holds here,"),
        (", 'holds here' AS verdict", "", "no query gives a verdict"),
    ],
)
def test_what_the_records_do_not_say_fails(told: sqlite3.Connection, old: str, new: str, said: str) -> None:
    with pytest.raises(RunError, match=r"^section one: ") as caught:
        sections.answer(sections.parse("one", WHOLE.replace(old, new)), told)
    assert said in str(caught.value)


def test_every_section_of_the_report_is_one_and_names_its_place() -> None:
    found = sections.sections()
    assert len(found) >= 10
    assert [section.name for section in found] == sorted(section.name for section in found)
    assert len({section.title for section in found}) == len(found)
