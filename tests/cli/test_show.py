"""What `run` says besides its runs: other rows under a task's name, and nothing that nobody asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cod_bench.cli import show
from cod_bench.design import suites
from cod_bench.design.filters import Filters
from cod_bench.records.results import Results
from cod_bench.spec import RunSpec
from tests.samples import sample_record

MINE, OTHER = "mine+local-0123abcd", "mine+local-4567cdef"


def test_a_changed_file_is_told_as_other_rows_under_the_same_name(tmp_path: Path) -> None:
    results = Results(tmp_path)
    for seed in (0, 1):
        results.write(sample_record(spec=RunSpec("last", "toy", OTHER, "kd", "standard", "", 8, seed)))
    results.write(sample_record(spec=RunSpec("last", "toy", "toy", "kd", "standard", "", 8, 0)))
    part = (replace(suites.suite("toy"), tasks=(MINE,)), Filters())
    (told,) = show._other_rows([part], results)
    assert told.startswith(f"task {MINE}: this folder also has 2 runs of {OTHER}, other rows under the same name")
    assert show._other_rows([(suites.suite("toy"), Filters())], results) == []
    assert show._other_rows([(replace(suites.suite("toy"), tasks=(OTHER,)), Filters())], results) == []
