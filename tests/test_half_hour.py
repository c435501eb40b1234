"""A stranger with 400 rows and a loss of ten lines has an honest table with both, from docs/own/index.md alone."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from cod_bench.cli import new
from tests import ROOT, docs

PAGE = ROOT / "docs" / "own" / "index.md"
LOSS = """\
        \"\"\"Cross-entropy with labels, and with the teacher where it is surer than the student.\"\"\"
        from torch import no_grad, where
        from torch.nn.functional import cross_entropy, log_softmax

        ours = log_softmax(student.logits.float(), -1)
        with no_grad():
            theirs = batch.teacher_logits.softmax(-1)
            surer = theirs.amax(-1) > ours.exp().amax(-1)
        distance = -(theirs * ours).sum(-1)
        weighted = where(surer, distance, 0.1 * distance).mean()
        return {"ce": cross_entropy(ours, batch.labels), "teacher": self._weight * weighted}
"""
NO = "terrible awful horrible poor disappointing useless boring dreadful unpleasant stupid worst sad"
YES = "wonderful excellent lovely great charming perfect delightful superb pleasant brilliant best happy"
WORDS = {"no": NO.split(), "yes": YES.split()}
WHO = ["the plumber", "my aunt", "a guest", "the clerk", "one pilot", "the twins", "a baker", "her boss", "the guide"]
WHAT = ["the ferry", "this jacket", "a radio", "the stew", "that camera", "the bench", "a novel", "the app", "the bed"]
WHEN = ["in may", "after lunch", "by the lake", "on the phone", "last winter", "at the station", "for a week"]


def rows() -> str:
    """400 distinct texts of two classes, as a spreadsheet writes them."""
    chance = random.Random(16)
    found: dict[str, str] = {}
    while len(found) < 400:
        label = ("no", "yes")[len(found) % 2]
        first, second = chance.sample(WORDS[label], 2)
        who, what, other, when, then = (chance.choice(some) for some in (WHO, WHAT, WHAT, WHEN, WHEN))
        found[f"{who} called {what} {first} {when}, and {other} was {second} {then}"] = label
    told = io.StringIO()
    csv.writer(told).writerows([("text", "label"), *found.items()])
    return told.getvalue()


def method() -> str:
    """The template of `new method`, with another loss in it."""
    made = new.text("method", "mine")
    head, loss, rest = re.split(r"(?<=-> dict\[str, Tensor\]:\n)(.*?)(?=\n\nDISTILLER)", made, flags=re.DOTALL)
    assert "mse_loss" in loss
    return head + LOSS + rest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all that the page says was done, with the stranger's own files."""
    made = tmp_path_factory.mktemp("stranger") / "here"
    made.mkdir()
    docs.carry_out(docs.blocks(PAGE), made, instead={"tickets.csv": rows(), "mine.py": method()})
    return made


def records(folder: Path, track_is_small: bool) -> list[dict[str, Any]]:
    """Of the students: of the first look, or of the suite."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((folder / "runs").rglob("k0*-seed*.json"))]
    return [
        one
        for one in found
        if one["spec"]["method"] in ("kd", "mine") and ("smoke" in one["spec"]["track"]) is track_is_small
    ]


def cells(found: Iterable[dict[str, Any]], method: str) -> list[tuple[Any, ...]]:
    """What a method was trained on, and by whom it was taught."""
    names = ("track", "task", "condition", "k", "seed")
    return sorted(
        (*(one["spec"][name] for name in names), one["rows"]["hash"], one["teacher_hash"])
        for one in found
        if one["spec"]["method"] == method
    )


def table(path: Path, first: str) -> list[dict[str, str]]:
    """The rows of the first Markdown table whose header opens with these words."""
    lines = path.read_text(encoding="utf-8").splitlines()
    at = next(place for place, line in enumerate(lines) if re.match(rf"\| {first} +\|", line))
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in takewhile(lambda line: line.startswith("|"), lines[at:])
    ]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


def test_the_loss_is_ten_lines_and_no_more() -> None:
    assert len([line for line in LOSS.splitlines() if line.strip() and '"""' not in line]) <= 10
    compile(method(), "mine.py", "exec")


def test_there_are_400_rows_of_two_classes() -> None:
    found = list(csv.DictReader(io.StringIO(rows())))
    assert len({row["text"] for row in found}) == 400
    assert {row["label"] for row in found} == {"no", "yes"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("small", "runs"), [(True, 4), (False, 10)], ids=["a first look", "the table"])
def test_both_methods_stand_on_the_same_cells(folder: Path, small: bool, runs: int) -> None:
    found = records(folder, small)
    assert cells(found, "kd") == cells(found, "mine")
    assert len(cells(found, "kd")) == runs
    assert len({one["teacher_hash"] for one in found}) == 1
    losses = {one["spec"]["method"]: one["history"] for one in found}
    assert losses["kd"] != losses["mine"]


@pytest.mark.slow
def test_two_seeds_have_means_and_no_interval(folder: Path) -> None:
    looked = sorted((folder / "runs" / "leaderboard").glob("smoke*"))
    assert [("mine" in one.name) for one in looked] == [True, False]
    for one in looked:
        gains = table(one / "README.md", "method +\\| gain")
        assert [row["n units"] for row in gains] == ["2"]
        text = (one / "README.md").read_text(encoding="utf-8")
        assert not re.findall(r"\[[-+]?\d+\.\d+, [-+]?\d+\.\d+\]", text)
        assert "p 0." not in text
        assert "shown**" not in text
    beside = table(looked[0] / "README.md", "difference")
    assert {(row["how"], row["n units"], row["95 % interval"], row["p"]) for row in beside} == {
        ("paired", "2", "–", "–")
    }


@pytest.mark.slow
def test_the_table_is_what_the_records_say_and_claims_nothing(folder: Path) -> None:
    page = folder / "runs" / "leaderboard" / "own" / "README.md"
    text = page.read_text(encoding="utf-8")
    assert "Complete: 69 of 69 runs." in text
    found = records(folder, False)
    told = {(row["method"], row["condition"].strip("`")): row for row in table(page, "method")}
    assert set(told) == {(name, condition) for name in ("kd", "mine") for condition in ("standard", "cod")}
    for (name, condition), row in told.items():
        own = [
            one["metrics"]["accuracy"]
            for one in found
            if (one["spec"]["method"], one["spec"]["condition"]) == (name, condition)
        ]
        assert row["n runs"] == "5"
        assert float(row["k=8"]) == pytest.approx(100 * sum(own) / 5, abs=0.051)
    gains = {row["method"]: row for row in table(page, "method +\\| gain")}
    assert set(gains) == {"*all methods*", "kd", "mine"}
    for row in gains.values():
        low, high = map(float, re.findall(r"[-+]\d+\.\d+", row["95 % interval"]))
        assert low < float(row["points"]) < high
        assert row["n units"] == "5"
        assert float(row["p"]) >= 0.0625  # the smallest that five units of one task can have
    assert "**shown**" not in text
    assert {"lexicon", "tfidf", "probe", "probe_teacher", "majority"} <= {row["method"] for row in table(page, "what")}


@pytest.mark.slow
def test_the_loss_that_the_page_shows_passes_check(tmp_path: Path) -> None:
    """The stranger's own stood in its place above."""
    own = docs.blocks(PAGE)
    checked = next(at for at, block in enumerate(own) if "cod-bench check mine.py" in block.text)
    folder = tmp_path / "here"
    folder.mkdir()
    docs.carry_out([own[checked - 1], own[checked]], folder)
    assert (folder / "mine.py").read_text(encoding="utf-8").startswith('"""mine: ')
