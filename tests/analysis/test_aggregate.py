"""Records and references -> grids: hand-computable figures, completeness, and every refusal."""

from __future__ import annotations

import runpy
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from cod_bench.analysis import aggregate, claims, paired, quality
from cod_bench.design.suite import Block, Suite
from cod_bench.errors import UsageError
from cod_bench.records.record import digest
from cod_bench.spec import RunSpec
from tests import ROOT, asked

made = runpy.run_path(str(ROOT / "tests" / "golden" / "regenerate.py"))

# 2 methods x 2 tasks x 2 seeds x 2 conditions at k = 8, ten evaluation rows. Rows right out of ten:
#
#                 t1 seed 0   t1 seed 1   t2 seed 0   t2 seed 1
#   kd  standard      5           6           7           7
#   kd  cod           7           7           8           9
#   lwd standard      6           6           8           8
#   lwd cod           6           5           9           8
#
# kd:  differences .2 .1 | .1 .2 -> task means .15, .15 -> +15 points; all four positive: p = 2/16.
# lwd: differences 0 -.1 | .1 0  -> task means -.05, .05 -> 0 points; p = 1.
RIGHT = {
    ("kd", "standard"): [5, 6, 7, 7],
    ("kd", "cod"): [7, 7, 8, 9],
    ("lwd", "standard"): [6, 6, 8, 8],
    ("lwd", "cod"): [6, 5, 9, 8],
}
HAND = Suite(
    "hand", "By hand", ("minilm",), ("t1", "t2"), (0, 1), (8,), (Block(("kd", "lwd"), ("standard", "cod"), (8,)),), "g"
)
REFERENCES = made["references"](HAND.tasks, rows=10)


def hand_record(spec: RunSpec, right: int, **kwargs: str):
    reference = made["reference"](spec.task, rows=10)
    digits = [int(g) if i < right else 1 - int(g) for i, g in enumerate(reference.gold)]
    return made["from_predictions"](
        spec, reference, "".join(map(str, digits)), [9000 if d else 1000 for d in digits], **kwargs
    )


def hand_records() -> list:
    return [
        hand_record(s, RIGHT[s.method, s.condition][2 * HAND.tasks.index(s.task) + s.seed])
        for s in HAND.expand(track="minilm")
    ]


def collect(records, suite=HAND, references=REFERENCES, expected=None, **kwargs):
    where = {"protocol": "last", "track": "minilm"} | kwargs
    expected = made["expected"](records) if expected is None else expected
    return aggregate.collect(suite, records=records, references=references, expected=expected, **where)


def test_hand_computed_gains():
    grid = collect(hand_records())
    assert grid.complete
    kd, lwd = claims.gains(grid)
    assert (kd.method, kd.condition, kd.over, kd.ks) == ("kd", "cod", "standard", (8,))
    assert kd.effect.estimate == pytest.approx(0.15)
    assert (kd.effect.p, kd.effect.won, kd.effect.units, kd.holm) == (0.125, 4, 4, 0.25)
    # s_t = .070711 in both tasks: sqrt(.005 / 2 + .005 / 2) / 2 = .035355.
    assert kd.effect.se_units == pytest.approx(0.035355, abs=1e-6)
    assert lwd.effect.estimate == pytest.approx(0, abs=1e-12)
    assert (lwd.effect.p, lwd.effect.won, lwd.holm) == (1.0, 1, 1.0)


def test_a_tie_over_several_budgets_is_exactly_zero_and_not_won():
    # right rows of cod minus standard: -3, +1 and +2 of ten; thirds of them do not sum to 0 in floating point
    right = {
        ("standard", 8): 6,
        ("cod", 8): 3,
        ("standard", 16): 5,
        ("cod", 16): 6,
        ("standard", 32): 4,
        ("cod", 32): 6,
    }
    suite = replace(HAND, primary_k=(8, 16, 32), blocks=(Block(("kd",), ("standard", "cod"), (8, 16, 32)),))
    grid = collect([hand_record(s, right[s.condition, s.k]) for s in suite.expand(track="minilm")], suite)
    found = paired.differences(grid, "t1", "kd", ("cod", "standard"), (8, 16, 32))
    assert found.units.tolist() == [0.0, 0.0]
    assert claims.gains(grid)[0].effect.won == 0


def test_teachers_accuracies_stand_in_the_grid():
    assert collect(hand_records()).teachers == {
        task: np.mean([a == b for a, b in zip(ref.gold, ref.teacher_predictions, strict=True)])
        for (_, task, _), ref in REFERENCES.items()
    }


def test_hand_computed_means():
    grid = collect(hand_records())
    assert aggregate.mean_accuracy(grid, "kd", "cod", [8]) == (pytest.approx(0.775), 4)
    cells = {(c["task"], c["method"], c["condition"]): c for c in aggregate.cells(grid)}
    assert len(cells) == 8
    cell = cells["t1", "kd", "standard"]
    assert (cell["n"], cell["declared"]) == (2, 2)
    assert cell["accuracy"] == pytest.approx(0.55)
    assert cell["accuracy_sd"] == pytest.approx(0.070711, abs=1e-6)
    assert cell["collapsed_share"] == 0.0


def test_rows_average_to_the_units():
    grid = collect(hand_records())
    found = paired.differences(grid, "t1", "kd", ("cod", "standard"), [8])
    # Rows 6 and 7 of seed 0, row 7 of seed 1 are gained.
    assert found.units == pytest.approx([0.2, 0.1])
    assert found.rows == pytest.approx([0, 0, 0, 0, 0, 0.5, 1, 0, 0, 0])


def test_missing_runs_are_listed_and_never_imputed():
    records = hand_records()
    gone = [r for r in records if r.spec.task == "t2" and r.spec.method == "kd" and r.spec.condition == "cod"]
    grid = collect([r for r in records if r not in gone])
    assert not grid.complete
    assert set(grid.missing) == {r.spec for r in gone}
    assert aggregate.mean_accuracy(grid, "kd", "cod", [8]) == (None, 2)
    gain = claims.gains(grid)[0]
    assert (gain.mean, gain.pairs, gain.effect, gain.holm) == (None, 2, None, None)
    assert all(c.p is None and c.verdict is None for c in claims.claims(grid, claims.gains(grid)))
    cell = next(c for c in aggregate.cells(grid) if (c["task"], c["method"], c["condition"]) == ("t2", "kd", "cod"))
    assert (cell["n"], cell["accuracy"], cell["accuracy_sd"], cell["collapsed_share"]) == (0, None, None, None)


def test_an_unpaired_seed_is_left_out_of_the_differences():
    records = [r for r in hand_records() if (r.spec.task, r.spec.seed, r.spec.condition) != ("t1", 0, "cod")]
    assert paired.differences(collect(records), "t1", "kd", ("cod", "standard"), [8]).units == pytest.approx([0.1])


def test_no_record_at_all():
    grid = collect([])
    assert len(grid.missing) == 16
    assert all(cell["n"] == 0 for cell in aggregate.cells(grid))


def test_records_of_other_code_are_stale_with_a_reason():
    records = hand_records()
    expected = made["expected"](records)
    expected[records[0].spec] = "0123456789ab"
    del expected[records[1].spec]
    grid = collect(records, expected=expected)
    reasons = {s.spec: s.reason for s in grid.stale}
    assert "expects run 0123456789ab" in reasons[records[0].spec]
    assert "does not know" in reasons[records[1].spec]
    assert set(grid.missing) == {records[0].spec, records[1].spec}


def test_records_of_other_suites_tracks_and_protocols_are_ignored():
    other = replace(hand_records()[0], spec=replace(hand_records()[0].spec, track="other"))
    grid = collect([*hand_records(), other])
    assert len(grid.runs) == 16
    assert not grid.stale


def changed(records: list, **fields: object) -> list:
    return [replace(records[0], **fields), *records[1:]]


@pytest.mark.parametrize(
    ("field", "value"), [("teacher_hash", "other"), ("eval_hash", "other"), ("train_hash", "other"), ("schema", 2)]
)
def test_mixtures_within_a_task_are_refused_naming_both(field, value):
    records = hand_records()
    with pytest.raises(UsageError, match=rf"{field} differs: .*{records[0].run_id}.*--rerun mismatched") as caught:
        collect(changed(records, **{field: value}))
    assert repr(value) in str(caught.value)


def test_two_environments_in_a_pair_are_refused_but_not_in_two_pairs():
    records = hand_records()
    for_pair = changed(records, provenance={"environment": "gpu-b"})
    with pytest.raises(UsageError, match=r"environment differs: 'gpu-b' in .*'cpu-a' in"):
        collect(for_pair)
    parts = [{"device": "cpu", "torch": v} for v in ("1", "2")]
    with pytest.raises(UsageError, match=r"environment differs: \{'torch': '2'\} in .*\{'torch': '1'\} in"):
        collect([replace(r, provenance={"environment": parts[int(i == 0)]}) for i, r in enumerate(records)])
    whole = [replace(r, provenance={"environment": "gpu-b"}) if r.spec.seed == 1 else r for r in records]
    assert collect(whole).complete


@pytest.mark.parametrize("part", ["task", "method", "track", "identity_version", "generator"])
def test_two_versions_are_refused(part):
    records = hand_records()
    place = next(i for i, r in enumerate(records) if r.spec.condition == "cod")
    old = records[place].identity
    identity = {**old, part: 99 if part == "identity_version" else {**old[part], "version": 99}}
    records[place] = replace(records[place], identity=identity, run_id=digest(identity))
    with pytest.raises(UsageError, match=f"identity.{part} differs"):
        collect(records)


def test_a_changed_metric_is_an_error():
    records = hand_records()
    metrics = {**records[0].metrics, "accuracy": records[0].metrics["accuracy"] + 0.01}
    with pytest.raises(UsageError, match=r"metrics.accuracy: record .* its predictions give"):
        collect(changed(records, metrics=metrics))
    del metrics["accuracy"]
    with pytest.raises(UsageError, match=r"metrics.accuracy: record .* says None"):
        collect(changed(records, metrics=metrics))


def test_changed_predictions_are_an_error():
    records = hand_records()
    flipped = records[0].predictions.translate(str.maketrans("01", "10"))
    with pytest.raises(UsageError, match="was changed"):
        collect(changed(records, predictions=flipped))


def test_a_missing_reference_is_an_error():
    with pytest.raises(UsageError, match="_reference folder"):
        collect(hand_records(), references={})


def test_a_reference_of_other_rows_is_an_error():
    other = {key: replace(value, eval_hash="other") for key, value in REFERENCES.items()}
    with pytest.raises(UsageError, match="eval_hash"):
        collect(hand_records(), references=other)


def test_a_record_given_twice_is_an_error():
    with pytest.raises(UsageError, match="given twice"):
        collect([*hand_records(), hand_records()[0]])


def test_label_preserving_is_compared_only_where_the_suite_declares_it():
    suite = made["SUITE"]
    grid = collect(made["records"](suite), suite, made["references"](suite.tasks))
    assert grid.primary("kd", "cod", "standard") == (8, 16)
    assert grid.primary("kd", "cod", "label-preserving") == (16,)
    assert claims.pairs(grid, "lwd") == [("cod", "standard"), ("cod", "random"), ("cod", "unvalidated")]


def test_a_claim_over_three_takes_the_largest_p_and_needs_every_estimate_positive():
    suite = made["SUITE"]
    grid = collect(made["records"](suite), suite, made["references"](suite.tasks))
    gains = claims.gains(grid)
    stated = {(c.method, c.name): c for c in claims.claims(grid, gains)}
    whole = stated["kd", "validated counterfactuals"]
    assert whole.p == max(stated["kd", name].p for name in ("helps", "through the flip", "validation pays"))
    ends = {"low": -0.02, "high": -0.001}
    minus = tuple(
        replace(g, effect=replace(g.effect, estimate=-0.01, p=0.001, **ends)) for g in gains if g.over == "standard"
    )
    reversed_, *_ = claims.claims(grid, [g for g in minus if g.condition == "cod"])
    assert reversed_.verdict == "reversed"
    plus = {"low": 0.001, "p": 0.001}
    mixed = [replace(g, effect=replace(g.effect, **plus)) for g in gains if g.over != "standard"] + list(minus)
    verdicts = {c.name: c.verdict for c in claims.claims(grid, mixed) if c.method == "kd"}
    assert verdicts["validated counterfactuals"] == "not shown"
    assert verdicts["through the flip"] == "shown"


def test_counterfactuals_count_each_seed_once_and_mark_cells():
    suite = made["SUITE"]
    records = made["records"](suite)
    poor = [
        replace(r, cfe={**r.cfe, "valid": 1}) if r.cfe and (r.spec.task, r.spec.k) == ("rt_quotes", 8) else r
        for r in records
    ]
    grid = collect(poor, suite, made["references"](suite.tasks))
    cells = {(c.task, c.k): c for c in quality.table(grid, "cod")}
    # Five seeds of 4 slots, although two methods have them; one valid each.
    assert (cells["rt_quotes", 8].slots, cells["rt_quotes", 8].valid) == (20, 0.25)
    assert quality.marked(grid) == {("rt_quotes", 8)}
    assert np.isclose(cells["brand_tweets", 16].edit_fraction, 0.08)
    assert quality.table(grid, "standard") == []


def test_accuracies_of_teachers_are_told_one_by_one_and_averaged():
    grid = asked.grid(asked.by_hand(), asked.TWO)
    assert grid.crossed
    assert grid.each_teacher == {
        (task, name): 1 - turn / 100 for task in asked.TWO.tasks for turn, name in enumerate(("minilm", "minilm@1"))
    }
    assert grid.teachers == pytest.approx(dict.fromkeys(asked.TWO.tasks, 0.995))
    assert not collect(hand_records()).crossed


def test_cells_hold_the_runs_of_all_teachers_and_units_are_averaged_over_them():
    grid = asked.grid(asked.by_hand(), asked.TWO)
    cells = {(c["task"], c["condition"]): c for c in aggregate.cells(grid)}
    cell = cells["t1", "cod"]
    # 60, 52 with the first teacher, 80, 60 with the second
    assert (cell["n"], cell["declared"], cell["accuracy"]) == (4, 4, pytest.approx(0.63))
    assert cell["accuracy_sd"] == pytest.approx(np.std([0.6, 0.52, 0.8, 0.6], ddof=1))
    assert aggregate.by_seed(grid.cell("t1", "kd", "cod", 8)) == pytest.approx([0.7, 0.56])
    assert aggregate.mean_accuracy(grid, "kd", "cod", [8])[1] == 8
    assert Counter(spec.track for spec in grid.runs) == {"minilm": 8, "minilm@1": 8}


def test_counterfactuals_count_once_a_seed_and_teacher():
    grid = asked.grid()
    (cell,) = [cell for cell in quality.table(grid, "cod") if (cell.task, cell.k) == ("t1", 16)]
    # five seeds and three teachers of 8 slots, although two methods have them; of seed 1 half of them are valid
    assert (cell.slots, cell.valid) == (5 * 3 * 8, pytest.approx(0.9))
