"""Human pairs, as published for IMDb reviews, are pairs whatever their length."""

from __future__ import annotations

import json
from pathlib import Path

from cod_bench.counterfactuals import pairs


def test_human_pairs_are_read(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    rows = [
        {
            "original": f"a dull film number {i}" + " that goes on" * 40 * i, "original_label": i % 2,
            "counterfactual": f"a great film number {i}" + " that goes on" * 40 * i, "target": 1 - i % 2,
        }
        for i in range(6)
    ]  # fmt: skip
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = pairs.read(file).pairs
    assert [(pair.original, pair.counterfactual) for pair in found] == [
        (row["original"], row["counterfactual"]) for row in rows
    ]
    assert {(pair.label, pair.target) for pair in found} == {(0, 1), (1, 0)}
