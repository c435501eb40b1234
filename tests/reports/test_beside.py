"""A submission beside the declared methods: paired with one teacher, unpaired and so told across teachers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cod_bench.reports import beside, leaderboard
from tests.analysis.test_aggregate import HAND, REFERENCES, collect, hand_record, hand_records, made

MINE = HAND.variant(submitted=("mine",))


def submission(**changes: str) -> list:
    found = [hand_record(spec, 7 + spec.seed) for spec in MINE.expand(track="minilm")]
    return [replace(record, **changes) for record in found]


def test_with_one_teacher_the_difference_is_paired():
    heading, _, _, table, caption = beside.parts(collect(submission(), MINE), collect(hand_records()))
    assert "Beside the methods of suite `hand`" in heading
    rows = table.splitlines()[2:]
    assert len(rows) == 4  # two declared methods, two conditions
    assert all("| paired |" in row for row in rows)
    assert "another teacher makes another problem" not in caption


def elsewhere():
    """The submission trained by another teacher, as a grid."""
    references = {
        (t, task, "elsewhere"): replace(r, teacher_hash="elsewhere") for (t, task, _), r in REFERENCES.items()
    }
    own = [
        replace(record, teacher_hash="elsewhere", reference=f"{record.spec.task}-elsewhere") for record in submission()
    ]
    return collect(own, MINE, references)


def test_across_teachers_it_is_unpaired_and_says_so():
    table, caption = beside.differences(elsewhere(), collect(hand_records()))
    rows = table.splitlines()[2:]
    assert all("**unpaired**" in row for row in rows)
    assert "Across teachers methods are compared **unpaired**" in caption


def test_nothing_is_compared_before_both_grids_are_complete():
    half = collect(submission()[:-1], MINE)
    assert beside.differences(half, collect(hand_records())) == ["Not compared before both grids are complete."]
    assert "| **mine** | submitted | – " in " ".join(beside.figures(half, collect(hand_records()))[0].split())
    assert "[" not in "".join(beside.parts(half, collect(hand_records())))


@pytest.mark.parametrize("same", [True, False])
def test_its_accuracies_stand_beside_those_of_the_declared_methods(same: bool):
    told = {"mine": "reproduced (4 of 4 re-run cells found again, of 8; 2026-11-24)"}
    own = replace(collect(submission(), MINE) if same else elsewhere(), states=told)
    table, caption = beside.figures(own, collect(hand_records()))
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]
    teacher = "same" if same else "another"
    assert rows == [
        ["`standard`", "**mine**", "reproduced", "–", "75.0", "75.0", "4"],
        ["`standard`", "kd", "submitted", teacher, "62.5", "62.5", "4"],
        ["`standard`", "lwd", "submitted", teacher, "70.0", "70.0", "4"],
        ["`cod`", "**mine**", "reproduced", "–", "75.0", "75.0", "4"],
        ["`cod`", "kd", "submitted", teacher, "77.5", "77.5", "4"],
        ["`cod`", "lwd", "submitted", teacher, "70.0", "70.0", "4"],
    ]
    assert "Re-runs: mine reproduced (4 of 4 re-run cells found again, of 8; 2026-11-24)." in caption


def test_declared_methods_stand_on_the_cells_that_the_submission_has():
    """Two seeds of a submission beside five of the others would be another mean, on other rows."""
    one_seed = [record for record in submission() if record.spec.seed == HAND.seeds[0]]
    declared = collect(hand_records())
    table, caption = beside.figures(collect(one_seed, MINE), declared)
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]
    own = [run.correct.mean() for spec, run in declared.runs.items() if (spec.method, spec.condition, spec.seed) == (
        "kd", "standard", HAND.seeds[0]
    )]  # fmt: skip
    assert [row[-1] for row in rows] == ["2"] * 6
    assert rows[1][:2] == ["`standard`", "kd"]
    assert rows[1][5] == f"{100 * sum(own) / len(own):.1f}" != "62.5"
    assert "those (task, condition, k, seed) alone that the submission has" in caption


def test_what_another_generator_made_is_not_put_beside():
    suite = MINE.variant(generator="other")
    records = [hand_record(spec, 7) for spec in suite.expand(track="minilm")]
    own = collect(records, suite)
    text = "\n".join(beside.parts(own, collect(hand_records())))
    assert [row.count("| kd ") for row in text.splitlines() if row.startswith(("| `standard`", "| `cod`"))] == [
        0, 1, 0, 0,
    ]  # fmt: skip
    assert "mine - kd" in text
    assert not [row for row in text.splitlines() if row.startswith("| mine - ") and "`cod`" in row]


def test_a_submission_stands_beside_its_own_suite_and_never_beside_another_submission():
    def grid(suite):
        return collect([hand_record(spec, 7) for spec in suite.expand(track="minilm")], suite)

    base, theirs, replayed = HAND, HAND.variant(submitted=("theirs",)), HAND.variant(generator="other")
    mine, mine_replayed = MINE, HAND.variant(submitted=("mine",), generator="other")
    grids = {suite.name: grid(suite) for suite in (theirs, replayed, base, mine, mine_replayed)}
    found = {name: beside.counterpart(own, grids.values()) for name, own in grids.items()}
    assert {name: other and other.suite.name for name, other in found.items()} == {
        "hand": None, "hand+other": None, "hand+mine": "hand", "hand+theirs": "hand", "hand+mine+other": "hand+other",
    }  # fmt: skip
    assert beside.counterpart(grids["hand+mine"], [grids["hand+theirs"]]) is None
    assert beside.counterpart(grids["hand+mine"], [replace(grids["hand"], protocol="dev")]) is None


@pytest.mark.parametrize("state", ["", "submitted", "reproduced (1 of 1)"])
def test_only_a_submissions_page_has_the_table_and_every_page_the_state(state: str):
    records = [*hand_records(), *submission()]
    files = leaderboard.render(
        made["found"]([HAND, MINE], records, REFERENCES), figures=False,
        states=lambda grid: {m: state for m in grid.methods if state and m == "mine"},
    )  # fmt: skip
    assert "## Beside" not in files["hand/README.md"]
    assert "Submitted: nobody has re-run these records." in files["hand/README.md"]
    assert "## Beside" in files["hand+mine/README.md"]
    mine = files["hand+mine/README.md"]
    assert ("Submitted: nobody has re-run these records." in mine) != state.startswith("reproduced")
