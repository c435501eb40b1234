"""The steps of a GPU, taken on the CPU: bit by bit those of the ordinary loop, and fit to be captured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cod_bench import device, registry
from cod_bench.baselines.kd import KD
from cod_bench.counterfactuals import warm
from cod_bench.counterfactuals.rows import build
from cod_bench.design import built_in, tracks
from cod_bench.design.identity import identify
from cod_bench.distiller import Batch
from cod_bench.runner import work
from cod_bench.spec import RunSpec
from cod_bench.track import Recipe, TeacherRecipe, Track
from cod_bench.training import graphs
from cod_bench.training.distil import Trained, train
from cod_bench.training.model import Classifier
from cod_bench.training.steps import Model
from tests.checkpoints import make_model, save

FAMILIES = ("bert", "deberta-v2", "qwen2")
METHODS = ("finetune", "kd", "lwd", "ted")
RECIPE = Recipe(learning_rate=3e-3, steps={4: 10}, filter_epochs=2, weight_decay=0.0)


@pytest.fixture(scope="module", autouse=True)
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Track]]:
    device.set_threads()
    root = tmp_path_factory.mktemp("checkpoints")
    with pytest.MonkeyPatch.context() as patch:
        found = {}
        for family in FAMILIES:
            teacher = save(root / f"{family}-teacher", family)
            student = save(root / f"{family}-student", family, layers=2, width=16, seed=1)
            track = tracks.define(f"graphs-{family}", str(teacher), str(student), max_length=32)
            recipe = TeacherRecipe(epochs=6, learning_rate=3e-3)
            found[family] = replace(track, teacher=recipe, recipe=RECIPE, recipes={}, precision="float32")
            patch.setitem(built_in.TRACKS, found[family].name, found[family])
        yield found


@pytest.fixture(autouse=True)
def no_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "_programs", [])


def spec(track: Track, method: str, protocol: str = "last", seed: int = 0) -> RunSpec:
    return RunSpec(protocol, track.name, "toy", method, "standard", "", 16, seed)


def trained(wanted: RunSpec, *, static: bool, distiller: Any = None) -> tuple[Trained, dict[str, torch.Tensor]]:
    """A whole run and its final weights."""
    drawn = warm.draw(wanted.track, "toy", wanted.seed, wanted.protocol == "paper")
    student, judge = work.fresh_student(wanted), warm.teacher(wanted.track, "toy")
    method = distiller or registry.load("baseline", wanted.method)()
    known = identify(replace(wanted, method="kd") if distiller else wanted)["method"]["hparams"]
    found = train(
        wanted, judge.track, build(drawn, "standard", wanted.k), method, known, student, judge,
        work.resolve(replace(wanted, method="kd")).selector(), work.student_tokenizer(wanted), static=static,
    )  # fmt: skip
    return found, {name: value.clone() for name, value in student.state_dict().items()}


def assert_equal(one: tuple[Trained, Any], other: tuple[Trained, Any]) -> None:
    assert one[0].losses == other[0].losses
    assert (one[0].scores, one[0].selected) == (other[0].scores, other[0].selected)
    assert not [name for name, value in one[1].items() if not torch.equal(value, other[1][name])]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", FAMILIES)
def test_static_steps_are_bitwise_the_ordinary_ones(made: dict[str, Track], family: str, method: str) -> None:
    wanted = spec(made[family], method)
    static = trained(wanted, static=True)
    assert static[0].graphs == "on"
    (program,) = graphs._programs
    assert program._graphs  # some shape came up often enough to be captured
    assert_equal(static, trained(wanted, static=False))


@pytest.mark.parametrize("method", ["lwd", "ted"])
def test_so_they_are_under_the_paper_protocol(made: dict[str, Track], method: str) -> None:
    wanted = spec(made["bert"], method, "paper")
    assert_equal(trained(wanted, static=True), trained(wanted, static=False))


@pytest.mark.parametrize("method", METHODS)
def test_a_later_run_takes_the_captured_steps_and_gives_what_it_gives_alone(
    made: dict[str, Track], method: str
) -> None:
    for seed in range(2):
        trained(spec(made["deberta-v2"], method, seed=seed), static=True)
    (program,) = graphs._programs
    captured = set(program._graphs)
    again = trained(spec(made["deberta-v2"], method, seed=2), static=True)
    assert graphs._programs == [program]
    assert captured <= set(program._graphs)
    assert_equal(again, trained(spec(made["deberta-v2"], method, seed=2), static=False))


def test_programs_are_of_one_recipe_and_few_are_kept(made: dict[str, Track], monkeypatch: pytest.MonkeyPatch) -> None:
    for method in METHODS:
        trained(spec(made["bert"], method), static=True)
    assert len(graphs._programs) == len(METHODS)
    trained(replace(spec(made["bert"], "kd"), protocol="dev"), static=True)
    assert len(graphs._programs) == len(METHODS)
    trained(spec(made["qwen2"], "kd"), static=True)
    assert len(graphs._programs) == graphs.KEPT


class Silent(KD):
    """Inherits `static_loss` without saying so itself."""


class Reading(KD):
    static_loss = True

    def loss(self, student: Any, batch: Batch) -> dict[str, torch.Tensor]:
        return {name: part * (1 + batch.rows[0] / 10) for name, part in super().loss(student, batch).items()}


class Counting(KD):
    static_loss = True
    steps = 0

    def loss(self, student: Any, batch: Batch) -> dict[str, torch.Tensor]:
        self.steps += 1
        return {name: part / self.steps for name, part in super().loss(student, batch).items()}


@pytest.mark.parametrize(
    ("method", "why"),
    [
        (Silent, "off: method 'kd' does not say static_loss"),
        (Reading, "off: TypeError: its loss reads Batch.rows, which a captured step cannot follow"),
        (Counting, "off: a replayed step differs from the eager one"),
    ],
)
def test_a_method_that_cannot_be_captured_goes_on_and_says_why(made: dict[str, Track], method: Any, why: str) -> None:
    wanted = spec(made["bert"], "kd")
    static = trained(wanted, static=True, distiller=method())
    assert static[0].graphs == why
    if method is not Counting:  # whose count the comparison itself moved
        assert_equal(static, trained(wanted, static=False, distiller=method()))


def test_a_capture_that_fails_leaves_the_run_as_it_was(made: dict[str, Track], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(whole: Callable[[], None], stream: Any) -> graphs.Replay:
        whole()  # as far as a kernel that refuses
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(graphs, "capture", broken)
    wanted = spec(made["bert"], "lwd")
    static = trained(wanted, static=True)
    assert static[0].graphs == "off: RuntimeError: operation not permitted when stream is capturing"
    assert_equal(static, trained(wanted, static=False))


def test_graphs_can_be_turned_off(made: dict[str, Track], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(graphs.VARIABLE, "off")
    wanted = spec(made["bert"], "kd")
    assert trained(wanted, static=True)[0].graphs == f"off: {graphs.VARIABLE} is off"
    assert trained(wanted, static=False)[0].graphs == ""


class Forbid(TorchDispatchMode):
    """Refuses what a capturing stream refuses: waiting for a value, and copies between host and device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func)
        assert not any(word in name for word in ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select")), name
        out = func(*args, **(kwargs or {}))
        if "_to_copy" in name or "copy_" in name:
            source = args[1] if "copy_" in name and "_to_copy" not in name else args[0]
            target = out if "_to_copy" in name else args[0]
            assert source.device.type == target.device.type, f"{name} from {source.device} to {target.device}"
        return out


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", FAMILIES)
def test_no_step_waits_or_copies_from_the_host(
    made: dict[str, Track], family: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On tensors without data, whose device is not the host's: whatever must know a value is an error there too.
    wanted = spec(made[family], method)
    trained(wanted, static=True)
    (program,) = graphs._programs
    batch = next(iter(program._buffers.values()))
    student = Classifier(make_model(family, 500, 2, 16), 2, made[family].student_side.pooling).to("meta").train()
    distiller = program.model.distiller
    for value in vars(distiller).values():
        if isinstance(value, torch.nn.Module):
            value.to("meta")
    own = {name: value.to("meta") for name, value in graphs._parts(batch)}
    hidden = {layer: own.pop(layer) for layer in batch.teacher_hidden}
    moved = replace(batch, teacher_hidden=hidden, **own)
    model = Model(student, distiller, None, program.model.layers, False, None, wanted)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: torch.enable_grad())  # which knows no meta device
    # As transformers sees it while a stream is capturing.
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    with graphs.constant_positions(student):
        model.backward(moved)  # names are checked, positions are made
        student.zero_grad(set_to_none=True)
        with Forbid():
            values = model.backward(moved)
    assert values.device.type == "meta"
    assert len(values) == len(model.names)
