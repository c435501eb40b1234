"""A re-run beside a record: what counts as found again, and what verdicts hold for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cod_bench.condition import outdated
from cod_bench.records.record import Record
from cod_bench.records.results import Results
from cod_bench.records.verdicts import (
    CONTRADICTED,
    ELSEWHERE,
    REPRODUCED,
    SUBMITTED,
    TOLERANCE,
    Cell,
    Verdict,
    from_json,
    holding,
    odd,
    part,
    records_digest,
    sample,
    seed_of,
    settle,
    to_json,
    told,
)
from cod_bench.spec import digest
from tests import ROOT
from tests.samples import sample_record

ROWS = 1000
COMMIT = "00000001" + "a" * 32
TODAY = "2026-06-01"
HERE = {"torch": "2", "instructions": "avx2", "device": "cpu"}


def record(wrong: int = 0, **changes: object) -> Record:
    predictions = "1" * wrong + "0" * (ROWS - wrong)
    values = {"predictions": predictions, "probabilities": [1] * ROWS, "provenance": {"environment": HERE}}
    return sample_record(**{"run_id": digest([wrong, str(changes)]), **values, **changes})


def verdict(records: list[Record], *cells: Cell, date: str = "2026-01-01") -> Verdict:
    about = part(records[0].spec)
    runs = tuple(sorted(r.run_id for r in records))
    return Verdict(*about, runs, records_digest(records), TOLERANCE, 0.05, 1, COMMIT, HERE, date, cells)


RUN = record().run_id
SAME = "on the same kind of machine"


def state(verdicts: list[Verdict], records: list[Record], folder: list[Record] | None = None) -> str:
    """How tables tell of these records, in a folder of these or of more."""
    return told(holding(verdicts, records if folder is None else folder), records)


@pytest.mark.parametrize(
    ("wrong", "changes", "expected"),
    [
        (0, {}, REPRODUCED),
        (1, {}, REPRODUCED),  # 99.9 % of the rows, the tolerance itself
        (2, {}, CONTRADICTED),
        (2, {"provenance": {"environment": {"torch": "3"}}}, ELSEWHERE),
        (1, {"provenance": {"environment": {"torch": "3"}}}, REPRODUCED),
        (0, {"teacher_hash": "other"}, REPRODUCED),  # found again by another teacher it counts more, not less
        (1, {"teacher_hash": "other", "provenance": {}}, REPRODUCED),
        (2, {"teacher_hash": "other"}, ELSEWHERE),
    ],
)
def test_agreement_is_reproduced_wherever_and_only_disagreement_is_told_apart(
    wrong: int, changes: dict[str, object], expected: str
) -> None:
    found = settle(record(), record(wrong, **changes))
    assert (found.verdict, found.agreement) == (expected, 1 - wrong / ROWS)


def test_other_rows_are_another_result() -> None:
    assert settle(record(), record(predictions="0", probabilities=[1])).verdict == CONTRADICTED


@given(st.lists(st.sampled_from([REPRODUCED, ELSEWHERE, CONTRADICTED]), min_size=1))
def test_one_other_result_contradicts_all(found: list[str]) -> None:
    state = verdict([record()], *(Cell(RUN, one, 1.0) for one in found)).state
    assert (state == CONTRADICTED) == (CONTRADICTED in found)
    assert (state == REPRODUCED) == (set(found) == {REPRODUCED})


def test_a_verdict_holds_for_the_records_it_is_about() -> None:
    own = [record(), record(3)]
    known = verdict(own, Cell(RUN, REPRODUCED, 1.0))
    assert holding([known], own[::-1]) == dict.fromkeys(known.runs, known)
    assert state([known], own) == f"reproduced (1 of 1 re-run cells found again, of 2 records, {SAME}; 2026-01-01)"
    for changed in ([own[0]], [own[0], record(4)], [own[0], replace(own[1], probabilities=[2] * ROWS)]):
        assert state([known], changed) == SUBMITTED
    assert state([replace(known, method="lwd")], own) == SUBMITTED


def test_records_that_come_later_take_no_verdict_from_those_before() -> None:
    """Whoever adds a record to a method cannot make its others submitted, nor its own reproduced."""
    own, late = [record(), record(3)], of_spec(seed=99)
    known = verdict(own, Cell(RUN, REPRODUCED, 1.0))
    assert state([known], own, [*own, late]) == state([known], own)
    assert state([known], [late], [*own, late]) == SUBMITTED
    assert state([known], [*own, late]) == (
        f"submitted (1 of 1 re-run cells found again, of 2 of the 3 records, {SAME}; 2026-01-01)"
    )


def of_spec(**changes: object) -> Record:
    return record(spec=replace(sample_record().spec, **changes))


@pytest.mark.parametrize(
    "changes", [{"generator": "replay"}, {"condition": "standard", "generator": ""}, {"task": "other"}]
)
def test_records_of_another_generator_or_task_leave_a_verdict_standing(changes: dict[str, str]) -> None:
    own, new = [record(), record(3)], [of_spec(**changes)]
    known = verdict(own, Cell(RUN, REPRODUCED, 1.0))
    assert state([known], own).startswith("reproduced (1 of 1")
    assert state([known], [*own, *new]) == (
        f"submitted (1 of 1 re-run cells found again, of 2 of the 3 records, {SAME}; 2026-01-01)"
    )
    both = [known, verdict(new, Cell("b", REPRODUCED, 1.0), date="2026-02-03")]
    assert state(both, [*own, *new]) == (
        f"reproduced (2 of 2 re-run cells found again, of 3 records, {SAME}; 2026-01-01 to 2026-02-03)"
    )


def test_one_contradicted_part_contradicts_the_method_whether_or_not_the_others_were_re_run() -> None:
    own, new = [record()], [of_spec(generator="replay")]
    known = verdict(own, Cell(RUN, CONTRADICTED, 0.5))
    assert state([known], [*own, *new]).startswith(CONTRADICTED)
    assert state([known, verdict(new, Cell("b", REPRODUCED, 1.0))], [*own, *new]).startswith(CONTRADICTED)


def test_a_part_has_one_verdict() -> None:
    twice = [
        verdict([record()], Cell(RUN, state, agreement))
        for state, agreement in ((CONTRADICTED, 0.5), (REPRODUCED, 1.0))
    ]
    with pytest.raises(ValueError, match="two on one part"):
        from_json(to_json(twice))


def test_what_is_written_is_read() -> None:
    known = verdict([record()], Cell(RUN, CONTRADICTED, 0.5))
    assert from_json(to_json([known])) == (known,)
    assert from_json(to_json([])) == ()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"state": "reproduced"}, "state: field is missing or unknown"),
        ({"runs": "4"}, "runs: is a str"),
        ({"runs": [1]}, "runs: must be run ids, each once"),
        ({"runs": [RUN, RUN]}, "runs: must be run ids, each once"),
        ({"runs": []}, "cells: must be at least one of its runs, each once"),
        ({"cells": [{"run_id": RUN, "verdict": "reproduced", "agreement": 1.0}] * 2}, "each once"),
        ({"cells": [{"run_id": RUN, "verdict": "reproduced", "agreement": 0.5}]}, "cells.agreement: 0.5 is not 'repro"),
        (
            {"cells": [{"run_id": RUN, "verdict": "another result", "agreement": 1}]},
            "cells.agreement: 1 is not 'another",
        ),
        ({"cells": [{"run_id": RUN, "verdict": "reproduced", "agreement": 7.0}]}, "cells.agreement: 7.0"),
        ({"tolerance": -1}, r"tolerance: must be 0.999, and is -1"),
        (
            {"tolerance": 0.5, "cells": [{"run_id": RUN, "verdict": "reproduced", "agreement": 0.6}]},
            "cells.agreement: 0.6",
        ),
        ({"tolerance": 0.9991}, "tolerance: must be 0.999"),
        ({"sample": 0}, "sample, seed: must be a share and a seed below 4294967296"),
        ({"seed": -1}, "sample, seed"),
        ({"seed": 10**4000}, "sample, seed"),
        ({"seed": True}, "seed: is a bool"),
        ({"seed": 2}, "seed: must be 1, of the first 8 digits of its commit"),
        ({"commit": "abc"}, "commit: 'abc' is not the 40 hex digits"),
        ({"commit": None}, "commit: is a NoneType"),
        ({"environment": {"torch": [[["deep"]]]}}, "environment: 'torch': a list is not a name and a few words"),
        ({"environment": {"torch": "<script>"}}, "environment: 'torch': '<script>' is not"),
        ({"method": "kd\n# heading"}, "method: .* is not a few words"),
        ({"date": "2026-02-30"}, "date: '2026-02-30' is no date"),
        ({"date": "٢٠٢٦-01-01"}, "date: .* is not a few words"),
        ({"date": "20260101"}, "date: '20260101' is no date"),
        ({"date": "zzz"}, "date: 'zzz' is no date"),
        ({"cells": []}, "cells: must be at least one"),
        ({"cells": [{"run_id": RUN, "verdict": "fine", "agreement": 1.0}]}, "unknown value 'fine'"),
        ({"cells": [3]}, "Cell: field is missing"),
    ],
)
def test_odd_files_are_refused_with_the_field(change: dict[str, object], sentence: str) -> None:
    value = json.loads(to_json([verdict([record()], Cell(RUN, REPRODUCED, 1.0))]))
    value["verdicts"][0] |= change
    with pytest.raises(ValueError, match=sentence):
        from_json(json.dumps(value))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1, "verdicts": []}', "[" * 100_000, "9" * 5000])
def test_what_is_no_file_of_verdicts_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not JSON: [a-zA-Z ]+|^schema: must be 3"):
        from_json(text)


ODD: list[Any] = [None, True, -1, 10**4000, 0.5, 1e300, "", "x" * 5000, "\n", [], [[]], {}, {"a": {"b": []}}, [None]]


@settings(max_examples=300)
@given(st.data())
def test_whatever_stands_in_a_field_is_read_or_refused_in_one_sentence(data: st.DataObject) -> None:
    value = json.loads(to_json([verdict([record()], Cell(RUN, REPRODUCED, 1.0))]))
    entry = value["verdicts"][0]
    target = data.draw(st.sampled_from([entry, entry["cells"][0], entry["environment"], value]))
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(st.sampled_from(ODD))
    told = ""
    try:
        from_json(json.dumps(value))
    except ValueError as error:
        told = str(error)
    assert re.fullmatch(r"([A-Za-z_., ]+: [ -~]{5,180})?", told)


def several(count: int = 40) -> list[Record]:
    return [of_spec(seed=seed, condition="standard", generator="") for seed in range(count)]


def sound(records: list[Record]) -> Verdict:
    cells = [Cell(r.run_id, REPRODUCED, 1.0) for r in sample(records, 0.05, 1)]
    return verdict(records, *cells, date="2026-05-01")


def dated(records: list[Record], date: str) -> list[Record]:
    return [replace(r, provenance={**r.provenance, "date": date}) for r in records]


def test_what_the_code_writes_is_sound() -> None:
    own = dated(several(), "2026-05-01")
    assert odd(sound(own), own[::-1], TODAY) == ""
    assert odd(sound(own), [*own, of_spec(seed=99, condition="standard", generator="")], TODAY) == ""  # about others


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda v, _: replace(v, date="2026-06-02"), "date: 2026-06-02 of 'kd' is to come"),
        (lambda v, _: replace(v, date="2026-04-30"), "date: 2026-04-30 of 'kd' is before its records"),
        (lambda v, _: replace(v, runs=(*v.runs, "0" * 12)), "records of 'kd': are not those that it is about"),
        (lambda v, _: replace(v, records="0" * 12), "records of 'kd': are not those that it is about"),
        (lambda v, _: replace(v, seed=2), "are not those that seed 2 draws"),
        (lambda v, _: replace(v, sample=0.5), "are not those that seed 1 draws"),
        (lambda v, own: replace(v, cells=tuple(Cell(r.run_id, REPRODUCED, 1.0) for r in own[:2])), "are not those"),
        (lambda v, _: replace(v, cells=v.cells[:1]), "are not those"),
        (lambda v, _: replace(v, cells=(Cell("0" * 12, REPRODUCED, 1.0),)), "cell 000000000000 of 'kd' is no record"),
        (
            lambda v, _: replace(v, cells=(replace(v.cells[0], agreement=0.9995), v.cells[1])),
            "0.9995 is no share of the",
        ),
        (
            lambda v, _: replace(v, environment={}, cells=(Cell(v.cells[0].run_id, CONTRADICTED, 0.5), v.cells[1])),
            "'another result' of cell",
        ),
    ],
)
def test_what_the_code_would_not_have_written_is_told(
    change: Callable[[Verdict, list[Record]], Verdict], sentence: str
) -> None:
    own = dated(several(), "2026-05-01")
    assert len(sound(own).cells) == 2
    assert sentence in odd(change(sound(own), own), own, TODAY)


def test_the_hash_of_a_commit_is_the_seed() -> None:
    assert seed_of(COMMIT) == 1
    assert seed_of("f" * 40) == 2**32 - 1


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({}, "on the same kind of machine"),
        ({"instructions": "avx512"}, "on another kind of CPU (avx512)"),
        ({"instructions": "neon", "torch": "3"}, "on another kind of CPU (neon)"),
        ({"torch": "3"}, "with other libraries (torch 3)"),
        ({"device": "cuda", "gpu": "H100"}, "on another device (H100)"),
    ],
)
def test_where_it_was_found_again_is_told(changes: dict[str, str], place: str) -> None:
    own = [record()]
    known = replace(verdict(own, Cell(own[0].run_id, REPRODUCED, 1.0)), environment={**HERE, **changes})
    assert state([known], own) == f"reproduced (1 of 1 re-run cells found again, of 1 records, {place}; 2026-01-01)"
    assert ", cells not chosen by a commit; " in state([replace(known, commit="")], own)


def test_hardly_two_different_published_runs_are_within_the_tolerance() -> None:
    """What the tolerance means: another method, seed or condition does not pass for a re-run.

    Of some 150,000 pairs of trainings one does: `kd` and `lwd` say the same of all 600 Yelp reviews once, so that one
    cell alone tells these two apart only with the others of its sample. Floors see the same at every k, or say one
    class of nearly every row.
    """
    records, _ = Results(ROOT / "results").scan()
    rows: dict[tuple[str, str, str], list[np.ndarray]] = {}
    # an earlier version of a control is the very same run wherever every slot had a counterfactual
    for r in (r for r in records if r.history and not outdated(r.spec.condition, r.identity)):
        found = np.frombuffer(r.predictions.encode(), dtype=np.uint8)
        rows.setdefault((r.spec.protocol, r.spec.track, r.spec.task), []).append(found)
    assert rows
    alike = []
    for runs in rows.values():
        same = np.array([(np.array(runs) == one).mean(axis=1) for one in runs])
        alike.append(same[np.triu_indices(len(runs), 1)])
    shares = np.concatenate(alike)
    assert len(shares) > 50_000
    assert (shares > 0.99).sum() > 10  # the tolerance has something to tell apart
    assert (shares >= TOLERANCE).mean() < 1e-4
