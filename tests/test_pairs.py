"""The human pairs that development data hold are pairs, whatever their length."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cod_bench import pairs


def test_human_pairs_are_read() -> None:
    folder = os.environ.get("COD_BENCH_DATA", "")
    file = Path(folder) / "imdb_cad" / "pairs.jsonl"
    if not folder or not file.exists():
        pytest.skip("COD_BENCH_DATA names no folder with imdb_cad/pairs.jsonl")
    found = pairs.read(file).pairs
    assert len(found) == 1704
    assert {(pair.label, pair.target) for pair in found} == {(0, 1), (1, 0)}
