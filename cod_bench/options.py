"""Options of generators, shared by the verbs: on the command line, in the environment of every worker, in the plan."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cod_bench import cfe
from cod_bench.errors import UsageError

if TYPE_CHECKING:
    from cod_bench.plan import Plan

ModelOption = Annotated[str, typer.Option("--model", help="Of the llm generators, else COD_BENCH_LLM_MODEL.")]
BaseUrlOption = Annotated[str, typer.Option("--base-url", help="Endpoint, else COD_BENCH_LLM_BASE_URL or OpenAI's.")]
PairsOption = Annotated[Path | None, typer.Option("--pairs", help="JSONL of pairs for replay, else COD_BENCH_PAIRS.")]
AttemptsOption = Annotated[str, typer.Option("--attempts", help="At most so many requests per counterfactual (5).")]
YesOption = Annotated[bool, typer.Option("--yes", help="Send paid requests without being asked.")]

EnergyOption = Annotated[
    bool, typer.Option("--energy", help="Also estimate each run's kWh (extra `energy`: codecarbon, offline).")
]


def endpoint(
    model: str = "", base_url: str = "", pairs: Path | None = None, yes: bool = False, attempts: str = ""
) -> None:
    """Options of generators as the environment variables by which they and all worker processes know them."""
    for name, value in {
        "COD_BENCH_LLM_MODEL": model, "COD_BENCH_LLM_BASE_URL": base_url, "COD_BENCH_LLM_ATTEMPTS": attempts,
        "COD_BENCH_PAIRS": str(pairs.resolve()) if pairs else "", "COD_BENCH_LLM_YES": "1" if yes else "",
    }.items():  # fmt: skip
        if value:
            os.environ[name] = value


def executor(address: str, gpus_per_run: float | None, workers_per_device: int | None = None) -> dict[str, Any]:
    """Those options of an executor that were given."""
    given = {"address": address or None, "gpus_per_run": gpus_per_run, "workers_per_device": workers_per_device}
    return {name: value for name, value in given.items() if value is not None}


def plan_line(made: Plan, workers: int, where: Path | None = None) -> str:
    """How many runs of a plan are in which state, in which folder, and about how long the missing ones take."""
    done, missing, failed = (made.count(state) for state in ("done", "missing", "failed"))
    hours = made.hours(workers)
    # the estimate is good to a factor of two: no decimals
    rest = f"{round(hours):,} h" if hours >= 1.5 else f"{max(1, round(hours * 60))} min"
    tail = f"; about {rest} with {workers} workers to go" if missing else ""
    retry = " (again with --rerun failed)" if failed else ""
    apart = made.count("not applicable")
    corrupt = f", {apart} not applicable" if apart else ""
    corrupt += f", {len(made.bad)} corrupt files" if made.bad else ""
    folder = "" if where is None else f" in {where}"
    part = f"shard {made.shard} of " if made.shard else ""
    return (
        f"{part}suite {made.suite.name} on track {made.track}: {len(made.runs)} runs: {done} done, {missing} missing, "
        f"{failed} failed{retry}{corrupt}{folder}{tail}"
    )


def bills(made: Plan) -> list[str]:
    """What `plan` says of paid counterfactuals: a line a generator."""
    missing = [planned.spec for planned in made.runs if planned.state != "done"]
    found = cfe.forecast(missing)
    return [f"counterfactuals by {name} if none were bought yet: {cfe.told(bill)}" for name, bill in found.items()]


def parse_budget(text: str) -> tuple[int | None, float | None]:
    """(requests, dollars) of `--budget`: `500`, `$5`, `5usd` or both with a comma.

    Raises:
        UsageError: it is none of these.
    """
    requests: int | None = None
    dollars: float | None = None
    for word in text.lower().replace(" ", "").split(","):
        bare = word.removeprefix("$").removesuffix("usd")
        try:
            if bare != word:
                dollars = float(bare)
            else:
                requests = int(bare)
        except ValueError:
            raise _no_budget(text) from None
    if not all(value is None or 0 <= value < float("inf") for value in (requests, dollars)):
        raise _no_budget(text)
    return requests, dollars


def _no_budget(text: str) -> UsageError:
    return UsageError(f"--budget {text!r}: write requests as 500, dollars as 5usd or '$5', or both with a comma")
