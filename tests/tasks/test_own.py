"""A stranger's task in a file of its own, on a suite's grid: which runs, which tables, and what stops it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from cod_bench import device, registry
from cod_bench.analysis import grids
from cod_bench.checks.suites import suites_of
from cod_bench.design import filters, suites
from cod_bench.design.filters import Filters
from cod_bench.errors import UsageError
from cod_bench.records.results import Results
from cod_bench.runner import work

PLACES = '''"""A task for tests."""

import itertools

from cod_bench import RawRow, Task

WORDS = (("sadly", "hardly", "barely", "never"), ("truly", "gladly", "surely", "always"))
WHO = ("anna", "bert", "clara", "david", "emma", "felix", "greta", "henry")
WHAT = ("reads letters", "plays chess", "bakes bread", "paints walls", "mends shoes", "sings songs")


def read():
    for label, words in enumerate(WORDS):
        for word, who, what, when in itertools.product(words, WHO, WHAT, ("on monday", "at noon", "in spring")):
            yield RawRow(f"{when} {who} {word} {what}", label)


TASK = Task(
    name="places", version=1, title="Made-up remarks", classes=("no", "yes"), metric="accuracy", licence="none",
    citation="none", read=read, evaluation_rows=40, dev_rows=40, shares=(0.6, 0.15, 0.25),
    pool_sha256="a8b9790e508b9ff1e9bd3e075b0de31c47ac5a33eb892b87a5580d413e7a53f5",
    evaluation_sha256="652e660464667e9238f9917df6c317514eaad8e5b5c338219ee2155f0d1529dd",
)
'''


@pytest.fixture
def places(tmp_path: Path) -> Iterator[str]:
    before = dict(registry._plugin_files)
    device.set_threads()
    path = tmp_path / "places.py"
    path.write_text(PLACES)
    yield registry.add_plugin(path)[1]
    registry._plugin_files.clear()
    registry._plugin_files.update(before)


def test_it_runs_on_a_suites_whole_grid(places: str) -> None:
    made, toy = filters.suite_for("toy", Filters(task=(places,))), suites.suite("toy")
    assert (made.name, made.family, made.tasks) == ("toy+places", "toy", ("places",))
    own = {(s.method, s.condition, s.k, s.seed) for s in filters.select(made, Filters(task=(places,)))}
    assert own == {(s.method, s.condition, s.k, s.seed) for s in toy.expand(track="toy")}
    with_floors = filters.suite_for("embedded", Filters(task=(places,)))
    assert with_floors.floors == suites.suite("embedded").floors


def test_a_submitted_method_runs_on_it_too(places: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        'from cod_bench import Fitted\n\n\nclass Mine(Fitted):\n    "Mine."\n\n'
        '    name, version, summary = "mine", 1, "Mine."\n'
        "\n    def fit(self, material):\n        return lambda texts: [[0.6, 0.4]] * len(texts)\n\n\nDISTILLER = Mine\n"
    )
    registry.add_plugin(tmp_path / "mine.py")
    made = filters.suite_for("toy", Filters(task=(places,), method=("mine",)))
    assert (made.name, made.methods, made.tasks) == ("toy+mine+places", ("mine",), (places,))
    results = Results(tmp_path / "results")
    (spec, *_) = filters.select(made, Filters(task=(places,), method=("mine",), condition=("standard",)))
    results.write(work.run_one(spec, {}))
    assert [suite.name for suite in grids.suites_with_records(results)] == [made.name]  # as readers call it


@pytest.mark.parametrize(
    ("tasks", "told"),
    [
        (("places", "toy"), "--task places,toy: no suite declares places, and each such task has tables of its own"),
        (("place",), "unknown task 'place': did you mean 'places'"),
    ],
    ids=["with another", "near miss"],
)
def test_what_cannot_be_run_is_a_sentence(places: str, tasks: tuple[str, ...], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        filters.suite_for("toy", Filters(task=tasks))


def test_its_records_make_tables_of_its_own_where_it_is_known(
    places: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    results = Results(tmp_path / "results")
    made = filters.suite_for("toy", Filters(task=(places,)))
    for spec in filters.select(made, Filters(task=(places,), method=("kd",), condition=("standard",), seed=(0,))):
        results.write(work.run_one(spec, {}))
    assert [suite.name for suite in grids.suites_with_records(results)] == [made.name]
    specs = {record.spec for record in results.scan()[0]}
    assert made.name in {suite.name for suite in suites_of(specs, "toy")}
    registry._plugin_files.clear()
    with caplog.at_level(logging.WARNING):
        assert grids.suites_with_records(results) == []
    assert "records of task 'places' are left out of the tables" in caplog.text
