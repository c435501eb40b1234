"""Human pairs, as published for IMDb reviews, are pairs whatever their length."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cod_bench.counterfactuals import pairs
from cod_bench.errors import UsageError


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


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(8 << 30)


@pytest.mark.parametrize(
    ("put", "said"),
    [
        (_pipe, "is a pipe, and only regular files are read"), (_link, "is a link, and only regular files are read"),
        (Path.mkdir, "is a folder, and only regular files are read"), (_sparse, "at most 256,000,000 are read"),
        (lambda path: None, "No such file or directory; name a JSONL file of pairs"),
    ],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_what_is_no_file_of_pairs_is_a_sentence(put: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    put(tmp_path / "pairs.jsonl")
    with pytest.raises(UsageError, match=f"--pairs .*{said}"):
        pairs.read(tmp_path / "pairs.jsonl")


GOOD = {"original": "a dull film", "label": 0, "cfe": "a great film", "target": 1}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[" * 100_000, "line 2: is no pair .not JSON: nested too deeply"),
        ("[]", "line 2: is no pair .a field is missing or of the wrong kind"),
        ("5", "line 2: is no pair .not one JSON object"),
        ('"\\u001b"', "line 2: is no pair"),
        (json.dumps({**GOOD, "target": 10**30}), "line 2: is no pair .a field is missing or of the wrong kind"),
        (json.dumps({**GOOD, "preserving": {"a": 1}}), "line 2: is no pair"),
        (json.dumps({**GOOD, "cfe": "a\ud800"}), "line 2: is no pair .not JSON: an escape is half of a character"),
        ("\xff", "line 2: is no pair"),
    ],
)
def test_a_line_that_is_no_pair_is_named(line: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_bytes(json.dumps(GOOD).encode() + b"\n" + line.encode("latin-1"))
    with pytest.raises(UsageError, match=said) as caught:
        pairs.read(tmp_path / "pairs.jsonl")
    assert str(caught.value).isprintable()


def test_a_mark_of_utf_8_and_an_empty_rewrite_are_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps({**GOOD, "preserving": " "}).encode())
    [pair] = pairs.read(tmp_path / "pairs.jsonl").pairs
    assert (pair.original, pair.preserving) == ("a dull film", None)
