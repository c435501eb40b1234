"""Filters cut a suite on every axis; what it does not have is one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cod_bench import registry
from cod_bench.design import filters, suites
from cod_bench.design.filters import Filters, select
from cod_bench.errors import UsageError

EMBEDDED = suites.suite("embedded")


@pytest.fixture
def new_method(tmp_path: Path) -> Iterator[str]:
    before = dict(registry._plugin_files)
    (tmp_path / "mine.py").write_text(
        'from cod_bench import Fitted\n\n\nclass Mine(Fitted):\n    "Mine."\n\n'
        '    name, version, summary = "mine", 1, "Mine."\n'
        "\n    def fit(self, material):\n        return lambda texts: [[0.6, 0.4]] * len(texts)\n\n\nDISTILLER = Mine\n"
    )
    yield registry.add_plugin(tmp_path / "mine.py")[1]
    registry._plugin_files.clear()
    registry._plugin_files.update(before)


def test_filters_cut_on_every_axis() -> None:
    chosen = Filters(
        track="minilm-fp32", task=("rt_quotes",), method=("kd", "ted"), condition=("cod",), k=(8, 16), seed=(0, 4)
    )
    specs = select(EMBEDDED, chosen)
    assert len(specs) == 2 * 2 * 2
    assert {(s.task, s.condition) for s in specs} == {("rt_quotes", "cod")}


@pytest.mark.parametrize(
    ("asked", "sentence"),
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
def test_mistakes_are_one_sentence_with_the_remedy(asked: Filters, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(EMBEDDED, asked)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_declared_methods_and_new_ones_are_parts_with_tables_of_their_own(new_method: str) -> None:
    found = filters.parts("toy", Filters(method=("kd", new_method), k=(8,)))
    assert [(suite.name, own.method, own.k) for suite, own in found] == [
        ("toy", ("kd",), (8,)), (f"toy+{new_method}", (new_method,), (8,)),
    ]  # fmt: skip
    assert [suite.name for suite, _ in filters.parts("toy", Filters())] == ["toy"]


def test_a_slip_in_one_part_is_told_before_any_runs() -> None:
    with pytest.raises(UsageError, match="unknown method 'kdd': did you mean 'kd'"):
        filters.parts("toy", Filters(method=("kd", "kdd")))
