"""Every method and condition on tiny checkpoints of every family, through the loading code of local and hub models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cod_bench import device, registry
from cod_bench.condition import Pair, Row, TrainingSet
from cod_bench.counterfactuals import warm
from cod_bench.design import built_in, tracks
from cod_bench.design.identity import expected, not_applicable, run_id
from cod_bench.design.suites import CLAIMED
from cod_bench.distiller import brings_fit
from cod_bench.errors import RunError, UsageError
from cod_bench.records.record import record_from_json, to_json
from cod_bench.runner import work
from cod_bench.spec import PROTOCOLS, RunSpec, needs_generator
from cod_bench.track import Recipe, TeacherRecipe, Track
from cod_bench.training.batches import Rows
from cod_bench.training.model import tokenise
from tests.checkpoints import FAMILIES, renumber, save

METHODS = tuple(name for name in registry.names("baseline") if not brings_fit(name))
SHORT = Recipe(learning_rate=3e-3, steps={4: 3}, filter_epochs=2)
TEACHER = TeacherRecipe(epochs=6, learning_rate=3e-3)


@pytest.fixture(scope="module", autouse=True)
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Track]]:
    """A track a family, whose student is a smaller and narrower checkpoint, and one across families."""
    device.set_threads()
    root = tmp_path_factory.mktemp("checkpoints")
    with pytest.MonkeyPatch.context() as patch:
        found = {}
        for family in FAMILIES:
            teacher = save(root / f"{family}-teacher", family)
            student = save(root / f"{family}-student", family, layers=2, width=16, seed=1)
            found[family] = define(patch, f"tiny-{family}", teacher, student)
        renumbered = renumber(root / "bert-student", root / "renumbered-student")
        found["renumbered"] = define(patch, "tiny-renumbered", root / "bert-teacher", renumbered)
        found["across"] = define(patch, "tiny-across", root / "qwen2-teacher", root / "bert-student")
        yield found


def define(patch: pytest.MonkeyPatch, name: str, teacher: Path, student: Path) -> Track:
    """A user's track, trained for a few steps."""
    made = tracks.define(name, str(teacher), str(student), max_length=32)
    short = replace(made, teacher=TEACHER, recipe=SHORT, recipes={})
    patch.setitem(built_in.TRACKS, name, short)
    return short


def spec(track: Track, method: str, condition: str = "cod", protocol: str = "last") -> RunSpec:
    generator = "substitution" if needs_generator(condition) else ""
    return RunSpec(protocol, track.name, "toy", method, condition, generator, 8, 0)


def run(wanted: RunSpec) -> None:
    """Run and check what every record must hold."""
    record = work.run_one(wanted, {})
    assert record_from_json(to_json(record)).comparable() == record.comparable()
    assert record.run_id == run_id(wanted)
    assert len(record.history["loss"]) == 3
    assert np.isfinite(record.history["loss"]).all()
    assert record.identity["track"]["freeze_embeddings"] is False
    assert record.cost["prepare_steps"] == (4 if wanted.method == "ted" else 0)  # two epochs of one batch, two sides


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_method_runs_on_every_family(made: dict[str, Track], family: str, method: str) -> None:
    run(spec(made[family], method))


@pytest.mark.parametrize("method", ["probe", "probe_teacher"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_frozen_states(made: dict[str, Track], family: str, method: str) -> None:
    record = work.run_one(spec(made[family], method), {})
    assert 0.4 < record.metrics["accuracy"] <= 1
    assert (record.history, len(set(record.probabilities)) > 10) == ({}, True)


@pytest.mark.slow
@pytest.mark.parametrize("condition", CLAIMED)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_condition_runs_on_every_family(made: dict[str, Track], family: str, method: str, condition: str) -> None:
    run(spec(made[family], method, condition))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_paper_protocol_runs_on_every_family(made: dict[str, Track], family: str) -> None:
    run(spec(made[family], "ted", "standard", "paper"))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_teacher_of_every_family_learns_and_is_edited(made: dict[str, Track], family: str) -> None:
    assert warm.reference(made[family].name, "toy").teacher_metrics["accuracy"] > 0.9
    entries = warm.pool(made[family].name, "toy", "substitution").entries(
        warm.draw(made[family].name, "toy", 0, False), 8
    )
    assert any(entry.cfe for entry in entries)


@pytest.mark.parametrize("protocol", ["last", "paper"])
@pytest.mark.parametrize("method", ["kd", "lwd", "ted"])
def test_a_student_whose_tokens_have_other_ids_learns_what_it_would_have(
    made: dict[str, Track], method: str, protocol: str
) -> None:
    own, other = made["bert"], made["renumbered"]
    assert other.aligned
    assert other.layer_map == own.layer_map
    teacher, student = warm.teacher(other.name, "toy").tokenizer, work.student_tokenizer(spec(other, method))
    ids = [tokenise(tokenizer, ["great lamp"], 32)[0] for tokenizer in (teacher, student)]
    assert ids[0] != ids[1]
    wanted, found = (work.run_one(spec(track, method, "standard", protocol), {}) for track in (own, other))
    assert found.history == wanted.history
    assert found.predictions == wanted.predictions


def test_a_text_that_names_a_special_token_of_one_side_is_told(made: dict[str, Track]) -> None:
    track = made["renumbered"]
    judge, tokenizer = warm.teacher(track.name, "toy"), work.student_tokenizer(spec(track, "lwd"))
    first, second = (Row(text, i, 0, "original", "r") for i, text in enumerate(("great lamp", "great <s> lamp")))
    training = TrainingSet((Pair(first, second),))
    with pytest.raises(RunError, match="cut 1 of 2 texts differently"):
        Rows(training, judge, tokenizer, track, PROTOCOLS["last"], layers=True)


def test_across_families_each_side_reads_with_its_own_tokenizer(made: dict[str, Track]) -> None:
    track = made["across"]
    assert not track.aligned
    wanted = spec(track, "kd")
    teacher, student = warm.teacher(track.name, "toy").tokenizer, work.student_tokenizer(wanted)
    assert teacher("great lamp")["input_ids"] != student("great lamp")["input_ids"]
    run(wanted)
    run(spec(track, "finetune", "standard"))


@pytest.mark.parametrize("method", ["lwd", "ted"])
def test_across_families_layers_are_not_applicable_and_say_why(made: dict[str, Track], method: str) -> None:
    reason = not_applicable(made["across"].name, method)
    assert "token by token" in reason
    with pytest.raises(UsageError, match=r"token by token.*choose another"):
        work.run_one(spec(made["across"], method, "standard"), {})
    assert spec(made["across"], method, "standard") not in expected([spec(made["across"], method, "standard")])


def test_word_vectors_are_of_words_inside_a_text(made: dict[str, Track]) -> None:
    judge = warm.teacher(made["qwen2"].name, "toy")
    inside = judge.tokenizer(" great", add_special_tokens=False)["input_ids"]
    assert inside != judge.tokenizer("great", add_special_tokens=False)["input_ids"]
    table = judge.classifier.backbone.get_input_embeddings().weight
    np.testing.assert_allclose(judge.word_vectors(["great"])[0], table[inside].mean(0).detach().numpy(), rtol=1e-6)
