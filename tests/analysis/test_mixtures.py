"""Records -> comparable or refused: what stands behind a generator's name is one thing in a task."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cod_bench.analysis import mixtures
from cod_bench.errors import UsageError
from cod_bench.records.record import Record
from tests.analysis.test_aggregate import hand_records


def of_generator(name: str, version: int) -> Record:
    record = next(r for r in hand_records() if r.spec.condition == "cod")
    identity = {**record.identity, "generator": {"name": name, "version": version}}
    return replace(record, spec=replace(record.spec, generator=name), identity=identity)


def test_two_generators_of_one_suite_are_no_mixture() -> None:
    mixtures.refuse_mixtures([of_generator("g", 1), of_generator("g_near", 2)])


def test_two_versions_of_one_generator_are() -> None:
    with pytest.raises(UsageError, match=r"identity\.generator differs: \{'version': 1\} in .*\{'version': 2\} in"):
        mixtures.refuse_mixtures([of_generator("g", 1), of_generator("g", 2)])
