"""What the user wrote on the command line -> folders, filters, words, numbers and plugins in use. No torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cod_bench import registry
from cod_bench.data import origin
from cod_bench.design import shard
from cod_bench.design.filters import Filters
from cod_bench.errors import UsageError
from cod_bench.records.results import results_folder as results_folder

LONGEST_RANGE = 10_000
"""Values of one range: a slip such as 0-4000000000 is told instead of expanded."""
MOST = 10**9
"""The largest budget or seed."""


def filters(
    protocol: str | None, track: str, task: str | None, method: str | None, condition: str | None, k: str | None,
    seed: str | None, generator: str, part: str = "",
) -> Filters:  # fmt: skip
    """The options that every verb about runs takes, parsed."""
    return Filters(
        protocol=tuple(words("protocol", protocol)), track=track, task=tuple(words("task", task)),
        method=tuple(words("method", method)),
        condition=tuple(words("condition", condition)), k=numbers("k", k), seed=numbers("seed", seed),
        generator=generator, shard=shard.parse(part),
    )  # fmt: skip


def words(name: str, text: str | None) -> list[str]:
    """Values of an option, separated by commas; none if it was not given."""
    found = [word.strip() for word in (text or "").split(",") if word.strip()]
    if text is not None and not found:
        raise UsageError(f"--{name} {text!r}: name at least one value or leave the option out")
    return found


def numbers(name: str, text: str | None) -> tuple[int, ...]:
    """Whole numbers of an option, separated by commas; 0-4 is a range."""
    found: list[int] = []
    for word in words(name, text):
        low, dash, high = word.partition("-")
        try:
            values = range(int(low), int(high if dash else low) + 1)
        except ValueError:
            values = range(0)
        if not 0 < len(values) <= LONGEST_RANGE or values[-1] > MOST:
            raise UsageError(f"--{name} {word!r}: write whole numbers up to {MOST:,} such as 8 or 8,16 or 0-4")
        found += values
    return tuple(dict.fromkeys(found))


def plugins(files: list[Path] | None, data: list[str] | None = None) -> None:
    """Plugin files and local data that the user named are in use from here on, in worker processes too."""
    for file in files or ():
        registry.add_plugin(file)
    origin.choose(data)


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
