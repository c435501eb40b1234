"""A submission beside the declared methods: paired with one teacher, unpaired and so told across teachers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cod_bench import beside, leaderboard, plan
from tests.test_aggregate import HAND, REFERENCES, collect, hand_record, hand_records, made

MINE = plan.variant(HAND, submitted=("mine",))


def submission(**changes: str) -> list:
    found = [hand_record(spec, 7 + spec.seed) for spec in MINE.expand(track="minilm")]
    return [replace(record, **changes) for record in found]


def test_with_one_teacher_the_difference_is_paired():
    heading, table, caption = beside.parts(collect(submission(), MINE), collect(hand_records()))
    assert "Beside the methods of suite `hand`" in heading
    rows = table.splitlines()[2:]
    assert len(rows) == 4  # two declared methods, two conditions
    assert all("| paired |" in row for row in rows)
    assert "another teacher makes another problem" not in caption


def test_across_teachers_it_is_unpaired_and_says_so():
    references = {
        (t, task, "elsewhere"): replace(r, teacher_hash="elsewhere") for (t, task, _), r in REFERENCES.items()
    }
    own = [
        replace(record, teacher_hash="elsewhere", reference=f"{record.spec.task}-elsewhere") for record in submission()
    ]
    _, table, caption = beside.parts(collect(own, MINE, references), collect(hand_records()))
    rows = table.splitlines()[2:]
    assert all("**unpaired**" in row for row in rows)
    assert "Across teachers methods are compared **unpaired**" in caption


def test_nothing_is_compared_before_both_grids_are_complete():
    half = collect(submission()[:-1], MINE)
    assert beside.parts(half, collect(hand_records()))[1:] == ["Not compared before both grids are complete."]


@pytest.mark.parametrize("state", ["", "submitted"])
def test_only_a_submissions_page_has_the_table_and_its_state(state: str):
    records = [*hand_records(), *submission()]
    files = leaderboard.render(
        made["found"]([HAND, MINE], records, REFERENCES), figures=False,
        states=lambda grid: {m: state for m in grid.methods if state and m == "mine"},
    )  # fmt: skip
    assert "## Beside" not in files["hand/README.md"]
    assert "Records:" not in files["hand/README.md"]
    assert "## Beside" in files["hand+mine/README.md"]
    assert ("Records: mine submitted." in files["hand+mine/README.md"]) == bool(state)
