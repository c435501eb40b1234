"""Options that several verbs share -> their types, defaults and help."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cod_bench import registry
from cod_bench.cli.terminal import say
from cod_bench.design import suites, tracks
from cod_bench.records.provenance import git, version_of_code


def _offer(known: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """What a shell offers for names separated by commas: those that go on from the last word."""

    def offered(incomplete: str) -> list[str]:
        before, comma, word = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in known() if name.startswith(word)]

    return offered


_SUITES = _offer(lambda: suites.SUITES)
_TRACKS = _offer(tracks.names)
_TASKS, _METHODS, _CONDITIONS, _GENERATORS = (
    _offer(partial(registry.names, kind)) for kind in ("task", "baseline", "condition", "generator")
)

SuiteOption = Annotated[
    str,
    typer.Option(
        "--suite",
        help="Named set of runs (`cod-bench list`), or FILE.toml that declares your own.",
        autocompletion=_SUITES,
    ),
]
ResultsOption = Annotated[
    Path, typer.Option("--results", help="Folder of records. `results` is the published one: naming it is publishing.")
]
ReadingOption = Annotated[
    Path | None, typer.Option("--results", help="Folder of records; `runs` if it holds any, else `results`.")
]
ProtocolOption = Annotated[
    str | None, typer.Option("--protocol", help="last (default), dev or paper; several with commas.")
]
TrackOption = Annotated[
    str,
    typer.Option("--track", help="Instead of the suite's first track that this CPU supports.", autocompletion=_TRACKS),
]
TeacherOption = Annotated[
    str, typer.Option("--teacher", help="Make --track NAME of two models: folder (or hub id) of the teacher.")
]
StudentOption = Annotated[str, typer.Option("--student", help="The same of the student.")]
LayersOption = Annotated[
    str, typer.Option("--layer-map", help="student:teacher layers such as 1:3,2:6; evenly spread if left out.")
]
LengthOption = Annotated[int | None, typer.Option("--max-length", min=8, help="Tokens a text is cut at (256).")]
PrecisionOption = Annotated[str, typer.Option("--precision", help="float32 (default) or bfloat16.")]
EpochsOption = Annotated[
    int | None, typer.Option("--teacher-epochs", min=1, help="Passes of the teacher's fine-tuning over the pool.")
]
TeacherSeedOption = Annotated[
    int | None, typer.Option("--teacher-seed", min=0, help="Fine-tune --track's teacher by another seed: TRACK@SEED.")
]
RecipeOption = Annotated[
    str, typer.Option("--recipe", help="Instead of the track's own; embedded: one epoch, 40 steps. See `list`.")
]
TaskOption = Annotated[
    str | None, typer.Option("--task", help="Only these tasks, separated by commas.", autocompletion=_TASKS)
]
MethodOption = Annotated[str | None, typer.Option("--method", help="Only these methods.", autocompletion=_METHODS)]
ConditionOption = Annotated[
    str | None, typer.Option("--condition", help="Only these conditions.", autocompletion=_CONDITIONS)
]
KOption = Annotated[str | None, typer.Option("--k", help="Only these budgets of labelled texts.")]
SeedOption = Annotated[str | None, typer.Option("--seed", help="Only these seeds; 0-4 is a range.")]
ShardOption = Annotated[str, typer.Option("--shard", help="Only the i-th of n parts, as i/n: see docs/cluster.md.")]
ExecutorOption = Annotated[str, typer.Option("--executor", help="How jobs are spread: local, or ray on a cluster.")]
AddressOption = Annotated[str, typer.Option("--address", help="Of the ray executor: local, auto or HOST:PORT.")]
GpusOption = Annotated[float | None, typer.Option("--gpus-per-run", min=0.0, help="Share of a GPU a run takes (ray).")]
DeviceOption = Annotated[
    str, typer.Option("--device", help="What to compute on: auto (CUDA where there is one), cpu, cuda or cuda:N.")
]
PerDeviceOption = Annotated[
    int | None, typer.Option("--workers-per-device", min=1, help="Processes on each CUDA device (local).")
]
TimeoutOption = Annotated[
    float | None,
    typer.Option("--timeout", min=1.0, help="Seconds a run may take; ten times the longest of its kind, at least 600."),
]
GeneratorOption = Annotated[
    str,
    typer.Option("--generator", help="Instead of the suite's own, in tables of its own.", autocompletion=_GENERATORS),
]
PluginOption = Annotated[
    list[Path] | None, typer.Option("--plugin", help="Python file with a plugin of any kind to run.")
]
DataOption = Annotated[
    list[str] | None,
    typer.Option(
        "--data", help="Folder with <task>/train.* and test.*, TASK=FOLDER, or NAME=FILE of your own; repeatable."
    ),
]

DEFAULT_RESULTS = Path("runs")

ModelOption = Annotated[str, typer.Option("--model", help="Of the llm generators, else COD_BENCH_LLM_MODEL.")]
BaseUrlOption = Annotated[str, typer.Option("--base-url", help="Endpoint, else COD_BENCH_LLM_BASE_URL or OpenAI's.")]
PairsOption = Annotated[Path | None, typer.Option("--pairs", help="JSONL of pairs for replay, else COD_BENCH_PAIRS.")]
AttemptsOption = Annotated[str, typer.Option("--attempts", help="At most so many requests per counterfactual (5).")]
RequestTimeoutOption = Annotated[
    str, typer.Option("--timeout", help="Seconds that a request may take (60), else COD_BENCH_LLM_TIMEOUT.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Send paid requests without being asked.")]

EnergyOption = Annotated[
    bool, typer.Option("--energy", help="Also estimate each run's kWh (extra `energy`: codecarbon, offline).")
]


def _tell_version(wanted: bool) -> None:
    if wanted:
        told = git()
        say(f"cod-bench {version_of_code()}" + (f", commit {told['commit'][:10]}" if told else ""))
        raise typer.Exit


def before(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell the version and leave.")
    ] = False,
) -> None:
    """Few-shot distillation with counterfactual explanations, measured honestly."""
