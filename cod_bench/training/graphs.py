"""A run's steps on a GPU -> whole-step CUDA graphs per padded length, kept for the runs that follow.

A step of a small student is a thousand short kernels, and starting them costs more than running them. A captured step
(forward, loss, backward, AdamW) is started once. What a graph reads and writes stays where it is: each batch is copied
into buffers of its shape, the learning rate is a tensor, and between runs weights, moments and what the method trains
beside the student are reset in place, so that a warm worker's graphs serve every run of the same method and recipe.

Nothing of a result depends on whether a step was captured. The second time that a shape comes up its step is taken
eagerly, then captured and replayed from the same state with the same seed: where weights, moments and losses are not
equal bit by bit, or a step cannot be captured, the run goes on eagerly and its record says why. Dropout is keyed as
everywhere: the generator is seeded before each step, and a replay draws from it what the eager step would have drawn.

On the CPU, where tests take these steps, capturing a step is calling it again.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor, nn

from cod_bench.distiller import Batch
from cod_bench.training.steps import adamw, schedule_of

if TYPE_CHECKING:
    from cod_bench.training.steps import Model

log = logging.getLogger(__name__)

VARIABLE = "COD_BENCH_GRAPHS"
"""`off` takes every step eagerly."""
CAPTURE_AT = 2
"""How often a shape must come up before its step is captured: capturing costs as much as some steps."""
KEPT = 4
"""Programs of a process: each holds the moments of a student, its graphs share their memory with all others."""
CONSTANTS = ("batch_size", "weight_decay", "adam_epsilon", "adam_betas")
"""Hyperparameters that a captured step has in it, beside whatever its method holds."""

Replay = Callable[[], None]


class _Unread(Sequence[Any]):
    """The row indices of a static batch: a captured step would read those of one batch for ever."""

    def _refuse(self) -> NoReturn:
        raise TypeError("its loss reads Batch.rows, which a captured step cannot follow")

    def __getitem__(self, index: Any) -> NoReturn:
        self._refuse()

    def __len__(self) -> int:  # noqa: PLE0303 - it never returns
        self._refuse()

    def __iter__(self) -> NoReturn:
        self._refuse()


class Steps:
    """The steps of one run; those of a program that an earlier run left, where there is a fitting one."""

    def __init__(self, model: Model, hparams: Mapping[str, Any]) -> None:
        self._rates = iter(_rates(hparams))
        self._program = _fitting(model, hparams)
        model.distiller = self._program.model.distiller
        self._own = model

    @property
    def told(self) -> str:
        """Whether steps were replayed, or why not, as provenance has it."""
        return self._program.told

    def step(self, batch: Batch, seed: int) -> Tensor:
        """One step; its values, as `Model.backward` gives them."""
        values = self._program.step(batch, seed, next(self._rates))
        self._own.names = self._program.model.names
        return values


class Program:
    """A student, a method and an optimiser whose tensors stay where they are, and the captured steps on them."""

    def __init__(self, model: Model, hparams: Mapping[str, Any]) -> None:
        self.model = model
        self.constants = _constants(model, hparams)
        on = model.student.device
        # The fused kernel reads a float32 on a GPU and a double on the CPU, where it is then what a number would be.
        self._rate = torch.zeros((), dtype=torch.float32 if on.type == "cuda" else torch.float64, device=on)
        cuda = {"capturable": True} if on.type == "cuda" else {}
        self._optimiser = adamw(model.modules, hparams, self._rate, **cuda)
        self.parameters = [p for group in self._optimiser.param_groups for p in group["params"]]
        self._stream = torch.cuda.Stream(on) if on.type == "cuda" else None
        self._shapes: dict[tuple[Any, ...], int] = {}
        self._buffers: dict[tuple[Any, ...], Batch] = {}
        self._graphs: dict[tuple[Any, ...], tuple[Replay, Tensor]] = {}
        self.refused = _refusal(model)
        if self.refused:
            log.info("%s: steps are taken one by one (%s)", model.spec.method, self.refused)

    @property
    def told(self) -> str:
        """How steps are taken."""
        return f"off: {self.refused}" if self.refused else "on"

    def reset(self) -> None:
        """Forget all moments, in place."""
        for state in self._optimiser.state.values():
            for value in state.values():
                value.zero_()

    def step(self, batch: Batch, seed: int, rate: float) -> Tensor:
        """One optimiser step at a learning rate; its values [n]."""
        self._rate.fill_(rate)
        with self._beside():
            if self.refused:
                return self._eager(batch, seed)
            shape = _shape(batch)
            self._shapes[shape] = self._shapes.get(shape, 0) + 1
            if shape in self._graphs:
                replay, values = self._graphs[shape]
                _copy(batch, self._buffers[shape])
                torch.manual_seed(seed)
                replay()
                return values.clone()
            if self._shapes[shape] < CAPTURE_AT:
                return self._eager(batch, seed)
            return self._captured(shape, batch, seed)

    @contextmanager
    def _beside(self) -> Iterator[None]:
        """On a stream of its own, which capturing demands, in order with what comes before and after."""
        if self._stream is None:
            yield
            return
        outside = torch.cuda.current_stream()
        self._stream.wait_stream(outside)
        with torch.cuda.stream(self._stream):
            yield
        outside.wait_stream(self._stream)

    def _eager(self, batch: Batch, seed: int) -> Tensor:
        torch.manual_seed(seed)
        with constant_positions(self.model.student), _no_advice():
            return self._whole(batch)

    def _whole(self, batch: Batch) -> Tensor:
        """The step: what is captured."""
        values = self.model.backward(batch)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        return values

    def _captured(self, shape: tuple[Any, ...], batch: Batch, seed: int) -> Tensor:
        """Capture the step of a shape and see whether its replay does what the eager step does; take it either way."""
        before = [value.clone() for value in self._state()]
        expected = self._eager(batch, seed)
        after = [value.clone() for value in self._state()]
        held = self._buffers[shape] = _held(batch)
        values = torch.zeros_like(expected)

        def whole() -> None:
            values.copy_(self._whole(held))

        try:
            _restore(self._state(), before)
            with constant_positions(self.model.student), _no_advice():
                replay = capture(whole, self._stream)
            torch.manual_seed(seed)
            replay()
            found = [*self._state(), values]
            same = all(torch.equal(one, other) for one, other in zip(found, [*after, expected], strict=True))
            reason = "" if same else "a replayed step differs from the eager one"
        except Exception as error:  # noqa: BLE001 - a method or a kernel may refuse in any way; the run goes on without
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        if reason:
            self._optimiser.zero_grad(set_to_none=True)
            _restore(self._state(), after)
            self.refused = reason
            self._graphs.clear()
            self._buffers.clear()
            log.warning("%s: no CUDA graphs (%s); steps are taken one by one", self.model.spec.method, reason)
        else:
            self._graphs[shape] = replay, values
        return expected

    def _state(self) -> list[Tensor]:
        """Every tensor that a step may change, in a fixed order."""
        moments = [value for p in self.parameters for _, value in sorted(self._optimiser.state[p].items())]
        own = [tensor for tensor in _tensors(vars(self.model.distiller)) if not tensor.requires_grad]
        buffers = [b for module in self.model.modules for b in module.buffers()]
        return [p.detach() for p in self.parameters] + moments + own + buffers


_programs: list[Program] = []
"""Of this process, the one used last at the end."""


def _fitting(model: Model, hparams: Mapping[str, Any]) -> Program:
    """An earlier run's program with this run's values in it, or a new one."""
    for program in _programs:
        if program.constants == _constants(model, hparams) and _take_over(program, model):
            program.reset()
            _programs.remove(program)
            _programs.append(program)  # the one used last
            return program
    program = Program(model, hparams)
    _programs.append(program)
    del _programs[:-KEPT]
    return program


def _constants(model: Model, hparams: Mapping[str, Any]) -> tuple[Any, ...]:
    """What else a captured step has in it: the student itself, the method's class, precision, layers, AdamW's own."""
    trained = tuple(id(p) for p in model.student.parameters() if p.requires_grad)
    own = tuple((name, str(hparams.get(name))) for name in CONSTANTS)
    off = os.environ.get(VARIABLE) == "off"
    return id(model.student), trained, type(model.distiller), tuple(model.layers), model.bf16, own, off


def _refusal(model: Model) -> str:
    """Why steps are not even tried to be captured; empty if they are."""
    if os.environ.get(VARIABLE) == "off":
        return f"{VARIABLE} is off"
    if not vars(type(model.distiller)).get("static_loss", False):
        return f"method {model.spec.method!r} does not say static_loss"
    return ""


def _take_over(program: Program, model: Model) -> bool:
    """Copy what a fresh method prepared into the tensors of the program's; False, and nothing done, if they differ."""
    old, new = program.model, model
    pairs: list[tuple[Tensor, Tensor]] = []
    if not _alike([vars(old.distiller), old.outside], [vars(new.distiller), new.outside], pairs):
        return False
    # Shared tensors must be shared alike, or one would be overwritten by another's value.
    if len({id(one) for one, _ in pairs}) != len({(id(one), id(other)) for one, other in pairs}):
        return False
    _restore([one.detach() for one, _ in pairs], [other.detach() for _, other in pairs])
    return True


def _alike(old: Any, new: Any, pairs: list[tuple[Tensor, Tensor]]) -> bool:
    """Whether two values are of one form and equal but for what tensors hold; collects the tensors."""
    if type(old) is not type(new):
        return False
    if isinstance(old, Tensor):
        pairs.append((old, new))
        same = old.shape == new.shape and old.dtype == new.dtype and old.device == new.device
        return bool(same and old.requires_grad == new.requires_grad)
    if isinstance(old, nn.Module):
        own, other = [*old.named_parameters(), *old.named_buffers()], [*new.named_parameters(), *new.named_buffers()]
        if repr(old) != repr(new) or old.training != new.training or [n for n, _ in own] != [n for n, _ in other]:
            return False
        return all(_alike(a, b, pairs) for (_, a), (_, b) in zip(own, other, strict=True))
    if isinstance(old, Mapping):
        return old.keys() == new.keys() and all(_alike(old[name], new[name], pairs) for name in old)
    if isinstance(old, (list, tuple)):
        return len(old) == len(new) and all(_alike(a, b, pairs) for a, b in zip(old, new, strict=True))
    return isinstance(old, (int, float, str, type(None))) and old == new


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors that a method holds, in a fixed order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, nn.Module):
        yield from (*value.parameters(), *value.buffers())
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _tensors(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _tensors(one)


def _rates(hparams: Mapping[str, Any]) -> list[float]:
    """The learning rate of every step: the schedule of the ordinary loop, driven beforehand."""
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=hparams["learning_rate"])
    schedule, found = schedule_of(optimiser, hparams), []
    for _ in range(int(hparams["steps"])):
        found.append(float(optimiser.param_groups[0]["lr"]))
        optimiser.step()
        schedule.step()
    return found


def _shape(batch: Batch) -> tuple[Any, ...]:
    """What batches of one graph have in common."""
    hidden = tuple((layer, tuple(state.shape)) for layer, state in sorted(batch.teacher_hidden.items()))
    return (tuple(batch.ids.shape), tuple(batch.teacher_logits.shape), hidden, batch.teacher_mask is None)


def _parts(batch: Batch) -> Iterator[tuple[Any, Tensor]]:
    for field in fields(batch):
        value = getattr(batch, field.name)
        if isinstance(value, Tensor):
            yield field.name, value
    yield from batch.teacher_hidden.items()


def _held(batch: Batch) -> Batch:
    """Buffers of a batch's shape with its values in them; its rows cannot be read."""
    own = {name: value.clone() for name, value in _parts(batch)}
    hidden = {layer: own.pop(layer) for layer in batch.teacher_hidden}
    return replace(batch, rows=_Unread(), teacher_hidden=hidden, **own)


def _copy(batch: Batch, into: Batch) -> None:
    for (_, value), (_, place) in zip(_parts(batch), _parts(into), strict=True):
        place.copy_(value, non_blocking=True)


def _restore(into: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for place, value in zip(into, values, strict=True):
            place.copy_(value)


@contextmanager
def constant_positions(student: nn.Module) -> Iterator[None]:
    """Let DeBERTa keep its relative positions by length: it makes them from a number of the host's at every step.

    They are a function of the length alone. A copy from the host cannot be captured.
    """
    encoder = getattr(getattr(student, "backbone", None), "encoder", None)
    make = getattr(encoder, "get_rel_pos", None)
    if encoder is None or make is None:
        yield
        return
    known: dict[Any, Tensor] = encoder.__dict__.setdefault("positions_by_length", {})

    def kept(hidden: Tensor, query: Tensor | None = None, relative: Tensor | None = None) -> Any:
        if query is not None or relative is not None:
            return make(hidden, query, relative)
        key = hidden.shape[-2], hidden.device
        if key not in known:
            known[key] = make(hidden)
        return known[key]

    encoder.get_rel_pos = kept
    try:
        yield
    finally:
        del encoder.get_rel_pos


@contextmanager
def _no_advice() -> Iterator[None]:
    """Without PyTorch's advice that an optimiser which can be captured was used without."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*capturable.*")
        yield


_pool: list[Any] = []
"""The memory that all graphs of this process share: they are replayed one at a time, and what outlives a replay lies
outside of it."""


def capture(whole: Callable[[], None], stream: Any) -> Replay:
    """A step as a CUDA graph on a stream; without a stream, on the CPU, the step itself.

    Raises:
        Exception: whatever forbids it; the generator is then as it was.
    """
    if stream is None:
        return whole
    generator = torch.cuda.default_generators[torch.cuda.current_device()]
    spare = generator.clone_state()
    if not _pool:
        _pool.append(torch.cuda.graph_pool_handle())
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph, pool=_pool[0], stream=stream):
            whole()
    except Exception:
        # A capture that was broken off leaves the generator waiting for its end; a copy from before does not.
        generator.graphsafe_set_state(spare)
        raise
    replay: Replay = graph.replay
    return replay
