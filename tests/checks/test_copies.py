"""No run ends as one that was trained on other rows, be it with noise; what may be chance is told and not failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cod_bench import device, registry
from cod_bench.checks import copies
from cod_bench.checks.rows import history
from cod_bench.records.record import Record
from cod_bench.records.results import Results
from cod_bench.runner import work
from cod_bench.spec import RunSpec, stream
from tests import ROOT
from tests.samples import sample_cost, sample_record

RUN = np.random.default_rng(0).integers(1, 10_000, 400)
"""Probabilities of a run that is sure of some rows and unsure of others."""


def ended(rows: str, p: Any = RUN, method: str = "kd", **changes: Any) -> Record:
    """A run on those rows that says so."""
    p = np.clip(p, 1, 9999)
    spec = RunSpec("last", "toy", "toy", method, "cod", "substitution", 8, 0)
    values = {
        "probabilities": p.tolist(), "predictions": "".join("01"[int(value >= 5000)] for value in p),
        "history": {"loss": []}, "rows": {"hash": rows}, **changes,
    }  # fmt: skip
    return replace(sample_record(spec=spec), **values)


def noise(least: int, most: int, name: str = "") -> Any:
    """Units to add, of either sign."""
    drawn = stream("noise", name)
    return drawn.integers(least, most + 1, len(RUN)) * drawn.choice([-1, 1], len(RUN))


def compared(one: Record, other: Record) -> copies.Copies:
    return copies.copies({"one": one, "other": other})


@pytest.mark.parametrize(
    ("p", "told"),
    [
        (RUN, "100.0 % are the same to the last digit as those of run"),
        (RUN + np.eye(400, dtype=int)[0], "100.0 % are within 10 units of those of run"),  # one that is changed
        (RUN + noise(1, 3), "100.0 % are within 10 units"),  # every one
        (np.where(np.arange(400) < 230, RUN, RUN[::-1]), "% are within 10 units"),  # a good half
        (RUN[::-1], ""),
    ],
)
def test_probabilities_of_a_run_on_other_rows_are_told(p: Any, told: str) -> None:
    found = compared(ended("a"), ended("b", p))
    assert (set(found.wrong), bool(found.told)) == ({"other"} if told else set(), False)
    assert told in found.wrong.get("other", "")


def test_wider_noise_is_told_and_not_failed_since_honest_runs_might_come_so_near() -> None:
    near = compared(ended("a"), ended("b", RUN + noise(40, 80)))
    assert (near.wrong, "on other rows are alike" in near.told) == ({}, True)
    flat = np.where(RUN < 5000, 2000, 8000)  # the same classes, and nothing else in common
    alike = compared(ended("a", flat + noise(0, 1900)), ended("b", flat + noise(0, 1900, "other")))
    assert (alike.wrong, "on other rows are alike" in alike.told) == ({}, True)


@pytest.mark.parametrize(
    "p",
    [
        np.full(400, 5012),  # says the same of every row
        np.full(400, 5012) + noise(0, 4),
        np.where(RUN < 5000, 1, 9999),  # is sure of every row
        np.where(RUN < 5000, 90, 9900),
    ],
)
def test_what_two_runs_may_say_that_never_saw_each_other_is_no_copy(p: Any) -> None:
    """A collapsed run, and a task so easy that both are sure and right."""
    assert compared(ended("a", p), ended("b", p + noise(0, 2) * (p % 9998 > 1))).wrong == {}


def test_two_runs_that_say_one_thing_of_every_row_may_say_the_same() -> None:
    assert compared(ended("a", np.full(400, 5012)), ended("b", np.full(400, 5012))) == copies.Copies()


def test_the_same_class_everywhere_is_no_likeness() -> None:
    assert (
        compared(ended("a", np.full(400, 5012) + noise(0, 9)), ended("b", np.full(400, 7000) + noise(0, 900))).told
        == ""
    )


LOSSES = np.linspace(9, 0.5, 40)


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (LOSSES, "losses: those of run"),
        (LOSSES + 1e-6 * (np.arange(40) % 7 - 3), "nearly, which was trained on other rows"),
        (LOSSES + np.eye(40)[5], "nearly"),
        (np.where(np.arange(40) < 30, LOSSES, LOSSES + 0.1), ""),  # three batches of four may be the same
    ],
)
def test_losses_of_a_run_on_other_rows_are_told(loss: Any, told: str) -> None:
    def run(rows: str, values: Any, p: Any) -> Record:
        made = ended(rows, p, history={"loss": values.tolist()}, cost=sample_cost(steps=40.0))
        made.identity["method"]["hparams"] = {"steps": 40}
        return made

    assert told in compared(run("a", LOSSES, RUN), run("b", loss, RUN[::-1])).wrong.get(
        "other", "none" if not told else ""
    )


@pytest.mark.parametrize("loss", [5, None, {"x": 1}, [[1.0]], ["x"], [True]])
def test_losses_of_another_shape_are_a_sentence(loss: Any) -> None:
    assert compared(ended("a", history={"loss": loss}), ended("b", RUN[::-1], history={"loss": loss})).wrong == {}
    assert history(ended("a", history={"loss": loss})) == "history.loss: must be a list of numbers"


def test_equal_rows_and_other_teachers_may_end_alike() -> None:
    """A submission may do what another method does; `unvalidated` is `cod` where every first answer is valid."""
    assert compared(ended("a"), ended("a")) == copies.Copies()
    assert compared(ended("a"), ended("b", teacher_hash="other")) == copies.Copies()


def test_a_method_under_another_name_is_told() -> None:
    runs = {
        f"{method}{rows}": ended(rows, p + (noise(1, 3, rows) if method == "mine" else 0), method)
        for method in ("kd", "mine")
        for rows, p in (("a", RUN), ("b", RUN[::-1]))
    }
    found = copies.copies({**runs, "own": ended("c", np.roll(RUN, 7)), "mine": ended("c", np.roll(RUN, 9), "mine")})
    assert found.wrong == {}
    assert found.told == "method mine ends as kd on the same rows in 2 of 3 runs"


def test_to_methods_that_read_no_row_all_rows_are_equal() -> None:
    one, same = ended("a", method="lexicon", history={}), ended("b", method="lexicon", history={})
    assert compared(one, same) == copies.Copies()
    other = ended("b", method="lexicon_median", history={})
    assert compared(one, other).told == "method lexicon_median ends as lexicon on the same rows in 1 of 1 runs"
    assert compared(ended("a", method="probe", history={}), ended("b", method="probe", history={})).wrong
    assert compared(one, ended("b")).wrong  # a student that ends as no label at all does was trained on nothing


def test_what_a_run_says_of_texts_that_tell_it_nothing_is_no_likeness() -> None:
    """As of texts without a known word: two runs may have one such value, and a copy is found by all the others."""
    usual = np.where(np.arange(400) < 300, 4999, RUN)
    assert not compared(ended("a", usual), ended("b", np.where(np.arange(400) < 300, 4999, RUN[::-1]))).wrong
    assert compared(ended("a", usual), ended("b", usual)).wrong
    rare = np.arange(400) < 15
    assert compared(ended("a", np.where(rare, 4999, RUN)), ended("b", np.where(rare, 4999, RUN))).wrong


def test_the_whole_pool_is_the_same_rows_whatever_the_seed() -> None:
    whole = RunSpec("last", "toy", "toy", "probe", "whole-pool", "", 0, 0)
    one, other = (
        replace(ended(rows, method="probe"), spec=replace(whole, seed=seed)) for rows, seed in (("a", 0), ("b", 30))
    )
    assert not compared(one, other).wrong
    assert compared(one, replace(other, train_hash="elsewhere")).wrong
    assert compared(*(replace(run, spec=replace(run.spec, k=8)) for run in (one, other))).wrong


def test_runs_that_say_the_same_of_every_row_are_no_copies() -> None:
    runs = [ended(rows, np.full(400, 4998), "majority", history={}) for rows in "ab"]
    assert compared(*runs) == copies.Copies()


def test_no_two_published_runs_are_alike() -> None:
    """What the thresholds were chosen by."""
    records = {record.run_id: record for record in Results(ROOT / "results").scan()[0]}
    assert len(records) > 1000
    found = copies.copies(records)
    assert found.wrong == {}
    # where the pool's median is the lexicon's own zero
    (told,) = (told for told in found.alike if told.startswith("method"))
    assert told.startswith("method lexicon_median ends as lexicon on the same rows in 108 of")
    # of most texts few rows know no word; two conditions may differ in the label of one row; and four originals with
    # or without rewrites that keep their class may teach a student as little
    alike = ({"first-relabelled", "unvalidated"}, {"half", "label-preserving"})
    for told in (told for told in found.alike if told.startswith("runs")):
        one, other = (records[run].spec for run in told.split()[1:4:2])
        assert one.method == other.method
        assert one.method == "tfidf" or {one.condition, other.condition} in alike


NEVER = '''"""A generator for tests: its one attempt is near no other class."""

from cod_bench import Answer, Generator


class Never(Generator):
    """Repeats a word."""

    name = "never"
    version = 1
    card = "Flips nothing."

    def params(self):
        return {}

    def prepare(self, train, oracle):
        return {}

    def answer(self, query, oracle, state):
        return Answer(f"{query.example.text} {query.example.text.split()[0]}", (), 0)

    def preserve(self, query, counterfactual, oracle, state):
        return ()


GENERATOR = Never()
'''
MINE = '''"""A condition for tests: the rows of `standard` under another name."""

from cod_bench.conditions.standard import Standard


class Mine(Standard):
    """What another one does."""

    name = "mine"
    meaning = "the rows of `standard`"


CONDITION = Mine()
'''


@pytest.fixture
def plugins(tmp_path: Path) -> Iterator[None]:
    before = dict(registry._plugin_files)
    device.set_threads()
    for name, text in {"never": NEVER, "mine": MINE}.items():
        (tmp_path / f"{name}.py").write_text(text)
        registry.add_plugin(tmp_path / f"{name}.py")
    yield
    registry._plugin_files.clear()
    registry._plugin_files.update(before)


def trained(condition: str, generator: str = "", seed: int = 0) -> Record:
    return work.run_one(RunSpec("last", "toy", "toy", "kd", condition, generator, 8, seed), {})


@pytest.mark.usefixtures("plugins")
def test_conditions_without_a_valid_slot_are_no_copies_of_standard() -> None:
    """Their substitutes are its partners: the same rows in other roles, and the same student."""
    runs = {name: trained(name, "never") for name in ("cod", "unvalidated", "first-answer")}
    runs |= {"standard": trained("standard"), "half": trained("half")}
    assert runs["cod"].cfe is not None
    assert (runs["cod"].cfe["valid"], runs["cod"].rows["roles"]) == (0, "os" * 4)
    assert runs["cod"].rows["hash"] != runs["standard"].rows["hash"]
    assert runs["cod"].probabilities == runs["standard"].probabilities == runs["unvalidated"].probabilities
    assert copies.copies(runs) == copies.Copies()
    assert runs["first-answer"].rows["roles"] == "op" * 4
    assert copies.trained_on(runs["first-answer"]) == runs["first-answer"].rows["hash"]
    forged = replace(runs["first-answer"], probabilities=runs["cod"].probabilities)
    assert set(copies.copies({"cod": runs["cod"], "forged": forged}).wrong) == {"forged"}


@pytest.mark.usefixtures("plugins")
def test_a_condition_under_another_name_is_told() -> None:
    runs = {f"{name}{seed}": trained(name, seed=seed) for name in ("standard", "mine") for seed in (0, 1)}
    valid = {f"cod{seed}": trained("cod", "substitution", seed) for seed in (0, 1)}
    none = {f"cod{seed}": trained("cod", "never", seed) for seed in (0, 1)}
    for others in (valid, none, {}):
        found = copies.copies({**runs, **others})
        assert found.wrong == {}
        assert found.alike == ["condition mine has the rows of standard in 2 of 2 draws"]
    once = {**runs, "mine1": replace(runs["mine1"], rows=valid["cod1"].rows)}
    assert copies.copies(once).alike == []
