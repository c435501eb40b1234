"""Texts of one's own: what is kept of a trial, and that the published examples are what the generator makes again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cod_bench.counterfactuals import tried
from cod_bench.errors import UsageError
from cod_bench.store import home
from tests import ROOT
from tests.cli.test_app import call

HOME = home()
"""The user's own cache folder: that of the tests is named when they begin."""
PUBLISHED = ROOT / "leaderboard" / tried.FILE
SENTENCES = ("a superb story told by a gifted cast", "the plot is a dreary mess")


def again(name: str, *, p: float = 0.9) -> tried.Tried:
    said = tried.Said("good", p), tried.Said("bad", 0.8)
    return tried.Tried("toy", "toy", "substitution", "abc", name, said[0], f"{name} not", said[1], valid=True)


def test_texts_are_tried_kept_beside_others_and_made_again(tmp_path: Path) -> None:
    first = call("cfe", "try", "--task", "toy", "--track", "toy", "--out", "own.json", SENTENCES[0], cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    second = call("cfe", "try", "--task", "toy", "--track", "toy", "--out", "own.json", *SENTENCES, cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    kept = tried.read(tmp_path / "own.json")
    assert [one.text for one in kept] == [*SENTENCES]
    for one in kept:
        assert f"{one.before.name} {one.before.p:.3f} -> {one.after.name} {one.after.p:.3f}" in second.stdout
        assert one.text == " ".join(text for tag, text in one.words if tag != "ins")
        assert one.counterfactual == " ".join(text for tag, text in one.words if tag != "del")
        assert one.valid == (one.before.name != one.after.name)
    before = (tmp_path / "own.json").read_text()
    made = call("cfe", "try", "--again", "own.json", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "own.json").read_text() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "TEXTS: name some, such as"),
        (["a text", "--again", "own.json"], "TEXTS: name some, such as"),
        (["a text", "--out", "own.csv"], "--out own.csv: the name must end in .json"),
        (["--again", "nothing.json"], "nothing.json: cannot be read"),
        (["--again", "bad.json"], "bad.json: is no file of `cod-bench cfe try --out`"),
    ],
)  # fmt: skip
def test_mistakes_are_told(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "bad.json").write_text('{"examples": [{"text": "x"}]}')
    done = call("cfe", "try", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_what_is_made_of_the_same_text_again_takes_the_place_of_what_was() -> None:
    kept = [again("one"), again("two")]
    found = tried.added(kept, [again("two", p=0.7), again("three")])
    assert [(one.text, one.before.p) for one in found] == [("one", 0.9), ("two", 0.7), ("three", 0.9)]
    assert tried.from_json(tried.to_json(found), "x") == found


@pytest.mark.parametrize(
    "change",
    [
        {"text": 5}, {"before": {"name": "good", "p": 2}}, {"before": "good"}, {"other": 1},
        {"after": {"name": 1, "p": 0.5}},
    ],
)  # fmt: skip
def test_a_file_of_another_form_is_refused(change: dict[str, object]) -> None:
    value = json.loads(tried.to_json([again("one")]))
    value["examples"][0] |= change
    with pytest.raises(UsageError, match=r"own\.json: is no file of `cod-bench cfe try --out`"):
        tried.from_json(json.dumps(value), "own.json")


def test_the_published_examples_come_with_the_package_and_are_no_corpus_s() -> None:
    found = tried.published()
    assert found == tried.read(PUBLISHED)
    assert len({one.text for one in found}) == len(found) == 12
    assert {one.task for one in found} == {"rt_quotes", "brand_tweets"}
    for one in found:
        assert one.valid
        assert one.before.name != one.after.name
    assert not re.search(r"\d{4}-\d\d-\d\d", PUBLISHED.read_text())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_published_examples_are_what_the_generator_makes_again(tmp_path: Path) -> None:
    kept = tried.read(PUBLISHED)
    for task, track in {(one.task, one.track) for one in kept}:
        if not [*(HOME / "artifacts" / "teachers" / track).glob(f"{task}-*")]:
            pytest.skip(f"no teacher of {task} on {track} in {HOME}: fitting it takes minutes")
    (tmp_path / "examples.json").write_bytes(PUBLISHED.read_bytes())
    done = call("cfe", "try", "--again", "examples.json", cwd=tmp_path, COD_BENCH_HOME=str(HOME))
    assert done.returncode == 0, done.stderr
    made = tried.read(tmp_path / "examples.json")
    if {one.teacher for one in made} != {one.teacher for one in kept}:
        pytest.skip(f"the teachers in {HOME} are others than those of {tried.FILE}: fitted on another kind of machine")
    for old, new in zip(kept, made, strict=True):
        assert (new.text, new.counterfactual, new.valid) == (old.text, old.counterfactual, old.valid)
        assert (new.before.name, new.after.name) == (old.before.name, old.after.name)
        assert new.before.p == pytest.approx(old.before.p, abs=0.002)
        assert new.after.p == pytest.approx(old.after.p, abs=0.002)
