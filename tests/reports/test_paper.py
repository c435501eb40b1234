"""Published numbers and ours side by side: cells, differences, signs, and what is said where nothing was run."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace

import pytest

from cod_bench.design import suites
from cod_bench.design.suite import Block, Suite
from cod_bench.errors import UsageError
from cod_bench.records.record import Record
from cod_bench.reports.paper import page as paper_page
from cod_bench.reports.paper import tables as paper
from cod_bench.reports.paper.tables import Value
from tests.analysis.test_aggregate import collect, hand_record, made

PAPER = Suite(
    "paper", "By hand", ("deberta-small",), ("sst2", "amazon_polarity"), (0, 1), (8,),
    (Block(("kd",), ("standard", "cod", "unvalidated"), (8, 16)),), "llm",
)  # fmt: skip


def by_model(record: Record, model: str) -> Record:
    """A record whose counterfactuals, if it has any, come from that model."""
    if record.identity["generator"] is None:
        return record
    told = {**record.identity["generator"], "params": {"model": model}}
    return replace(record, identity={**record.identity, "generator": told})


def grid(suite: Suite = PAPER, right: int = 7, *, track: str = "deberta-small", model: str = "gpt-4o-2024-11-20"):
    """Of ten rows `standard` has 5 right, `unvalidated` 4 and `cod` `right`, in every run."""
    hits = {"standard": 5, "unvalidated": 4, "cod": right}
    records = [by_model(hand_record(s, hits[s.condition]), model) for s in suite.expand(track=track, protocol="last")]
    return collect(records, suite, made["references"](suite.tasks, rows=10, track=track), track=track)


def cells(rows: list[paper.Row], block: str, whose: str, what: str) -> dict[str, paper.Cell]:
    (found,) = [r for r in rows if (r.block, r.what) == (block, what) and r.whose.startswith(whose)]
    return dict(found.cells)


def test_every_published_accuracy_is_in_one_table_and_is_a_share():
    counts = {number: len(paper.accuracies(number)) for number in (1, 2, 5, 6)}
    assert counts == {1: 144, 2: 60, 5: 144, 6: 144}
    values = [value for number in counts for value in paper.accuracies(number).values()]
    assert all(0.3 < value.mean < 1 and value.sd is not None and 0 <= value.sd < 0.2 for value in values)
    assert sum(not value.certain for value in values) == 12


def test_cells_known_from_the_publication():
    amazon = paper.accuracies(1)
    assert amazon["amazon", "kd", "none", 8] == Value(0.671, 0.046, 5)
    rows = paper.rows(8, [])
    assert cells(rows, "sst2 lwd, with CoD", "paper", "time")["k=512"] == 814.65


@pytest.mark.parametrize("number", sorted(paper.TABLES))
def test_every_table_renders_without_a_run_of_ours_and_says_what_to_run(number: int):
    table, rows = paper.table(number), paper.rows(number, [])
    text = paper_page.markdown_text(table, rows, [])
    commands = [command for _, command in paper.needs(table, [])] or [f"cod-bench run --suite {table.suite} --all"]
    assert all(f"`{command}`" in text for command in commands)
    assert all(command.startswith(f"cod-bench run --suite {table.suite} ") for command in commands)
    assert {row.whose for row in rows} == {"paper"}
    assert len(list(csv.DictReader(io.StringIO(paper_page.csv_of(rows))))) == sum(len(row.cells) for row in rows)
    assert "\\caption{" in paper_page.latex(table, rows, [])


def test_an_unknown_table_is_a_users_mistake():
    with pytest.raises(UsageError, match="tables 1 to 9"):
        paper.table(10)


def test_ours_stand_below_the_papers_with_difference_and_sign():
    rows = paper.rows(1, [grid()])
    assert cells(rows, "sst2 kd", "ours", "standard")["k=8"] == Value(0.5, 0.0, 2)
    assert cells(rows, "sst2 kd", "ours", "cod - standard")["k=8"] == pytest.approx(0.2)
    assert cells(rows, "sst2 kd", "ours", "unvalidated - standard")["k=8"] == pytest.approx(-0.1)
    # published at k = 8: 0.617 without, 0.719 with, far beyond its standard error
    assert cells(rows, "sst2 kd", "ours", "cod: sign beside the paper's")["k=8"] == "same sign"
    assert cells(rows, "sst2 kd", "ours", "unvalidated: sign beside the paper's")["k=8"] == "other sign"
    assert cells(rows, "sst2 kd", "ours", "cod")["k=64"] is None, "not declared by the suite: shown as missing"
    assert not [row for row in rows if row.block == "cola kd" and row.whose != "paper"], "no task of ours"
    assert cells(rows, "amazon kd", "ours", "cod")["k=8"] == Value(0.7, 0.0, 2), "amazon_polarity is its amazon"


def test_a_difference_of_ours_is_over_the_seeds_that_have_both_sides():
    suite = replace(PAPER, blocks=(Block(("kd", "finetune"), ("standard", "cod", "unvalidated"), (8, 16)),))
    hits = {"standard": 5, "unvalidated": 4, "cod": 7}
    records = [
        by_model(hand_record(s, hits[s.condition] - 3 * s.seed), "gpt-4o")
        for s in suite.expand(track="deberta-small")
        if (s.condition, s.k, s.seed) != ("standard", 8, 0) and (s.condition, s.k) != ("standard", 16)
    ]
    references = made["references"](suite.tasks, rows=10, track="deberta-small")
    partial = collect(records, suite, references, track="deberta-small")
    for number, block in ((1, "sst2 kd"), (7, "sst2 kd"), (9, "sst2 no soft label")):
        found = paper.rows(number, [partial])
        told = cells(found, block, "ours", "cod - standard")
        assert told["k=8"] == pytest.approx(0.2), "seed 1 alone; the means differ by 0.35"
        assert told["k=16"] is None


def test_a_published_difference_within_its_error_has_no_sign_to_agree_with():
    error = paper.standard_error(Value(0.8, 0.03, 5), Value(0.81, 0.04, 5))
    assert error == pytest.approx(math.sqrt((0.03**2 + 0.04**2) / 5))
    assert paper.agreement(0.01, error, 0.2) is None
    assert paper.agreement(0.03, error, 0.2) == "same sign"
    assert paper.agreement(0.03, error, -0.2) == "other sign"
    assert paper.agreement(0.03, error, None) is None
    assert paper.agreement(0.03, error, 0.0) is None, "no difference has no sign"
    assert paper.agreement(0.03, error, (0.3 - 0.1 - 0.2) / 3) is None, "nor have the last bits of one"


def test_local_slices_and_other_suites_are_analogues():
    local = Suite("paper", "Slices", PAPER.tracks, ("sst2+local-0123abcd",), (0, 1), (8,), PAPER.blocks, "llm")
    table = paper.table(1)
    assert paper_page.direct(table, grid())
    own = PAPER.on_tracks(["deberta-small+paper-c4"])
    assert not paper_page.direct(table, grid(own, track="deberta-small+paper-c4"))
    assert not paper_page.direct(table, grid(replace(PAPER, tracks=("mine",)), track="mine"))
    assert not paper_page.direct(table, grid(PAPER.variant(generator="substitution")))
    assert not paper_page.direct(table, grid(model="gpt-4o-mini"))
    assert paper_page.direct(paper.table(7), prompts("llm_v3", 7))
    assert not paper_page.direct(paper.table(7), prompts("llm", 7))
    assert not paper_page.direct(table, grid(local))
    assert "an analogue" in " ".join(paper_page.caption(table, [grid(local)]))
    assert cells(paper.rows(1, [grid(local)]), "sst2 kd", "ours", "cod")["k=8"] == Value(0.7, 0.0, 2)


def test_doubtful_cells_are_marked():
    text = paper_page.markdown_text(paper.table(1), paper.rows(1, []), [])
    assert "85.5 ± 2.1?" in text
    assert text.count("?") == 12 + 1  # and once in the caption


def test_costs_of_ours_are_means_over_seeds():
    rows = paper.rows(8, [grid()])
    told = cells(rows, "sst2 kd, with CoD", "ours", "cod: time")
    seconds = [run.record.cost["seconds"] for run in grid().cell("sst2", "kd", "cod", 8)]
    assert told["k=8"] == pytest.approx(sum(seconds) / len(seconds))
    assert told["k=64"] is None


def prompts(generator: str, right: int):
    suite = replace(PAPER, name="prompt-ablation", tasks=("sst2",), generator="llm_v1")
    return grid(suite.variant(generator=generator), right)


def test_prompts_stand_beside_each_other_and_the_missing_ones_say_what_to_run():
    grids = [prompts("llm_v1", 7), prompts("llm_v2", 9)]
    table, rows = paper.table(7), paper.rows(7, grids)
    for maker, gained in (("llm_v1", 0.2), ("llm_v2", 0.4)):
        (own,) = [r for r in rows if maker in r.whose and r.what == "cod - standard"]
        assert own.cells["k=8"] == pytest.approx(gained)
        assert own.cells["k=64"] is None
    assert sum(row.what == "standard" for row in rows) == 1, "no generator moves it"
    assert cells(rows, "sst2 kd", "paper", "prompt 2 - without CoD")["k=8"] == pytest.approx(0.754 - 0.617)
    told = " ".join(paper_page.caption(table, grids))
    for number in (3, 4):
        assert (
            f"Prompt {number}: not run; `cod-bench run --suite prompt-ablation --generator llm_v{number} --al" in told
        )
    assert "Prompt 1: not run" not in told
    assert "Prompt 2: not run" not in told


def test_soft_labels_say_which_method_is_missing():
    suite = suites.SUITES["soft-labels"]
    whole = suite.blocks[0]
    grids = [grid(replace(suite, blocks=(replace(whole, methods=whole.methods[:2]),)))]
    for block in ("default", "no soft label"):
        assert cells(paper.rows(9, grids), f"sst2 {block}", "ours", "cod - standard")["k=512"] == pytest.approx(0.2)
    told = " ".join(paper_page.caption(paper.table(9), grids))
    assert told.count("not run;") == 1
    assert "`cod-bench run --suite soft-labels --method kd_random_soft`" in told
    grids.append(grid(replace(suite, blocks=(replace(whole, methods=whole.methods[2:]),))))
    assert cells(paper.rows(9, grids), "sst2 random soft label", "ours", "cod")["k=8"] == Value(0.7, 0.0, 5)
    told = " ".join(paper_page.caption(paper.table(9), grids))
    assert "not run" not in told
    assert told.count("the published pair on canonical data") == 2


def test_every_task_says_how_it_departs_from_the_papers():
    def told(*tasks: str) -> str:
        return " ".join(paper_page.caption(paper.table(1), [grid(replace(PAPER, tasks=tasks))]))

    assert "90 characters" in told("amazon_polarity")
    assert "90 characters" not in told("amazon_paper", "yelp", "yelp_paper")
    assert "1 to 3 stars" in told("yelp")
    assert "length" not in told("yelp", "yelp_paper")
    assert "1 to 3 stars" not in told("yelp_paper")
    assert "`yelp_paper`" in told("yelp_paper"), "its evaluation rows do not move with the seed"
    assert "drawn anew" in told("sentiment140")
    assert "`sst2`" not in told("sst2", "cola")
    assert "90 characters" not in told("amazon_polarity+local-0123abcd"), "local rows are what they are"
    assert set(paper.DEPARTURES) <= set(suites.SUITES["paper"].tasks) | set(suites.SUITES["paper-rows"].tasks)


def test_energy_is_an_estimate_or_a_dash_with_what_to_run():
    plain, table = grid(), paper.table(8)
    assert cells(paper.rows(8, [plain]), "sst2 kd, with CoD", "ours", "cod: cpu energy (estimate)")["k=8"] is None
    assert "Energy: not run; `cod-bench run --suite paper" in " ".join(paper_page.caption(table, [plain]))
    cost = {"seconds": 1.0, "cpu_kwh": 2e-5, "gpu_kwh": 0.0, "ram_kwh": 1e-5, "kwh": 3e-5}
    runs = {spec: replace(run, record=replace(run.record, cost=cost)) for spec, run in plain.runs.items()}
    asked = replace(plain, runs=runs)
    rows = paper.rows(8, [asked])
    told = cells(rows, "sst2 kd, with CoD", "ours", "cod: energy (estimate)")
    assert told["k=8"] == pytest.approx(3e-5)
    assert "| 0.00003 |" in paper_page.markdown_text(table, rows, [asked]).replace("  ", "")
    assert "not run" not in " ".join(paper_page.caption(table, [asked]))


def test_a_suite_without_sst2_has_nothing_in_common_with_the_ablations():
    other = grid(replace(PAPER, name="embedded", tasks=("rt_quotes",)))
    for number in (7, 8, 9):
        assert {row.whose for row in paper.rows(number, [other])} == {"paper"}
        assert "no task in common" in " ".join(paper_page.caption(paper.table(number), [other]))
