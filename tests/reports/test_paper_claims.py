"""Claims fixed as data, and the verdict rules on intervals by hand and on whole grids."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cod_bench.analysis.compare import Comparison
from cod_bench.design import suites
from cod_bench.design.suite import Block, Suite
from cod_bench.reports.paper import claims as paper_claims
from cod_bench.reports.paper import page as paper_page
from cod_bench.reports.paper import tables as paper
from cod_bench.reports.paper.claims import Claim, Part
from cod_bench.spec import PROTOCOLS
from tests.analysis.test_aggregate import collect, hand_record, made
from tests.reports.test_paper import by_model

CLAIMS = {claim.name: claim for claim in paper_claims.claims()}
TASKS = ("sst2", "cola")
METHODS = ("kd", "lwd", "ted", "finetune")


def grid(
    hits: dict[str, int], *, name="paper", tasks=TASKS, ks=(8, 16, 32, 64, 512), protocol="paper", generator="llm",
    track="deberta-small", model="gpt-4o",
):  # fmt: skip
    """By hand: of ten rows every run has as many right as `hits` says."""
    conditions = ("standard", "cod", "unvalidated")
    blocks = (Block(METHODS, conditions, ks),)
    return of(Suite(name, "By hand", (track,), tasks, (0, 1), (8,), blocks, generator, (protocol,)), hits, model=model)


def of(suite: Suite, hits: dict[str, int], *, track: str = "", protocol: str = "", model="gpt-4o", without=()):
    """Of ten rows every run has as many right as `hits` says of `task k`, else `method condition`, else `condition`."""
    track, protocol = track or suite.tracks[0], protocol or suite.protocols[-1]
    records = [
        by_model(hand_record(spec, next(hits[key] for key in _keys(spec) if key in hits)), model)
        for spec in suite.expand(track=track, protocol=protocol)
        if spec not in without
    ]
    references = made["references"](suite.tasks, rows=10, track=track)
    return collect(records, suite, references, track=track, protocol=protocol)


def _keys(spec) -> tuple[str, ...]:
    return f"{spec.task} {spec.k} {spec.condition}", f"{spec.method} {spec.condition}", spec.condition


def lacking(found, lost: int = 1):
    """The same grid without its last runs."""
    gone = list(found.runs)[-lost:]
    return replace(found, runs={s: r for s, r in found.runs.items() if s not in gone}, missing=tuple(gone))


def claim(kind: str, published: float | None, *, plus=("kd", "cod"), minus=("kd", "none"), ks=(8,)) -> Claim:
    return Claim("by hand", "By hand", kind, "paper", (Part(plus, minus, TASKS, ks, published),))  # type: ignore[arg-type]


def verdicts(stated: Claim, on, **kwargs) -> dict[str, str | None]:
    grids = [on] * len(stated.parts)
    return {a.reading: a.verdict for a in paper_claims.answer(stated, grids, **{"decides": True} | kwargs)}


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
    (cod, _) = paper_claims.answer(stated, [on], decides=True)
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
    (cod, _) = paper_claims.answer(CLAIMS["few-shot gain"], [on] * 3, decides=False)
    assert cod.verdict is None
    assert cod.estimates[0] is not None
    assert (cod.estimates[0].estimate, cod.estimates[0].ks) == (pytest.approx(0.3), (8, 16))


def test_a_figure_of_ours_stands_once_whatever_it_is_like_and_says_whose_it_is():
    on = grid({"standard": 5, "cod": 8, "unvalidated": 4}, name="embedded", tasks=("t1", "yelp"), ks=(8, 16, 32, 64))
    answers = [(c, paper_claims.answer(c, [on] * len(c.parts), decides=False)) for c in CLAIMS.values()]
    text = paper_page.claims_text(answers)
    table, analogues = text.split("## Analogues")
    assert "[" not in "".join(line for line in table.splitlines() if line.startswith("|"))
    rows = [line for line in analogues.splitlines() if line.startswith("| A")]
    assert len({tuple(row.split("|")[2:4]) for row in rows}) == len(rows)
    assert all("`embedded`, `deberta-small`, `paper`: t1, yelp" in row for row in rows)
    (like_many,) = [row for row in rows if "| kd + CoD - kd, k = 8, 16, 32, 64 " in row]
    assert all(f"{name} (+" in like_many for name in ("few-shot gain, xsmall", "few-shot gain, qwen"))
    assert "prompt robustness (+" in like_many
    (with_doubt,) = [row for row in rows if "kd + CoD - kd, k = 8, 16, 32, 64, without yelp at 32, 64" in row]
    assert "few-shot gain (+4.97)" in with_doubt  # left out of the published figure and of ours
    label = like_many.split("|")[1].strip()
    assert sum(f" {label} " in line for line in table.splitlines()) == 6  # xsmall, qwen and four prompts
    assert "k = 512" not in analogues  # nothing of ours is like it


def test_the_pair_behind_an_analogue_is_told_from_the_records():
    on = grid({"standard": 5, "cod": 8, "unvalidated": 4}, name="embedded")
    told = {"weights": "minilm", "student": {"weights": "<b>"}, "student_layers": [1, 4]}
    runs = {
        spec: replace(run, record=replace(run.record, identity=run.record.identity | {"track": told}))
        for spec, run in on.runs.items()
    }
    stated = claim("superiority", 0.1)
    answers = [(stated, paper_claims.answer(stated, [replace(on, runs=runs)], decides=False))]
    assert "minilm to &lt;b&gt; (its layers 1 and 4), on sst2, cola" in paper_page.claims_text(answers)


def test_only_the_published_pair_on_canonical_data_under_protocol_paper_decides():
    stated = CLAIMS["few-shot gain"]
    hits = {"standard": 5, "cod": 8, "unvalidated": 4}

    def decides(**changes) -> bool:
        return paper_page.decides(stated, [grid(hits, **changes)] * len(stated.parts))

    assert decides()
    assert decides(model="gpt-4o-2024-11-20")
    for other in (
        {"protocol": "last"}, {"name": "embedded"}, {"name": "paper+local", "tasks": ("sst2+local-01234567",)},
        {"track": "minilm"}, {"track": "mine"}, {"track": "deberta-small+paper-c4"}, {"track": "deberta-xsmall"},
        {"generator": "substitution"}, {"name": "paper+substitution", "generator": "substitution"},
        {"model": "gpt-4o-mini"}, {"model": "my-model"}, {"model": ""},
    ):  # fmt: skip
        assert not decides(**other), other
    assert not paper_page.decides(stated, [None] * len(stated.parts))
    assert "paper" in PROTOCOLS


@pytest.mark.parametrize("kind", sorted({claim.kind for claim in CLAIMS.values()}))
def test_before_the_declared_grid_is_complete_there_are_means_and_no_interval_or_verdict(kind: str):
    stated = next(claim for claim in CLAIMS.values() if claim.kind == kind)
    stated = replace(stated, parts=tuple(replace(part, tasks=TASKS, ks=(8, 16)) for part in stated.parts))
    whole = grid({"standard": 5, "cod": 8, "unvalidated": 8}, ks=(8, 16, 512))
    partial = lacking(whole)  # of k = 512: the claim's own cells are all there
    for decides in (True, False):
        for answer in paper_claims.answer(stated, [partial] * len(stated.parts), decides=decides):
            assert answer.verdict == ("not run" if decides else None)
            for found in answer.estimates:
                assert found is not None
                assert found.estimate is not None
                assert (found.low, found.high, found.p) == (None, None, None)
    text = paper_page.claims_text([(stated, paper_claims.answer(stated, [partial] * len(stated.parts), decides=True))])
    assert "[" not in text.split("|\n")[2]
    assert "Before all declared runs are there" in text


def test_seconds_are_means_of_whole_cells_alone():
    stated = CLAIMS["cost grows"]
    whole = grid({"standard": 5, "cod": 8, "unvalidated": 8}, tasks=("sst2",), ks=(8, 16, 32, 64, 128, 512))
    assert verdicts(stated, whole)["cod"] in ("inconclusive", "reproduced", "contradicted")
    gone = next(s for s in whole.runs if (s.method, s.condition, s.k, s.seed) == ("lwd", "cod", 8, 1))
    partial = replace(whole, runs={s: r for s, r in whole.runs.items() if s != gone}, missing=(gone,))
    (cod, _) = paper_claims.answer(stated, [partial] * 2, decides=True)
    assert cod.estimates[0] is not None
    assert cod.estimates[1] is None
    assert cod.verdict == "not run"


def test_a_published_cell_in_doubt_is_left_out_of_both_sides():
    kd, lwd, _ = CLAIMS["few-shot gain"].parts
    assert kd.doubtful == {("yelp", 32), ("yelp", 64)}
    assert lwd.doubtful == {("yelp", 16), ("yelp", 32)}
    assert CLAIMS["parity at 512"].parts[1].doubtful == {("yelp", 512), ("sentiment140", 512)}
    cells = paper.accuracies(1)
    sure = {t: [k for k in kd.ks if (t, k) not in kd.doubtful] for t in kd.tasks}
    means = [
        sum(cells[t, "kd", "cod", k].mean - cells[t, "kd", "none", k].mean for k in ks) / len(ks)
        for t, ks in sure.items()
    ]
    assert kd.published == pytest.approx(sum(means) / 6)
    # ours: +3 of ten rows everywhere, -5 where the published row is in doubt
    hits = {"standard": 5, "cod": 8, "unvalidated": 8, "yelp 32 cod": 0, "yelp 64 cod": 0}
    on = grid(hits, tasks=kd.tasks, ks=kd.ks)
    stated = replace(CLAIMS["few-shot gain"], parts=(kd,))
    for decides in (True, False):
        (cod, _) = paper_claims.answer(stated, [on], decides=decides)
        assert cod.estimates[0] is not None
        assert cod.estimates[0].estimate == pytest.approx(0.3)
    assert "without yelp at 32, 64" in paper_page.claims_text([(stated, [])])


def test_the_list_names_what_to_run_and_every_claim():
    text = paper_page.claims_text([(stated, []) for stated in CLAIMS.values()])
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
    assert "(kd + CoD - kd) - (finetune + CoD - finetune)" in text
    assert "kd + CoD - kd, `prompt-ablation+llm_v3`, k = 8, 16, 32, 64" in text
    assert "+10.10" in text


def prompts(*makers: str, hits: dict[str, dict[str, int]] | None = None) -> list:
    base = suites.SUITES["prompt-ablation"]
    plain = {"standard": 5, "cod": 8, "unvalidated": 8, "random": 5}
    return [
        of(base.variant(generator=made_by), plain | (hits or {}).get(made_by, {}), protocol="paper")
        for made_by in makers
    ]


def test_whichever_of_four_prompts_is_one_claim_with_the_worst_of_four_verdicts():
    stated = CLAIMS["prompt robustness"]
    assert [paper_claims.suite_of(stated, part) for part in stated.parts] == [
        "prompt-ablation",
        *(f"prompt-ablation+llm_v{n}" for n in (2, 3, 4)),
    ]
    assert all(part.published > 0.05 for part in stated.parts)
    four = ("llm_v1", "llm_v2", "llm_v3", "llm_v4")

    def told(grids) -> dict[str, str | None]:
        (own,) = paper_claims.settings(stated, grids)
        assert paper_page.decides(stated, own)
        return {a.reading: a.verdict for a in paper_claims.answer(stated, own, decides=True)}

    assert told(prompts(*four)) == {"cod": "reproduced", "unvalidated": "reproduced"}
    assert told(prompts(*four, hits={"llm_v3": {"cod": 2}})) == {"cod": "contradicted", "unvalidated": "reproduced"}
    assert set(told(prompts(*four[:3])).values()) == {"not run"}
    assert set(told([*prompts(*four[:3]), lacking(prompts("llm_v4")[0])]).values()) == {"not run"}
    (own,) = paper_claims.settings(stated, prompts(*four[:3]))
    text = paper_page.claims_text([(stated, paper_claims.answer(stated, own, decides=True))])
    assert "`cod-bench run --suite prompt-ablation --generator llm_v4 --all --protocol paper`" in text
    assert "llm_v3 --all" not in text


def test_protocols_are_answered_apart():
    stated = CLAIMS["prompt robustness"]
    base = suites.SUITES["prompt-ablation"]
    last = of(base, {"standard": 5, "cod": 8, "unvalidated": 8, "random": 5}, protocol="last")
    found = paper_claims.settings(stated, [*prompts("llm_v1", "llm_v2"), last])
    assert [[g and g.protocol for g in own] for own in found] == [
        ["paper", "paper", None, None],
        ["last", None, None, None],
    ]
    assert not paper_page.decides(stated, found[1])


@pytest.mark.parametrize("name", CLAIMS)
def test_the_suite_that_a_claim_names_declares_every_cell_of_it(name: str):
    stated = CLAIMS[name]
    for part in stated.parts:
        suite = suites.suite(stated.suite).variant(generator=part.generator)
        assert "paper" in suite.protocols or stated.suite == "prompt-ablation"
        declared = {(s.task, s.method, s.condition, s.k) for s in suite.expand(track=suite.tracks[0], protocol="paper")}
        for method, variant in (part.plus, part.minus):
            for condition in {"none": ("standard",), "cod": ("cod", "unvalidated")}[variant]:
                wanted = {
                    (own, method, condition, k)
                    for task in part.tasks
                    for own in suite.tasks
                    if paper.base_name(own) == task
                    for k in part.ks
                }
                assert len(wanted) == len(part.tasks) * len(part.ks)
                assert wanted <= declared


def test_soft_labels_are_judged_on_the_suite_that_is_declared_for_them():
    stated = CLAIMS["soft labels matter"]
    suite = suites.SUITES["soft-labels"]
    assert stated.suite == suite.name == paper.TABLES[9].suite
    on = of(suite, {"standard": 5, "cod": 10, "unvalidated": 5, "finetune cod": 2}, protocol="paper")
    assert on.complete
    (own,) = paper_claims.settings(stated, [on])
    assert paper_page.decides(stated, own)
    cod, unvalidated = paper_claims.answer(stated, own, decides=True)
    assert cod.estimates[0].estimate == pytest.approx(0.5 + 0.3)
    assert cod.verdict == "reproduced"
    assert unvalidated.verdict == "inconclusive"
    assert paper_page.direct(paper.table(9), on)
