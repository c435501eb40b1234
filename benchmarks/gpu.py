"""One GPU -> runs an hour: the plain loop, one warm worker, several, and with CUDA graphs; real sizes, random weights.

As on the CPU, steps and evaluations are timed and runs are scaled from them: kd, 100 epochs, 872 evaluation rows, on
quotes, bfloat16 on both sides. Nothing here is CUDA's own but its peak of memory, so that toy sizes run on any machine.
"""

from __future__ import annotations

import copy
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from queue import Empty
from typing import Any

from cod_bench import device
from cod_bench.design import suites
from cod_bench.distiller import brings_fit
from cod_bench.errors import RunError
from cod_bench.runner.worker import prepare_process

from . import loops
from .loops import BATCH, EPOCHS, EVALUATED, KS, TIMED_K, Setting
from .report import Clock, Cost, Line

PATIENCE = 1800.0
"""Seconds in which every worker must have answered."""
GRIDS: Mapping[str, tuple[str, ...]] = {"1080": ("standard", "cod"), "2160": ()}
"""Runs of the paper's experiment: its own two conditions, and with the controls (all that the suite has)."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is timed."""

    turns: int
    steps: int
    """Of one turn."""
    rows: int
    ks: tuple[int, ...] = KS


FULL, QUICK = Sizes(3, 80, EVALUATED), Sizes(2, 16, 96)


@dataclass(frozen=True, slots=True)
class Pace:
    """What one process needs: seconds of a reset, a teacher output, a step, an evaluation; bytes at most."""

    reset: float
    asked: float
    step: float
    evaluation: float
    peak: int = 0
    epochs: int = 1
    """Evaluations of a run."""

    def run(self, k: int) -> float:
        """Seconds of a run at budget k."""
        return self.reset + self.asked * k + self.step * steps_at(k) + self.evaluation * self.epochs


def steps_at(k: int) -> int:
    """Optimiser steps of a run."""
    return EPOCHS * -(-k // BATCH)


def deberta() -> Setting:
    """DeBERTa-v3 base -> small, in bfloat16."""
    found = loops.deberta()
    return replace(found, track=replace(found.track, precision="bfloat16"))


PAIRS: dict[str, Callable[[], Setting]] = {"deberta": deberta, "qwen": loops.qwen}


def measure(
    name: str, make: Callable[[], Setting], sizes: Sizes, *, workers: int, told: Callable[[], float | None]
) -> Iterator[Line]:
    """The lines of one pair. `told` gives the device's mean utilisation in % since it was last asked, if it can.

    `make` must be a function of a module, since every worker process calls it itself.
    """
    told()
    plain, took = _plain(make(), sizes)
    yield from _lines(name, "plain", "the plain loop, one process", [plain], [plain], took, told(), sizes)
    modes = {
        "one": ("one warm worker", 1, False), "many": (f"{workers} warm workers", workers, False),
        "graphs": (f"{workers} warm workers with CUDA graphs", workers, True),
    }  # fmt: skip
    for mode, (what, count, captured) in modes.items():
        clock = Clock()
        with clock.of():
            paces = side_by_side(make, sizes, count, captured=captured)
        yield from _lines(name, mode, what, paces, [plain], clock.cost, told(), sizes)


def _lines(
    name: str, mode: str, what: str, paces: list[Pace], plain: list[Pace], took: Cost, busy: float | None, sizes: Sizes
) -> Iterator[Line]:
    """A line a budget, and one for the grids."""
    for k in sizes.ks:
        rate, beside = an_hour(paces, k), an_hour(plain, k)
        yield Line(
            f"gpu-{name}-k{k}-{mode}", f"a run of {EPOCHS} epochs, k = {k}, {what}", Cost(3600 / rate, 0.0),
            extra={"runs an hour": rate, "times the plain loop": rate / beside},
        )  # fmt: skip
    extra = {f"hours, {grid} runs": hours(paces, conditions) for grid, conditions in GRIDS.items()}
    extra["peak MB, all processes"] = sum(pace.peak for pace in paces) / 1e6
    if busy is not None:
        extra["utilisation %"] = busy
    measured = f"{len(paces)} processes, each {sizes.turns} x {sizes.steps} steps and {sizes.turns} x {sizes.rows} rows"
    yield Line(f"gpu-{name}-{mode}", f"{what}: grids by kd's pace", took, measured=measured, extra=extra)


def an_hour(paces: list[Pace], k: int) -> float:
    """Runs an hour at budget k of processes side by side."""
    return sum(3600 / pace.run(k) for pace in paces)


def hours(paces: list[Pace], conditions: tuple[str, ...]) -> float:
    """Hours that the paper's trainings take in these conditions (empty: all), by kd's pace, teachers apart."""
    suite = suites.suite("paper")
    specs = (s for s in suite.expand(track=suite.tracks[0], protocol="last") if not brings_fit(s.method))
    return sum(1 / an_hour(paces, spec.k) for spec in specs if not conditions or spec.condition in conditions)


def _plain(setting: Setting, sizes: Sizes) -> tuple[Pace, Cost]:
    """The plain loop in this process: a fresh model a run, the teacher at every step, evaluation every epoch."""
    built, stepped, evaluated, all_of_it = Clock(), Clock(), Clock(), Clock()
    with all_of_it.of():
        with built.of():
            loop = loops.plain_loop(setting, 1 + sizes.turns * sizes.steps)
        loop.step()  # kernels are loaded
        ids = loops.evaluation(setting, sizes.rows)
        for _ in range(sizes.turns):
            with stepped.of():
                for _ in range(sizes.steps):
                    loop.step()
            with evaluated.of():
                loop.evaluate(ids).cpu()
    made = Pace(
        built.cost.wall, 0.0, stepped.cost.wall / (sizes.turns * sizes.steps),
        evaluated.cost.wall / (sizes.turns * len(ids)) * EVALUATED, device.memory()[0], EPOCHS,
    )  # fmt: skip
    return made, all_of_it.cost


def side_by_side(make: Callable[[], Setting], sizes: Sizes, count: int, *, captured: bool) -> list[Pace]:
    """The paces of so many warm processes that are timed at the same time.

    Raises:
        RunError: one of them has died or does not answer.
    """
    context = get_context("spawn")
    start, answers = context.Barrier(count), context.Queue()
    processes = [context.Process(target=_worker, args=(make, sizes, captured, start, answers)) for _ in range(count)]
    for process in processes:
        process.start()
    found: list[Pace] = []
    end = time.monotonic() + PATIENCE
    try:
        while len(found) < count:
            try:
                found.append(answers.get(timeout=1.0))
            except Empty:
                if any(process.exitcode for process in processes) or time.monotonic() > end:
                    raise RunError(f"bench --gpu: one of {count} workers failed; too little memory?") from None
    finally:
        for process in processes:
            process.join(timeout=10)
            process.kill()
    return found


def _worker(make: Callable[[], Setting], sizes: Sizes, captured: bool, start: Any, answers: Any) -> None:
    prepare_process(())
    from cod_bench.training import graphs

    os.environ[graphs.VARIABLE] = "" if captured else "off"
    setting = make()
    pristine = {name: value.clone() for name, value in setting.student.state_dict().items()}
    student, ids = copy.deepcopy(setting.student), loops.evaluation(setting, sizes.rows)
    asked, reset, stepped, evaluated = (Clock() for _ in range(4))
    with asked.of():
        for row in loops.rows(TIMED_K, setting.task).rows:
            setting.teacher.outputs(row.text).logits.tolist()
    for _ in range(2):  # a worker is timed warm: kernels are loaded, shapes captured
        student.load_state_dict(pristine)
        loops.fast_steps(setting, student, sizes.steps)
    _predict(setting, student, ids)
    start.wait(PATIENCE)
    for _ in range(sizes.turns):
        with reset.of():
            student.load_state_dict(pristine)
            next(student.parameters()).sum().item()  # waits for it
        with stepped.of():
            loops.fast_steps(setting, student, sizes.steps)
        with evaluated.of():
            _predict(setting, student, ids)
    answers.put(
        Pace(
            reset.cost.wall / sizes.turns, asked.cost.wall / TIMED_K,
            stepped.cost.wall / (sizes.turns * sizes.steps),
            evaluated.cost.wall / (sizes.turns * len(ids)) * EVALUATED, device.memory()[0],
        )
    )  # fmt: skip


def _predict(setting: Setting, student: Any, ids: Any) -> None:
    from cod_bench.training import model as models

    models.predict(student, ids, pad_id=setting.tokenizer.pad_token_id, precision=setting.track.precision)


@contextmanager
def utilisation(index: int = 0, command: str = "nvidia-smi") -> Iterator[Callable[[], float | None]]:
    """Yields what gives the mean utilisation of a device, in %, since it was last asked; None where nothing tells."""
    line = [command, f"--id={index}", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--loop=1"]
    try:
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        yield lambda: None
        return
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    os.set_blocking(process.stdout.fileno(), False)

    def since() -> float | None:
        told = (process.stdout.read() if process.stdout else None) or b""
        values = [float(word) for word in told.decode().split() if word.replace(".", "", 1).isdigit()]
        return sum(values) / len(values) if values else None

    try:
        yield since
    finally:
        process.terminate()
        process.wait()


def bench(quick: bool, workers: int) -> Iterator[Line]:
    """Every pair on the device that was settled."""
    device.set_threads()
    gpu = device.chosen(device.name())[0]
    with utilisation(gpu.index) as told:
        for name, make in PAIRS.items():
            yield from measure(name, make, QUICK if quick else FULL, workers=workers, told=told)
