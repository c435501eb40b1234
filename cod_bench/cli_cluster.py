"""Verbs for suites that run on many machines: what shards made is brought together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cod_bench import given
from cod_bench.arguments import DEFAULT_RESULTS, ResultsOption
from cod_bench.store import Results


def merge(
    folders: Annotated[list[Path], typer.Argument(help="Results folders of shards.")],
    results: ResultsOption = DEFAULT_RESULTS,
) -> None:
    """Bring the results folders of shards together in one; refuses records that do not belong together."""
    from cod_bench import merge as merges

    target = given.results_folder(results)
    done = merges.merge([Results(folder.resolve()) for folder in folders], target)
    failed = f", {done.failures} failures" if done.failures else ""
    print(f"{done.records} records copied, {done.there} were there already{failed}: {target.root}")
    print(f"whether the suite is whole: cod-bench plan --results {results}")
    print(f"tables: cod-bench leaderboard --results {results}")


VERBS = (merge,)
