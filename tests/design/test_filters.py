"""Filters cut a suite on every axis; what it does not have is one sentence."""

from __future__ import annotations

import pytest

from cod_bench.design import suites
from cod_bench.design.filters import Filters, select
from cod_bench.errors import UsageError

EMBEDDED = suites.suite("embedded")


def test_filters_cut_on_every_axis() -> None:
    filters = Filters(
        track="minilm-fp32", task=("rt_quotes",), method=("kd", "ted"), condition=("cod",), k=(8, 16), seed=(0, 4)
    )
    specs = select(EMBEDDED, filters)
    assert len(specs) == 2 * 2 * 2
    assert {(s.task, s.condition) for s in specs} == {("rt_quotes", "cod")}


@pytest.mark.parametrize(
    ("filters", "sentence"),
    [
        (Filters(task=("rt_quote",)), "unknown task 'rt_quote': did you mean 'rt_quotes'"),
        (Filters(method=("kdd",)), "unknown method 'kdd': did you mean 'kd'"),
        (Filters(condition=("cods",)), "unknown condition 'cods': did you mean 'cod'"),
        (Filters(protocol=("lst",)), "unknown protocol 'lst': did you mean 'last'"),
        (Filters(track="minilm-fp23"), "unknown track 'minilm-fp23': did you mean 'minilm-fp32'"),
        (Filters(track="toy"), "track 'toy': suite 'embedded' runs on minilm, minilm-fp32"),
        (Filters(k=(10,)), "k=10: must be a multiple of 4"),
        (Filters(k=(64,)), "--k 64: suite 'embedded' has only 0, 8, 16, 32"),
        (Filters(seed=(99,)), "--seed 99: suite 'embedded' has only 0, 1, 2, 3, 4"),
        (Filters(method=("finetune",)), "--method finetune: suite 'embedded' has only kd"),
    ],
)
def test_mistakes_are_one_sentence_with_the_remedy(filters: Filters, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(EMBEDDED, filters)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
