"""Command line -> one function, what it prints and an exit code: 0 done, 1 a run failed, 2 a user's mistake."""

from __future__ import annotations

import errno
import os
import shlex
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from cod_bench import device as devices
from cod_bench import registry
from cod_bench.cli import bench, cfe, contribute, figure, given, mend, read, show
from cod_bench.cli.options import (
    DEFAULT_RESULTS,
    AddressOption,
    AttemptsOption,
    BaseUrlOption,
    ConditionOption,
    DataOption,
    DeviceOption,
    EnergyOption,
    EpochsOption,
    ExecutorOption,
    GeneratorOption,
    GpusOption,
    KOption,
    LayersOption,
    LengthOption,
    MethodOption,
    ModelOption,
    PairsOption,
    PerDeviceOption,
    PluginOption,
    PrecisionOption,
    ProtocolOption,
    ReadingOption,
    RecipeOption,
    ResultsOption,
    SeedOption,
    ShardOption,
    StudentOption,
    SuiteOption,
    TaskOption,
    TeacherOption,
    TeacherSeedOption,
    TimeoutOption,
    TrackOption,
    YesOption,
    before,
)
from cod_bench.cli.terminal import say, settle
from cod_bench.cli.verbs import App
from cod_bench.data import origin
from cod_bench.design import suites, tracks
from cod_bench.design.filters import Filters, parts, suite_for
from cod_bench.errors import NO_ROOM, RunError, UsageError
from cod_bench.runner import energy as energies
from cod_bench.runner import plan as plans
from cod_bench.spec import PROTOCOLS

app = App(
    pretty_exceptions_enable=False,
    epilog="Start with: cod-bench run --suite smoke --all (a minute), then: cod-bench run --all",
)

STOPPED, TERMINATED = 130, 143
"""Exit codes after Ctrl-C and SIGTERM, as shells have them."""

UNUSABLE = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG,
)  # fmt: skip
"""What a path answers that was named wrongly."""

_asked_to_end: list[int] = []

app.callback()(before)


def _end(number: int, _: object) -> None:
    """SIGTERM is Ctrl-C with an exit code of its own: workers end and locks are freed."""
    _asked_to_end.append(number)
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; every expected failure is one sentence on standard error."""
    signal.signal(signal.SIGTERM, _end)
    settle()
    try:
        # by the name that shells complete, however it was started
        code = app(prog_name="cod-bench", standalone_mode=False)
        sys.stdout.flush()
    except (UsageError, RunError) as error:
        say(f"cod-bench: {error}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except (KeyboardInterrupt, typer.Abort):
        code = STOPPED
    except OSError as error:
        if error.errno in UNUSABLE:
            say(f"cod-bench: {error.filename}: {error.strerror}; name another folder or allow it", err=True)
            sys.exit(2)
        if error.errno != errno.EPIPE and error.errno not in NO_ROOM:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter's own flush fails again
        if error.errno in NO_ROOM:
            say(f"cod-bench: cannot write: {error.strerror}; make room, then run again", err=True)
        sys.exit(1)
    except Exception as error:
        # Typer's own errors know their sentence and exit code; anything else is a defect and shows its traceback.
        if not hasattr(error, "format_message"):
            raise
        told = f"cod-bench: {error.format_message()}"
        say(*(told.split("\n") if told.startswith("cod-bench: Usage: ") else (told,)), err=True)  # all of the help
        sys.exit(2)
    if code == STOPPED:  # typer turns Ctrl-C into this code
        say("cod-bench: stopped; the same command goes on from here", err=True)
        code = TERMINATED if _asked_to_end else STOPPED
    sys.exit(code if isinstance(code, int) else 0)


@app.command("list")
def list_(data: DataOption = None, plugin: PluginOption = None) -> None:
    """What there is: suites, tracks, tasks, methods, conditions, generators."""
    given.plugins(plugin, data)
    say("suites")
    for suite in suites.every().values():
        runs = sum(1 for _ in suite.expand(track=suite.tracks[0]))
        say(f"  {suite.name:14} {runs:5} runs  {suite.title}")
    say("tracks")
    for track in map(tracks.track, tracks.names()):
        pinned = "" if track.pinned else " (unpinned: its first use pins the hub's current models)"
        others = f"; other recipes: {', '.join(track.variants)}" if track.variants else ""
        say(f"  {track.name:18} {track.title}{others}{pinned}")
    say("tasks")
    for name in registry.names("task"):
        task = registry.load("task", name)
        said = f"{' / '.join(task.classes)}: {task.title}; licence: {task.licence}{origin.mark(task)}"
        say(f"  {name:15} version {task.version}, {said}")
    say("methods")
    for name in registry.names("baseline"):
        say(f"  {name:14} {_summary(name)}")
    say("conditions")
    for name in suites.in_order(registry.names("condition")):
        say(f"  {name:16} {registry.load('condition', name).meaning}")
    say("generators")
    for name in registry.names("generator"):
        generator = registry.load("generator", name)
        say(f"  {name:14} version {generator.version}: {generator.card}")
    say("protocols")
    for protocol in PROTOCOLS.values():
        say(f"  {protocol.name:14} {'ranked' if protocol.ranked else 'not ranked'}: {protocol.meaning}")


@app.command()
def assets(verify: Annotated[bool, typer.Option("--verify", help="Hash every file that is there.")] = False) -> None:
    """Third-party weights and corpora: where from, under which licence, and whether they are here."""
    from cod_bench.data import assets as assets_

    for row in assets_.rows():
        say(f"{row['name']}: {row['state']}, {row['size']}, {row['source']}")
        say(f"  {row['about']}")
        say(f"  licence of the wheel: {row['wheel licence']}; of the content: {row['content licence']}")
    if verify:
        for name in assets_.ASSETS:
            if assets_.state(name) != "absent":
                assets_.verify(name)
        say("every asset that is here has the pinned sha256 sums")


@app.command()
def plan(
    suite: SuiteOption = suites.DEFAULT_SUITE, results: ResultsOption = DEFAULT_RESULTS,
    protocol: ProtocolOption = None, track: TrackOption = "", task: TaskOption = None, method: MethodOption = None,
    condition: ConditionOption = None, k: KOption = None, seed: SeedOption = None, generator: GeneratorOption = "",
    workers: Annotated[int, typer.Option(min=1)] = devices.cores(), part: ShardOption = "",
    runs: Annotated[bool, typer.Option("--runs", help="Also list every run with its id.")] = False,
    teacher: TeacherOption = "", student: StudentOption = "", layer_map: LayersOption = "",
    max_length: LengthOption = None, precision: PrecisionOption = "", teacher_epochs: EpochsOption = None,
    recipe: RecipeOption = "", teacher_seed: TeacherSeedOption = None,
    model: ModelOption = "", pairs: PairsOption = None, attempts: AttemptsOption = "",
    data: DataOption = None, plugin: PluginOption = None,
) -> None:  # fmt: skip
    """How many runs are done, missing and failed, about how long and how dear the rest is. Starts nothing."""
    given.plugins(plugin, data)
    given.endpoint(model, "", pairs, False, attempts)
    chosen = parts(suite, given.filters(protocol, track, task, method, condition, k, seed, generator, part))
    folder = given.results_folder(results)
    given.apply([one.generator for one, _ in chosen])
    # a track is made when every other word is known to be one
    of_it = teacher_epochs, teacher_seed
    track = tracks.chosen(track, teacher, student, layer_map, max_length, precision, recipe, *of_it)
    for one, filters in chosen:
        made = plans.make(one, replace(filters, track=track), folder)
        say(show.plan_line(made, workers, folder.root))
        for method_, reason in {p.spec.method: p.reason for p in made.runs if p.reason}.items():
            say(f"not applicable on {made.track}: {method_} {reason}")
        for note in origin.notes(dict.fromkeys(planned.spec.task for planned in made.runs)):
            say(note)
        say(*show.spent(made), *show.bills(made))
        if runs:
            for planned in made.runs:
                say(f"  {planned.state:8} {planned.run_id} {planned.spec.protocol} {planned.spec.label}")


@app.command()
def status(
    suite: SuiteOption = suites.DEFAULT_SUITE, results: ResultsOption = DEFAULT_RESULTS,
    protocol: ProtocolOption = None,
    track: TrackOption = "", task: TaskOption = None, method: MethodOption = None, condition: ConditionOption = None,
    k: KOption = None, seed: SeedOption = None, generator: GeneratorOption = "", part: ShardOption = "",
    attempts: AttemptsOption = "", data: DataOption = None, plugin: PluginOption = None,
) -> None:  # fmt: skip
    """The state of a suite: runs per task, method and condition; what failed and why; what is corrupt."""
    given.plugins(plugin, data)
    given.endpoint(attempts=attempts)
    folder = given.results_folder(results)
    chosen = parts(suite, given.filters(protocol, track, task, method, condition, k, seed, generator, part))
    given.apply([one.generator for one, _ in chosen])
    files = "".join(f" --plugin {shlex.quote(str(file))}" for file in plugin or ())
    for one, filters in chosen:
        made = plans.make(one, filters, folder)
        say(show.plan_line(made, devices.cores(), folder.root), *show.state(made))
        for planned in made.runs:
            if planned.state == "failed":
                failure = folder.failure(planned.spec, planned.run_id)
                same = f" --results {shlex.quote(str(results))}{origin.options()}{files}"
                say(f"failed: {planned.spec.label}: {failure.reason}", f"  retry: {failure.retry}{same}")
    for file in made.bad:
        say(f"corrupt: {file.line}")


@app.command(
    epilog="cod-bench run --all\n"
    "cod-bench run --task rt_quotes --method kd --condition standard,cod --k 8 --seed 0-1\n"
    "cod-bench run --suite mine.toml --data mine=rows.csv --plugin my_loss.py --all\n"
    "cod-bench run --track my-pair --teacher DIR --student DIR --recipe embedded --all"
)
def run(
    all_: Annotated[bool, typer.Option("--all", help="Every run of the suite after filters.")] = False,
    suite: SuiteOption = suites.DEFAULT_SUITE, results: ResultsOption = DEFAULT_RESULTS,
    protocol: ProtocolOption = None,
    track: TrackOption = "", task: TaskOption = None, method: MethodOption = None, condition: ConditionOption = None,
    k: KOption = None, seed: SeedOption = None, generator: GeneratorOption = "", part: ShardOption = "",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes, one thread each; all cores if unset.")] = None,
    rerun: Annotated[str, typer.Option(help="Besides the missing: failed, all or mismatched (other teacher).")] = "",
    executor: ExecutorOption = "local", address: AddressOption = "", gpus_per_run: GpusOption = None,
    device: DeviceOption = "cpu", workers_per_device: PerDeviceOption = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failed run.")] = False,
    timeout: TimeoutOption = None,
    teacher: TeacherOption = "", student: StudentOption = "", layer_map: LayersOption = "",
    max_length: LengthOption = None, precision: PrecisionOption = "", teacher_epochs: EpochsOption = None,
    recipe: RecipeOption = "", teacher_seed: TeacherSeedOption = None,
    model: ModelOption = "", base_url: BaseUrlOption = "", pairs: PairsOption = None, yes: YesOption = False,
    attempts: AttemptsOption = "", energy: EnergyOption = False, data: DataOption = None, plugin: PluginOption = None,
) -> None:  # fmt: skip
    """Do what is missing of a suite, then render its leaderboard. Ctrl-C stops; the same command goes on."""
    given.plugins(plugin, data)
    given.endpoint(model, base_url, pairs, yes, attempts)
    devices.ask(device)
    if energy:
        energies.ask()
    filters = given.filters(protocol, track, task, method, condition, k, seed, generator, part)
    chosen = parts(suite, filters)
    given.apply([one.generator for one, _ in chosen])  # before a track is made
    of_it = teacher_epochs, teacher_seed
    track = tracks.chosen(track, teacher, student, layer_map, max_length, precision, recipe, *of_it)
    if filters.empty and not all_:
        raise UsageError("run: name --all for every run of the suite, or a filter such as --task, --method or --k")
    unfinished = show.run(
        [(one, replace(own, track=track)) for one, own in chosen], given.results_folder(results),
        workers=workers or 0, rerun=rerun, executor=executor,
        options=given.executor(address, gpus_per_run, workers_per_device),
        fail_fast=fail_fast, timeout=timeout or 0.0,
    )  # fmt: skip
    raise typer.Exit(1 if unfinished else 0)


@app.command()
def leaderboard(
    suite: Annotated[str, typer.Option("--suite", help="Only these suites, or FILE.toml; all if left out.")] = "",
    results: ReadingOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write to.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if a file is stale or missing.")] = False,
    data: DataOption = None,
    plugin: PluginOption = None,
) -> None:
    """Render tables, CSV files and learning curves from the records alone."""
    from cod_bench.reports import leaderboard as boards
    from cod_bench.reports import render, rendered

    given.plugins(plugin, data)
    folder = given.results_folder(given.reading(results), there=True)
    chosen = given.shown(folder, suite)
    target = out or render.out_folder(folder)
    if not check:
        given.out_folder("--out", target)
    of = rendered.inputs(folder, [one.name for one in chosen], *given.rendering())
    for file in folder.glance()[1]:
        say(f"not counted, corrupt: {file.line}", err=True)
    if not check and (known := rendered.read(target, of)) is not None:
        say(f"{target}: {len(known.files)} files are what the records say already; start with {target / 'README.md'}")
        return
    files = render.files(folder, chosen, figures=not check)
    if not check:
        boards.write(target, files)
        rendered.keep(target, of, files, {})
        say(f"wrote {len(files)} files; start with {target / 'README.md'}")
        return
    stale = boards.check(target, files)
    for line in stale:
        say(line)
    if stale:
        raise RunError(
            f"leaderboard {target}: {len(stale)} files are stale or missing; render it again without --check"
        )
    say(f"{target}: {len(files)} files are what the records say")


@app.command()
def judge(
    suite: SuiteOption = suites.DEFAULT_SUITE, track: TrackOption = "", generator: GeneratorOption = "",
    device: DeviceOption = "cpu", data: DataOption = None, plugin: PluginOption = None,
) -> None:  # fmt: skip
    """Quality of a suite's counterfactuals, with the verdict of the other task's teacher, which never saw them."""
    from cod_bench.counterfactuals import judge as judges

    given.plugins(plugin, data)
    devices.ask(device)
    chosen = suite_for(suite, Filters(generator=generator))
    if len(chosen.tasks) < 2:
        raise UsageError(f"--suite {suite}: has one task, and its judge is the teacher of another; name another suite")
    where = chosen.choose_track(track)
    given.ready([chosen.generator], chosen.tasks)
    devices.set_threads()
    k = max(k for block in chosen.blocks for k in block.ks)
    for task, other in zip(chosen.tasks, (*chosen.tasks[1:], chosen.tasks[0]), strict=True):
        q = judges.measure(where, task, other, chosen.generator, k=k, seeds=chosen.seeds)
        say(
            f"{task} on {where}, {q.slots} originals: valid {q.valid:.1%}, first answers flip {q.first_flips:.1%}, "
            f"edited {q.edit_fraction:.1%} of the words ({q.edits:.2f} words), {q.teacher_passes:.0f} teacher passes"
        )
        for v in q.verdicts:
            say(
                f"  {v.kind}: {q.judge}'s teacher says target {v.before:.1%} -> {v.after:.1%}, "
                f"moved towards it {v.moved:.1%} ({v.texts} texts)"
            )


@app.command()
def recipe(
    track: Annotated[str, typer.Option(help="Track to choose recipes for.")],
    method: MethodOption = None,
    task: TaskOption = None,
    out: Annotated[Path, typer.Option(help="Folder of recipe.csv and recipe.md.")] = Path("docs"),
    workers: Annotated[int, typer.Option(min=1)] = devices.cores(),
    device: DeviceOption = "cpu",
    data: DataOption = None,
    plugin: PluginOption = None,
) -> None:
    """Choose each method's learning rate and steps by `standard` on the dev split; every trial is kept."""
    from cod_bench.runner import recipe as recipes
    from cod_bench.store import write_atomic

    given.plugins(plugin, data)
    devices.ask(device)
    chosen = tracks.track(track)
    fitting = [s for s in suites.SUITES.values() if s.admits(track)]
    tasks = given.words("task", task) or sorted({t for s in fitting for t in s.tasks})
    # Rows of a package run anywhere; the paper's suites have none of these, and take theirs from the user or the hub.
    tasks = [origin.named(name) for name in (tasks if task else origin.packaged(tasks) or tasks)]
    methods = given.words("method", method) or recipes.methods()
    for name in methods:
        registry.load("baseline", name)  # whoever is unknown is told before a teacher is trained
    given.trials(given.out_folder("--out", out) / "recipe.csv")
    todo = recipes.trials(chosen, methods, tasks)
    rows = recipes.search(todo, out / "recipe.csv", workers=workers, listen=lambda line: say(line, err=True))
    if todo := recipes.trials_above(chosen, methods, tasks, rows):
        rows = recipes.search(todo, out / "recipe.csv", workers=workers, listen=lambda line: say(line, err=True))
    write_atomic(out / "recipe.md", recipes.markdown(rows))
    for name in methods:
        rate, steps = recipes.choose(rows, track, name)
        if chosen.recipe_for(name).rates:
            tracks.keep_rate(track, name, rate)
        say(f"{name} on {track}: learning rate {rate:g}, {f'{steps} steps' if steps else 'steps as its recipe says'}")


for verb in (*read.VERBS, *figure.VERBS, *contribute.VERBS, *mend.VERBS, *bench.VERBS):
    app.command()(verb)
app.add_typer(cfe.verbs, name="cfe")


def _summary(name: str) -> Any:
    """A method's one-line description."""
    return registry.load("baseline", name).summary
