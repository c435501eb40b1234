"""Results folder -> index.html: reads the records, asks the registry what methods are, writes one file. No torch."""

from __future__ import annotations

import inspect
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from cod_bench import grids, registry, render, site, suites
from cod_bench.aggregate import Grid
from cod_bench.errors import UsageError
from cod_bench.store import Results, write_atomic

PAGE = "index.html"


def build(results: Results, out: Path, *, examples: bool = False) -> Path:
    """Write the page of a results folder; returns its path.

    Args:
        examples: also show counterfactuals from the local cache folder: corpora's texts, not to be published.

    Raises:
        UsageError: no counted run, a folder that cannot be written, or `examples` without pools in the cache folder.
    """
    records, bad = results.scan()
    references = results.references()
    found: list[Grid] = []
    for suite in sorted(render.suites_with_records(results), key=lambda suite: suite.name != suites.DEFAULT_SUITE):
        found += [grid for grid in grids.of(suite, records=records, references=references) if grid.runs]
    if not found:
        raise UsageError(f"--results {results.root}: has no counted run; run `cod-bench run --all` first")
    shown = []
    if examples:
        from cod_bench import site_examples

        shown = site_examples.examples(found)
    states = render.states(results, records, everyone=True)
    found = [replace(grid, states=states(grid)) for grid in found]
    about = {name: _about(name) for name in dict.fromkeys(name for grid in found for name in grid.methods)}
    text = site.page(found, about=about, examples=shown, bad=bad, repository=_repository())
    write_atomic(out / PAGE, text)
    return out / PAGE


def _about(name: str) -> str:
    """A method's summary and its class's own docstring, not one that it inherits."""
    method = registry.load("baseline", name)
    return f"{method.summary}\n\n{inspect.cleandoc(vars(method).get('__doc__') or '')}"


def _repository() -> str:
    """The address that the installed package names as its repository; empty if it names none."""
    try:
        named = metadata("cod-bench").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    found = dict(str(line).split(", ", 1) for line in named)
    return found.get("Repository", "").rstrip("/")
