"""What the user wrote on the command line -> folders, filters, words, numbers and plugins in use. No torch."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from cod_bench import registry
from cod_bench.cli.terminal import say
from cod_bench.cli.verbs import named
from cod_bench.data import locks, origin
from cod_bench.design import shard, suites
from cod_bench.design.filters import Filters
from cod_bench.design.suite import Suite
from cod_bench.errors import UsageError
from cod_bench.records.results import Results
from cod_bench.records.results import results_folder as results_folder
from cod_bench.spec import canonical
from cod_bench.store import UNFIT

LONGEST_RANGE = 10_000
"""Values of one range: a slip such as 0-4000000000 is told instead of expanded."""
BOUGHT = ("model", "base_url", "attempts", "yes", "budget", "concurrency", "rate", "batch", "poll", "request_timeout")
"""Parameters of verbs that only generators take which ask a model."""
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
        match = re.fullmatch(r"([0-9]{1,10})(?:-([0-9]{1,10}))?", word, re.ASCII)
        values = range(int(match[1]), int(match[2] or match[1]) + 1) if match else range(0)
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
    model: str = "", base_url: str = "", pairs: Path | None = None, yes: bool = False, attempts: str = "",
    timeout: str = "",
) -> None:  # fmt: skip
    """Options of generators as the environment variables by which they and all worker processes know them."""
    if attempts and not re.fullmatch(r"0*([1-9]|1[0-9]|20)", attempts, re.ASCII):
        raise UsageError(f"--attempts {attempts!r}: choose a whole number from 1 to 20")
    if timeout and not re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,3})?", timeout, re.ASCII):
        raise UsageError(f"--timeout {timeout!r}: write the seconds that a request may take, such as 300")
    pairs_file(pairs)
    for name, value in {
        "COD_BENCH_LLM_MODEL": model, "COD_BENCH_LLM_BASE_URL": base_url, "COD_BENCH_LLM_ATTEMPTS": attempts,
        "COD_BENCH_PAIRS": str(pairs.resolve()) if pairs else "", "COD_BENCH_LLM_YES": "1" if yes else "",
        "COD_BENCH_LLM_TIMEOUT": timeout,
    }.items():  # fmt: skip
        if value:
            os.environ[name] = value


def pairs_file(path: Path | None) -> None:
    """Refuse what is no file of pairs before anything reads it: a pipe would be waited for.

    Raises:
        UsageError: nothing is there, or no file.
    """
    if path is not None and not path.is_file():
        raise UsageError(f"--pairs {path}: no such file; name a JSONL file of pairs")


def apply(names: Iterable[str]) -> None:
    """Hold the generators' options that the command line names against the generators that it uses.

    Raises:
        UsageError: an option that none of them takes, and which would be ignored without a word.
    """
    asked = [name for name in dict.fromkeys(names) if name]
    made = [registry.load("generator", name) for name in asked]
    bought = any(generator.costly for generator in made)
    told = f"with {' and '.join(asked) or 'no generator'}"
    if not bought:
        only(f"{told}, which asks no model and buys nothing", *BOUGHT)
    if not any(generator.carries_data and not generator.costly for generator in made):
        only(f"{told}, which reads no file of pairs", "pairs")


def ready(names: Iterable[str], tasks: Collection[str], *, buys: bool = False) -> None:
    """Ask generators whether they can answer at all, before data are read or a teacher is fitted.

    Args:
        buys: what a paid one lacks is going to be bought, so that it needs a key and no kept answers.

    Raises:
        UsageError: an unknown generator, a file of pairs that is not there or holds none, no key, no worked example of
            a task, or nothing kept of it where nothing is bought.
    """
    for name in names:
        generator = registry.load("generator", name)
        if generator.costly and buys:
            generator.reach(tasks)
        else:
            generator.ready(tasks)


def rendering() -> tuple[str, ...]:
    """What decides how records are rendered besides them and the code: whatever is named, pinned or installed here."""
    own = [canonical([name, origin.find(name).identity()]) for name in map(origin.named, origin.own_names())]
    return (origin.options(), canonical(locks.committed()), *own, *registry.foreign(), *suites.given())


RUNS, PUBLISHED = Path("runs"), Path("results")


def reading(named: Path | None) -> Path:
    """The folder that a reader reads: the named one, else the user's own runs if there are any, else the published.

    The first line says which, where nobody named it.
    """
    if named is not None:
        return named
    own = RUNS.is_dir() and bool(results_folder(RUNS).record_paths())
    found = RUNS if own else PUBLISHED
    say(f"records: {found.resolve()} (another folder by --results)", err=True)
    return found


def shown(folder: Results, named: str) -> list[Suite]:
    """The suites whose tables a user wants of a folder: the named ones, or all that have records.

    Raises:
        UsageError: an unknown name, a suite of a file without a run there, or nothing to show.
    """
    from cod_bench.analysis import grids

    there = {one.name: one for one in grids.suites_with_records(folder)}
    chosen = [there.get(name) or suites.suite(name) for name in words("suite", named or None)]
    for one in chosen:
        if one.family not in suites.SUITES and one.name not in there:
            raise UsageError(
                f"--suite {one.name}: {folder.root} has no run of it; is the file of --data another one now?"
            )
    if not chosen and not there:
        told = "has records of tasks, methods or tracks alone that are not known here; name their --data and --plugin"
        none = "has no records; run `cod-bench run --all` first"
        raise UsageError(f"--results {folder.root}: {told if folder.record_paths() else none}")
    return chosen or list(there.values())


def trials(file: Path) -> None:
    """Look at the trials of an earlier `recipe`, which go on from there.

    Raises:
        UsageError: something else lies there.
    """
    from cod_bench.runner import recipe

    try:
        recipe.read(file)
    except (OSError, *UNFIT) as error:
        raise UsageError(f"--out {file}: holds no trials of `cod-bench recipe`; name another folder") from error


def only(where: str, *parameters: str) -> None:
    """Refuse options that the command line names and that do nothing there.

    Raises:
        UsageError: one is named.
    """
    for name in parameters:
        if named(name):
            option = name.removeprefix("request_").replace("_", "-")
            raise UsageError(f"--{option}: has no effect {where}; leave it out")


def out_folder(option: str, path: Path) -> Path:
    """A folder that is to be written to: looked at before any work, and not made.

    Raises:
        UsageError: something else is there, or it cannot be written or made.
    """
    at = path if os.path.lexists(path) else next((a for a in path.absolute().parents if os.path.lexists(a)), path)
    if not at.is_dir():
        raise UsageError(f"{option} {path}: {at} is no folder; name another one")
    if not os.access(at, os.W_OK | os.X_OK):
        raise UsageError(f"{option} {path}: {at} cannot be written; name another folder or allow it")
    return path


def out_file(option: str, path: Path) -> Path:
    """A file that is to be written into a folder that is there: looked at before any work.

    Raises:
        UsageError: a folder or something else than a file is there, or its folder is not or cannot be written.
    """
    if os.path.lexists(path) and not path.is_file():
        raise UsageError(f"{option} {path}: is no file; name a file")
    if not path.parent.exists():
        raise UsageError(f"{option} {path}: its folder {path.parent} is not there; make it first")
    out_folder(option, path.parent)
    return path


def executor(address: str, gpus_per_run: float | None, workers_per_device: int | None = None) -> dict[str, Any]:
    """Those options of an executor that were given."""
    given = {"address": address or None, "gpus_per_run": gpus_per_run, "workers_per_device": workers_per_device}
    return {name: value for name, value in given.items() if value is not None}


def parse_budget(text: str) -> tuple[int | None, float | None]:
    """(requests, dollars) of `--budget`: `500`, `$5`, `5usd` or both with a comma.

    Raises:
        UsageError: it is none of these.
    """
    found: dict[str, str] = {}
    for word in text.lower().replace(" ", "").split(","):
        match = re.fullmatch(r"(?P<usd>\$)?(?P<value>[0-9]{1,9}(?P<part>\.[0-9]{1,9})?)(?P<unit>usd)?", word, re.ASCII)
        dollars = bool(match and (match["usd"] or match["unit"]))
        kind = "dollars" if dollars else "requests"
        if not match or kind in found or (match["part"] and not dollars):
            raise _no_budget(text)
        found[kind] = match["value"]
    return (
        int(found["requests"]) if "requests" in found else None,
        float(found["dollars"]) if "dollars" in found else None,
    )


def _no_budget(text: str) -> UsageError:
    return UsageError(f"--budget {text!r}: write requests as 500, dollars as 5usd or '$5', or both with a comma")
