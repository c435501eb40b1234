"""What surrounds training -> its times: smoke grid, search, teacher fitting, planning, reading, workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cod_bench import device, registry
from cod_bench.counterfactuals import warm
from cod_bench.design import suites, tracks
from cod_bench.design.identity import identify
from cod_bench.errors import RunError
from cod_bench.records.results import Results
from cod_bench.runner import work
from cod_bench.runner.jobs import jobs_for
from cod_bench.spec import RunSpec
from cod_bench.store import Artifacts, home

from . import loops
from .report import Clock, Cost, Line

if TYPE_CHECKING:
    from cod_bench.counterfactuals.pool import Pool
    from cod_bench.split import Draw
    from cod_bench.task import Example
    from cod_bench.track import Track
    from cod_bench.training.model import Classifier
    from cod_bench.training.teacher import Teacher

TASK = loops.TASK
SMOKE, SMOKE_ROUNDED = "minilm-smoke-fp32", "minilm-smoke"
FULL, ROUNDED = "minilm-fp32", "minilm"
PLANNED, PLANNED_QUICK = 100_000, 10_000
READ, READ_QUICK = 10_000, 1_000
SEARCHED, SEARCHED_QUICK = 32, 8
MPNET_RATE = 1e-4
"""Of the teacher that MPNet becomes on the smoke track's rows."""


@contextmanager
def apart() -> Iterator[Path]:
    """A cache folder without teachers and pools, that shares this machine's assets and prepared tasks."""
    before, real = os.environ.get("COD_BENCH_HOME"), home()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("assets", "tasks"):
            (real / name).mkdir(parents=True, exist_ok=True)
            (Path(folder) / name).symlink_to(real / name)
        os.environ["COD_BENCH_HOME"] = folder
        try:
            yield Path(folder)
        finally:
            if before is None:
                del os.environ["COD_BENCH_HOME"]
            else:
                os.environ["COD_BENCH_HOME"] = before


def smoke(quick: bool) -> list[Line]:
    """The smoke suite from an empty cache folder by stage, and its runs against the plain loop's."""
    device.set_threads()
    specs = list(suites.suite("smoke").expand(track=SMOKE))
    clocks = {stage: Clock() for stage in ("teacher", "pool", "run")}
    warm.corpus(TASK)
    warm.base(SMOKE, "")
    with apart():
        for job in jobs_for(specs, {}):
            with clocks[job.stage].of():
                work.perform(job.payload)
        plain = _plain_smoke(specs[0], rows=96 if quick else None)
    extra = {f"{stage} CPU s": clock.cost.cpu for stage, clock in clocks.items()}
    what = f"{len(specs)} runs of the smoke suite, teacher and search apart"
    told = "plain: two epochs of one of the runs, scaled to its steps and epochs and to all runs"
    return [Line("smoke", what, clocks["run"].cost, plain * len(specs), measured=told, extra=extra)]


def _plain_smoke(spec: RunSpec, rows: int | None) -> Cost:
    import copy

    from cod_bench.counterfactuals.rows import build

    from .plain import Loop

    training = build(warm.draw(spec.track, spec.task, spec.seed, False), spec.condition, spec.k)
    hparams = identify(spec)["method"]["hparams"]
    loop = Loop(
        spec, tracks.track(spec.track), training, registry.load("baseline", spec.method)(), hparams,
        copy.deepcopy(work.fresh_student(spec)), warm.teacher(spec.track, spec.task), work.student_tokenizer(spec),
    )  # fmt: skip
    everything = work._token_ids(spec.track, spec.task, "evaluation")
    ids = everything[:rows]
    steps, evaluated = Clock(), Clock()
    for _ in range(2):
        with steps.of():
            for _ in range(loop.epoch):
                loop.step()
        with evaluated.of():
            loop.evaluate(ids)
    epochs = -(-loop.steps // loop.epoch)
    total: Cost = steps.cost * (epochs / 2) + evaluated.cost * (epochs / 2 * len(everything) / len(ids))
    return total


def search(quick: bool) -> list[Line]:
    """Counterfactual search on quotes, text by text: what a worker does, on one core, in each precision."""
    names = [(FULL, SMOKE, "search"), *([(ROUNDED, SMOKE_ROUNDED, "search-bf16")] if device.supports_bf16() else [])]
    found = []
    for whole, small, name in names:
        device.set_threads()
        track = whole if _fitted(whole) else small
        draw, pool = warm.draw(track, TASK, 0, False), warm.pool(track, TASK, "substitution")
        count = SEARCHED_QUICK if quick else SEARCHED
        found.append(_search(draw, pool, name, count, f"teacher of {track}", {"CFEs a CPU second": 4}))
    return found


def _search(draw: Draw, pool: Pool, name: str, count: int, whose: str, promised: dict[str, float]) -> Line:
    pool.state()
    slots = draw.first_slots(count)
    answers, controls, valid, passes = Clock(), Clock(), 0, 0
    for slot in slots:
        pool.teacher.forget()
        with answers.of():
            answer, cfe, _ = pool.answer(slot)
        valid += cfe is not None
        passes += answer.teacher_passes
        pool.teacher.forget()
        with controls.of():
            pool._entry(slot, 0)
    extra = {
        "CFEs a CPU second": valid / answers.cost.cpu, "CFEs a second": valid / answers.cost.wall,
        "teacher passes a text": passes / len(slots),
        "with its control texts, CPU s": controls.cost.cpu * 100 / len(slots),
    }  # fmt: skip
    told = f"{len(slots)} quotes, {valid} valid, {whose}"
    return Line(
        name, "CFE search for 100 texts", answers.cost * (100 / len(slots)), measured=told, extra=extra,
        promised=promised,
    )  # fmt: skip


def _fitted(track: str) -> bool:
    from cod_bench.data.checkpoints import MARKER, teacher_key

    found = tracks.pin(track)
    where = Artifacts.default().teacher(found.teacher_name, TASK, teacher_key(found, warm.corpus(TASK).task))
    return (where / MARKER).exists()


def teacher(quick: bool) -> list[Line]:
    """Fitting a teacher on a part of the pool, and the share of the time that is inside forward and backward."""
    from cod_bench.training import model as models

    device.set_threads()
    base, count = warm.base(FULL, ""), 160 if quick else 480
    track = replace(tracks.pin(FULL), teacher=replace(tracks.track(FULL).teacher, rows=count))
    return [_fit(models.teacher(base, track, classes=2), base.tokenizer, track, "teacher")]


def _fit(classifier: Classifier, tokenizer: Any, track: Track, name: str) -> Line:
    """Fit it on as many rows as the track's teacher takes, scaled to an epoch of all."""
    import torch

    from cod_bench.training.teacher import fit

    data = warm.corpus(TASK)
    count = track.teacher.rows or len(data.train)
    classifier.draw("teacher-head", TASK)
    whole, inside = Clock(), Clock()
    own_forward, own_backward = classifier.forward, torch.Tensor.backward

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            with inside.of():
                return call(*args, **options)

        return run

    classifier.forward = timed(own_forward)  # type: ignore[method-assign]
    torch.Tensor.backward = timed(own_backward)  # type: ignore[method-assign]
    try:
        with whole.of():
            fit(classifier, tokenizer, track, data)
    finally:
        torch.Tensor.backward = own_backward  # type: ignore[method-assign]
        del classifier.forward
    share = inside.cost.cpu / whole.cost.cpu
    extra = {"share inside forward and backward": share}
    scaled = whole.cost * (len(data.train) / count)
    what, promised = f"one epoch on {len(data.train)} rows, {track.precision}", dict.fromkeys(extra, 0.8)
    return Line(name, what, scaled, measured=f"{count} rows", extra=extra, promised=promised)


_PLAN = """
import json, resource, sys, time
from dataclasses import replace
from pathlib import Path
from cod_bench.design import suites
from cod_bench.design.filters import Filters
from cod_bench.records.results import Results
from cod_bench.runner import plan
seeds, folder = int(sys.argv[1]), Path(sys.argv[2])
suite = replace(suites.suite("embedded"), seeds=tuple(range(seeds)))
wall, cpu = time.perf_counter(), time.process_time()
made = plan.make(suite, Filters(track="minilm-fp32"), Results(folder))
cost = time.perf_counter() - wall, time.process_time() - cpu
try:  # ru_maxrss is inherited from the process that started this one
    peak = int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
except OSError:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([*cost, len(made.runs), peak]))
"""


def planning(quick: bool) -> list[Line]:
    """`plan` on 100,000 specs in a process of its own, for its memory."""
    wanted = PLANNED_QUICK if quick else PLANNED
    seeds = wanted // (sum(1 for _ in suites.suite("embedded").expand(track=FULL)) // 5)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", _PLAN, str(seeds), folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunError(f"plan: {(done.stderr.strip().splitlines() or ['it failed'])[-1]}")
    wall, cpu, runs, kilobytes = json.loads(done.stdout.splitlines()[-1])
    scale = PLANNED / runs
    extra = {"peak MB": kilobytes / 1024}
    return [Line("plan", f"plan of {PLANNED} specs", Cost(wall, cpu) * scale, measured=f"{runs} specs", extra=extra)]


def readers(quick: bool) -> list[Line]:
    """Leaderboard and page from 10,000 made-up records."""
    from cod_bench.reports import render

    from . import records as bench_records

    count = READ_QUICK if quick else READ
    board, page = Clock(), Clock()
    with tempfile.TemporaryDirectory() as folder:
        results = Results(Path(folder) / "runs")
        count = bench_records.fill(results, count)
        with board.of():
            render.files(results, [suites.suite(bench_records.SUITE)])
        with page.of():
            render.build(results, Path(folder) / "page")
    told = f"{count} records, not scaled"
    return [
        Line("leaderboard", "leaderboard from records", board.cost, measured=told),
        Line("page", "page from records", page.cost, measured=told),
    ]


def workers(quick: bool) -> list[Line]:
    """Runs a minute of one and of two warm workers, between the first and the last outcome. Wants two quiet cores."""
    return [
        line for name in (SMOKE, *((SMOKE_ROUNDED,) if device.supports_bf16() else ())) for line in _two(name, quick)
    ]


def _two(track: str, quick: bool) -> list[Line]:
    number = 4 if quick else 16
    rates, costs = {}, {}
    with apart():
        specs = [RunSpec("last", track, TASK, "kd", "standard", "", 8, seed) for seed in range(number)]
        work.perform(jobs_for(specs[:1], {})[0].payload)
        for count in (1, 2):
            jobs = [job for job in jobs_for(specs, {}) if job.stage == "run"]
            jobs = [replace(job, needs=()) for job in jobs]
            rates[count], costs[count] = _rate(jobs, count)
    extra = {f"runs a minute, {count} workers": 60 * rate for count, rate in rates.items()}
    extra["two over one"] = rates[2] / rates[1]
    told = f"{number} runs each on {track}, wall; CPU is that of the coordinating process"
    name = "workers" if track == SMOKE else "workers-bf16"
    promised = {"two over one": 1.8 if track == SMOKE else 1.7}
    return [Line(name, f"{number} runs by two warm workers", costs[2], measured=told, extra=extra, promised=promised)]


def _rate(jobs: list[Any], count: int) -> tuple[float, Cost]:
    execute = registry.load("executor", "local")
    clock, times = Clock(), []
    with clock.of(), closing(execute(jobs, workers=count)) as outcomes:
        for outcome in outcomes:
            if outcome.error:
                raise RunError(f"{outcome.job.key}: {outcome.error}")
            times.append((time.perf_counter(), float(outcome.result["seconds"])))
    # Every worker's first run carries its start, so rates are counted from the last of them on.
    started = times[count - 1][0]
    return (len(times) - count) / (times[-1][0] - started), clock.cost


def minilm(quick: bool) -> list[Line]:
    """Both loops on the track `minilm-fp32`."""
    setting = loops.minilm()
    return [*loops.measure(setting, quick=quick), *loops.means(setting, quick=quick)]


def deberta(quick: bool) -> list[Line]:
    """Both loops at DeBERTa-v3's real dimensions."""
    setting = loops.deberta()
    return [*loops.measure(setting, quick=quick), *loops.means(setting, quick=quick)]


def minilm_whole(quick: bool) -> list[Line]:
    """Both loops on the track `minilm-whole-fp32`; its teacher and its searches are those of `minilm-fp32`."""
    return loops.measure(loops.minilm_whole(), quick=quick)


def mpnet_minilm(quick: bool) -> list[Line]:
    """Both loops on the track `mpnet-minilm-fp32`, and MPNet's fitting and searches."""
    return [*loops.measure(loops.mpnet_minilm(), quick=quick), *_mpnet()]


def _mpnet() -> list[Line]:
    """MPNet fitted on the smoke track's few rows, in bfloat16 where the CPU has it, and led by in each precision."""
    from cod_bench.counterfactuals.pool import Pool
    from cod_bench.split import Draw
    from cod_bench.training.teacher import Teacher

    names = {"mpnet-minilm-fp32": "mpnet-minilm-search"}
    if device.supports_bf16():
        names["mpnet-minilm"] = "mpnet-minilm-search-bf16"
    few = replace(tracks.track(SMOKE).teacher, learning_rate=MPNET_RATE)
    track = replace(tracks.track([*names][-1]), teacher=few)
    classifier, tokenizer = loops.mpnet(track)
    lines, data = [_fit(classifier, tokenizer, track, "mpnet-minilm-teacher")], warm.corpus(TASK)
    for name, line in names.items():
        judge = Teacher(classifier, tokenizer, track=tracks.track(name), sha256="0" * 64, about={})
        right = partial(_right, judge)
        draw = Draw(data.train, task=TASK, classes=2, seed=0, says=judge.says, eligible=right)
        with tempfile.TemporaryDirectory() as folder:
            plugin, artifacts = registry.load("generator", "substitution"), Artifacts(Path(folder))
            pool = Pool(data, judge, plugin, artifacts, warm.near_evaluation(TASK))
            lines.append(_search(draw, pool, line, SEARCHED_QUICK, f"teacher fitted on {few.rows} rows", {}))
    return lines


def _right(judge: Teacher, example: Example) -> bool:
    return judge.predict(example.text) == example.label


PARTS: Mapping[str, Callable[[bool], list[Line]]] = {
    "minilm": minilm, "minilm-whole": minilm_whole, "mpnet-minilm": mpnet_minilm, "deberta": deberta, "smoke": smoke,
    "search": search, "teacher": teacher, "plan": planning, "readers": readers, "workers": workers,
}  # fmt: skip
"""Name -> what measures it, given whether to be quick."""

ABOUT: Mapping[str, str] = {
    "minilm": "a step, an evaluation, a run at k = 8, 64, 512 and each means on minilm-fp32",
    "minilm-whole": "the same without the means on minilm-whole-fp32",
    "mpnet-minilm": "the same on mpnet-minilm-fp32, and MPNet's fitting and searches; random weights without the asset",
    "deberta": "as minilm, at DeBERTa-v3's real dimensions, random weights; 5 GB of memory",
    "smoke": "the smoke grid", "search": "counterfactual search", "teacher": "teacher fitting",
    "plan": "plan on 100,000 specs", "readers": "leaderboard and page from 10,000 records",
    "workers": "two workers against one",
}  # fmt: skip
