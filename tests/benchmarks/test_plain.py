"""Our loop against the plain one: bitwise equal given the same, close where the teacher is run again."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from cod_bench import device, registry
from cod_bench.benchmarks import loops
from cod_bench.benchmarks.plain import Loop, TeacherOutputs, Texts
from cod_bench.condition import TrainingSet
from cod_bench.counterfactuals import warm
from cod_bench.counterfactuals.rows import build
from cod_bench.design import built_in, tracks
from cod_bench.design.identity import identify
from cod_bench.design.suites import CLAIMED
from cod_bench.distiller import brings_fit
from cod_bench.errors import RunError, UsageError
from cod_bench.runner import work
from cod_bench.spec import RunSpec, needs_generator
from cod_bench.track import Recipe, TeacherRecipe, Track
from cod_bench.training.distil import train
from tests.checkpoints import renumber, save

METHODS = tuple(name for name in registry.names("baseline") if not brings_fit(name))
FAMILIES = ("bert", "deberta-v2", "qwen2")
RECIPE = Recipe(learning_rate=3e-3, steps={4: 6}, filter_epochs=2, weight_decay=0.0)
LONGER = replace(RECIPE, steps={4: 20})


@pytest.fixture(scope="module", autouse=True)
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Track]]:
    """A track a family whose word embeddings are trained, and one whose embeddings are frozen."""
    device.set_threads()
    root = tmp_path_factory.mktemp("checkpoints")
    with pytest.MonkeyPatch.context() as patch:
        found = {}
        for family in FAMILIES:
            teacher = save(root / f"{family}-teacher", family)
            student = save(root / f"{family}-student", family, layers=2, width=16, seed=1)
            track = tracks.define(f"plain-{family}", str(teacher), str(student), max_length=32)
            teacher_recipe = TeacherRecipe(epochs=6, learning_rate=3e-3)
            found[family] = replace(track, teacher=teacher_recipe, recipe=RECIPE, recipes={}, precision="float32")
        other = tracks.define(
            "plain-renumbered", str(root / "bert-teacher"),
            str(renumber(root / "bert-student", root / "renumbered-student")), max_length=32,
        )  # fmt: skip
        found["renumbered"] = replace(other, teacher=found["bert"].teacher, recipe=RECIPE, recipes={})
        found["frozen"] = replace(tracks.track("toy"), recipe=RECIPE, recipes={}, name="plain-frozen")
        found["decay"] = replace(found["bert"], recipe=replace(RECIPE, weight_decay=0.01), name="plain-decay")
        for family in (*FAMILIES, "frozen"):
            found[f"{family}, longer"] = replace(found[family], recipe=LONGER, name=f"plain-{family}-longer")
        for track in found.values():
            patch.setitem(built_in.TRACKS, track.name, track)
        yield found


def spec(track: Track, method: str, condition: str, protocol: str = "last", seed: int = 0) -> RunSpec:
    generator = "substitution" if needs_generator(condition) else ""
    return RunSpec(protocol, track.name, "toy", method, condition, generator, 16, seed)


def rows(wanted: RunSpec) -> TrainingSet:
    drawn = warm.draw(wanted.track, "toy", wanted.seed, wanted.protocol == "paper")
    entries = work.resolve(wanted).entries() if needs_generator(wanted.condition) else None
    return build(drawn, wanted.condition, wanted.k, entries)


class Fast:
    """One run of the package's loop: losses before they are rounded, final weights, evaluation logits."""

    def __init__(self, wanted: RunSpec, *, select: bool = False) -> None:
        self.losses: list[float] = []
        distiller = registry.load("baseline", wanted.method)()
        own = distiller.loss

        def noting(outputs: Any, batch: Any) -> dict[str, torch.Tensor]:
            parts: dict[str, torch.Tensor] = own(outputs, batch)
            self.losses.append(float(torch.stack(list(parts.values())).sum().detach()))
            return parts

        distiller.loss = noting
        training = rows(wanted)
        self.student = work.fresh_student(wanted)
        judge, tokenizer = warm.teacher(wanted.track, "toy"), work.student_tokenizer(wanted)
        hparams = identify(wanted)["method"]["hparams"]
        train(wanted, judge.track, training, distiller, hparams, self.student, judge, None, tokenizer)
        self.weights = {name: value.clone() for name, value in self.student.state_dict().items()}
        self.logits = work.resolve(wanted).logits(self.student, "evaluation")


def plain(wanted: RunSpec, outputs: TeacherOutputs, *, fused: bool, evaluation: Texts = Texts()) -> Loop:  # noqa: B008
    """One run of the plain loop on a model of its own."""
    judge, tokenizer = warm.teacher(wanted.track, "toy"), work.student_tokenizer(wanted)
    loop = Loop(
        wanted, judge.track, rows(wanted), registry.load("baseline", wanted.method)(),
        identify(wanted)["method"]["hparams"], copy.deepcopy(work.fresh_student(wanted)), judge, tokenizer,
        teacher_outputs=outputs, fused=fused,
    )  # fmt: skip
    loop.run(evaluation)
    return loop


def assert_equal(fast: Fast, loop: Loop) -> None:
    assert fast.losses == loop.done.losses
    own = loop.student.state_dict()
    assert fast.weights.keys() == own.keys()
    assert not [name for name, value in own.items() if not torch.equal(value, fast.weights[name])]


@pytest.mark.parametrize("condition", CLAIMED)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", [*FAMILIES, "frozen"])
def test_losses_and_weights_are_bitwise_those_of_the_plain_loop(
    made: dict[str, Track], family: str, method: str, condition: str
) -> None:
    wanted = spec(made[family], method, condition)
    assert_equal(Fast(wanted), plain(wanted, "once a text", fused=True))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", [*FAMILIES, "frozen"])
def test_so_they_are_under_the_paper_protocol(made: dict[str, Track], family: str, method: str) -> None:
    wanted = spec(made[family], method, "standard", "paper")
    assert_equal(Fast(wanted), plain(wanted, "once a text", fused=True))


@pytest.mark.parametrize("method", METHODS)
def test_so_they_are_with_weight_decay_on_trained_embeddings(made: dict[str, Track], method: str) -> None:
    wanted = spec(made["decay"], method, "standard")
    assert_equal(Fast(wanted), plain(wanted, "once a text", fused=True))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", [*FAMILIES, "frozen"])
def test_the_untouched_plain_loop_has_the_same_losses_to_a_ten_thousandth(
    made: dict[str, Track], family: str, method: str
) -> None:
    wanted = spec(made[f"{family}, longer"], method, "cod")
    loop = plain(wanted, "in the batch", fused=False)
    np.testing.assert_allclose(Fast(wanted).losses, loop.done.losses, rtol=1e-4)


@pytest.mark.parametrize("protocol", ["last", "paper"])
@pytest.mark.parametrize("method", ["kd", "lwd", "ted"])
def test_each_side_reads_with_its_own_tokenizer(made: dict[str, Track], method: str, protocol: str) -> None:
    wanted = spec(made["renumbered"], method, "standard", protocol)
    fast = Fast(wanted)
    assert_equal(fast, plain(wanted, "once a text", fused=True))
    loop = plain(wanted, "in the batch", fused=False)
    np.testing.assert_allclose(fast.losses, loop.done.losses, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("method", ["lwd", "ted"])
def test_layers_of_mpnet_teach_those_of_minilm_token_by_token(method: str) -> None:
    try:
        warm.base("mpnet-minilm-fp32", "")
        warm.corpus(loops.TASK)
    except (RunError, UsageError) as error:
        pytest.skip(f"an asset cannot be had: {error}")
    setting = loops.mpnet_minilm()
    assert setting.tokenizer is not setting.teacher.tokenizer
    wanted = replace(setting.spec(), method=method, k=8)
    distiller, hparams = registry.load("baseline", method), setting.track.hparams(method, 8)
    hparams = {**hparams, "steps": 3, "learning_rate": 1e-4}
    training = loops.rows(8)
    loop = Loop(
        wanted, setting.track, training, distiller(), hparams, copy.deepcopy(setting.student), setting.teacher,
        setting.tokenizer, teacher_outputs="in the batch",
    )  # fmt: skip
    loop.run(Texts())
    done = train(
        wanted, setting.track, training, distiller(), hparams, copy.deepcopy(setting.student), setting.teacher, None,
        setting.tokenizer,
    )  # fmt: skip
    np.testing.assert_allclose(done.losses["loss"], loop.done.losses, rtol=1e-3)
    assert done.losses["layers"][-1] < done.losses["layers"][0]


def accuracy(logits: Sequence[Sequence[float]] | Any, labels: Sequence[int]) -> float:
    return float((np.asarray(logits).argmax(1) == np.asarray(labels)).mean())


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_accuracies_agree_with_the_untouched_plain_loop(
    made: dict[str, Track], family: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = work.student_tokenizer(spec(made[family], "kd", "standard"))
    examples = warm.corpus("toy").evaluation
    ids = [tokenizer(row.text, truncation=True, max_length=32)["input_ids"] for row in examples]
    evaluation = Texts(ids, [row.label for row in examples])
    differences = []
    for method in ("kd", "lwd", "ted"):
        for seed in range(5):
            wanted = spec(made[f"{family}, longer"], method, "cod", seed=seed)
            loop = plain(wanted, "in the batch", fused=False, evaluation=evaluation)
            own = accuracy(Fast(wanted).logits, evaluation.labels)
            differences.append(100 * (own - loop.done.accuracies[-1]))
    with capsys.disabled():
        print(f"\n{family}: fast minus plain, points, 5 seeds each of kd, lwd, ted: {np.round(differences, 2)}")  # noqa: T201
    assert all(abs(np.mean(differences[i : i + 5])) <= 0.5 for i in (0, 5, 10))
