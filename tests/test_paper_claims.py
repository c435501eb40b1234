"""Claims fixed as data, and the verdict rules on intervals by hand and on whole grids."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cod_bench import paper_claims, paper_page
from cod_bench.compare import Comparison
from cod_bench.paper_claims import Claim, Part
from cod_bench.spec import PROTOCOLS, Grid, Suite
from tests.test_aggregate import collect, hand_record, made

CLAIMS = {claim.name: claim for claim in paper_claims.claims()}
TASKS = ("sst2", "cola")
METHODS = ("kd", "lwd", "ted", "finetune")


def grid(hits: dict[str, int], *, name: str = "paper", tasks=TASKS, ks=(8, 16, 32, 64, 512), protocol="paper"):
    """Of ten rows every run has as many right as `hits` says of its condition (`method condition` goes before)."""
    conditions = ("standard", "cod", "unvalidated")
    suite = Suite(name, "By hand", ("minilm",), tasks, (0, 1), (8,), (Grid(METHODS, conditions, ks),), "g", (protocol,))
    records = [
        hand_record(spec, hits.get(f"{spec.method} {spec.condition}", hits[spec.condition]))
        for spec in suite.expand(track="minilm")
    ]
    return collect(records, suite, made["references"](tasks, rows=10), protocol=protocol)


def claim(kind: str, published: float | None, *, plus=("kd", "cod"), minus=("kd", "none"), ks=(8,)) -> Claim:
    return Claim("by hand", "By hand", kind, "paper", (Part(plus, minus, TASKS, ks, published),))  # type: ignore[arg-type]


def verdicts(stated: Claim, on, **kwargs) -> dict[str, str | None]:
    return {a.reading: a.verdict for a in paper_claims.answer(stated, on, **{"decides": True} | kwargs)}


def test_published_sizes_are_those_the_text_names():
    sizes = {name: [part.published for part in CLAIMS[name].parts] for name in CLAIMS}
    assert sizes["imdb lwd small"] == [pytest.approx(0.101)]
    assert sizes["imdb kd xsmall"] == [pytest.approx(0.150)]
    assert sizes["imdb kd qwen"] == [pytest.approx(0.122)]
    assert all(size > 0 for size in sizes["cola everywhere"])
    assert len(sizes["cola everywhere"]) == 12
    assert all(abs(size) < 0.01 for size in sizes["parity at 512"])


@pytest.mark.parametrize(
    ("kind", "low", "high", "published", "verdict"),
    [
        ("superiority", 0.02, 0.08, 0.05, "reproduced"),
        ("superiority", 0.02, 0.04, 0.05, "direction only"),
        ("superiority", -0.01, 0.08, 0.05, "inconclusive"),
        ("superiority", -0.08, -0.01, 0.05, "contradicted"),
        ("interaction", 0.01, 0.04, 0.03, "reproduced"),
        ("equivalence", -0.009, 0.009, 0.0, "reproduced"),
        ("equivalence", -0.02, 0.009, 0.0, "inconclusive"),
        ("equivalence", 0.011, 0.02, 0.0, "contradicted"),
        ("equivalence", -0.03, -0.011, 0.0, "contradicted"),
        ("not below", -0.009, 0.002, 0.01, "reproduced"),
        ("not below", -0.02, 0.002, 0.01, "inconclusive"),
        ("not below", -0.02, -0.001, 0.01, "contradicted"),
        ("order", 0.1, 0.2, 40.0, "reproduced"),
        ("growth", -0.1, 0.2, 40.0, "inconclusive"),
    ],
)
def test_the_rules_on_intervals(kind: str, low: float, high: float, published: float, verdict: str):
    part = Part(("kd", "cod"), ("kd", "none"), TASKS, (8,), published)
    found = Comparison("a", "b", 10, 2, (8,), True, (low + high) / 2, low, high, None)
    assert paper_claims._verdict(kind, part, found) == verdict  # type: ignore[arg-type]


def test_both_readings_of_the_papers_cod_are_judged():
    on = grid({"standard": 5, "cod": 8, "unvalidated": 3})
    assert verdicts(claim("superiority", 0.3), on) == {"cod": "reproduced", "unvalidated": "contradicted"}


def test_a_claim_of_several_parts_has_the_worst_verdict():
    on = grid({"standard": 5, "cod": 8, "unvalidated": 8, "lwd cod": 2})
    stated = CLAIMS["few-shot gain"]
    stated = replace(stated, parts=tuple(replace(part, tasks=TASKS) for part in stated.parts))
    assert verdicts(stated, on)["cod"] == "contradicted"


def test_an_interaction_is_a_difference_of_gains():
    on = grid({"standard": 5, "cod": 8, "unvalidated": 5, "finetune cod": 6})
    stated = replace(CLAIMS["soft labels matter"], parts=(replace(CLAIMS["soft labels matter"].parts[0], tasks=TASKS),))
    (cod, _) = paper_claims.answer(stated, on, decides=True)
    assert cod.estimates[0] is not None
    assert cod.estimates[0].estimate == pytest.approx((0.8 - 0.5) - (0.6 - 0.5))


def test_a_missing_task_method_budget_or_run_is_not_run():
    on = grid({"standard": 5, "cod": 8, "unvalidated": 8})
    assert set(verdicts(CLAIMS["few-shot gain"], on).values()) == {"not run"}, "the paper has six tasks"
    assert set(verdicts(claim("superiority", 0.1, ks=(128,)), on).values()) == {"not run"}
    gone = dict(list(on.runs.items())[1:])
    assert verdicts(claim("superiority", 0.1), replace(on, runs=gone))["cod"] == "not run"


def test_an_analogue_has_estimates_over_its_own_tasks_and_no_verdict():
    on = grid({"standard": 5, "cod": 8, "unvalidated": 4}, name="embedded", tasks=("t1", "t2"), ks=(8, 16))
    (cod, _) = paper_claims.answer(CLAIMS["few-shot gain"], on, decides=False)
    assert cod.verdict is None
    assert cod.estimates[0] is not None
    assert (cod.estimates[0].estimate, cod.estimates[0].ks) == (pytest.approx(0.3), (8, 16))


def test_only_the_published_pair_on_canonical_data_under_protocol_paper_decides():
    stated = CLAIMS["few-shot gain"]
    hits = {"standard": 5, "cod": 8, "unvalidated": 4}
    assert paper_page.decides(stated, grid(hits))
    assert not paper_page.decides(stated, grid(hits, protocol="last"))
    assert not paper_page.decides(stated, grid(hits, name="embedded"))
    assert not paper_page.decides(stated, grid(hits, tasks=("sst2+local-01234567",)))
    assert "paper" in PROTOCOLS


def test_the_list_names_what_to_run_and_every_claim():
    text = paper_page.claims_text([(stated, None, []) for stated in CLAIMS.values()])
    for suite in (
        "paper",
        "paper-qwen",
        "paper-xsmall",
        "prompt-ablation",
        "prompt-ablation --generator llm_v4",
        "soft-labels",
    ):
        assert f"`cod-bench run --suite {suite} --all --protocol paper`" in text
    assert all(stated.text in text for stated in CLAIMS.values())
    assert "+10.10" in text


def test_robust_to_prompts_is_a_claim_for_each_on_the_records_of_its_generator():
    stated = [claim for name, claim in CLAIMS.items() if name.startswith("prompt robustness")]
    assert [claim.suite for claim in stated] == ["prompt-ablation", *(f"prompt-ablation+llm_v{n}" for n in (2, 3, 4))]
    assert all(claim.parts[0].published > 0.05 for claim in stated)
    hits = {"standard": 5, "cod": 8, "unvalidated": 4}
    for claim in stated:
        here = [paper_page.decides(claim, grid(hits, name=other.suite, tasks=("sst2",))) for other in stated]
        assert here == [claim is other for other in stated]
