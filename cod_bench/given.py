"""What the user wrote on the command line -> folders, filters, words, numbers and plugins in use. No torch."""

from __future__ import annotations

from pathlib import Path

from cod_bench import origin, registry, shard
from cod_bench.errors import UsageError
from cod_bench.plan import Filters
from cod_bench.store import Results

LONGEST_RANGE = 10_000
"""Values of one range: a slip such as 0-4000000000 is told instead of expanded."""
MOST = 10**9
"""The largest budget or seed."""


def results_folder(folder: Path, *, there: bool = False) -> Results:
    """The folder of records; it need not be there yet, unless it is to be read."""
    if (folder == Path() and not there) or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"--results {str(folder)!r}: is not a folder of its own; name one, for example runs")
    if there and not folder.exists():
        raise UsageError(
            f"--results {str(folder)!r}: is not there; name a folder with records, or run `cod-bench run --all` first"
        )
    return Results(folder.resolve())


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
