"""Suites of files, names as readers type them -> the suites that are meant. Loads no data."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from cod_bench.design import suites
from cod_bench.design.suite import Suite
from cod_bench.errors import UsageError
from cod_bench.records.results import Results
from cod_bench.spec import LOCAL

log = logging.getLogger(__name__)


def of_files(results: Results) -> dict[str, Suite]:
    """Suites of files by name: those that were named, and those that were run in the folder."""
    found = {name: suite for name, suite in suites.every().items() if name not in suites.SUITES}
    for path in results.suite_files():
        try:
            made = suites.kept(path)
        except UsageError as error:
            log.warning("suite of file %s is left out of the tables: %s", path, error)
        else:
            found.setdefault(made.name, made)
    return found


def akin(suite: Suite, asked: str, one: Suite | None) -> bool:
    """Whether a suite is a variant of the one that was asked for, or of its suite on the same tasks."""
    if suite.variant_of == asked:
        return True
    alike = one is not None and (suite.family, suite.tasks, suite.generator) == (one.family, one.tasks, one.generator)
    return alike and suite.name != asked and bool(suite.submitted or suite.tried)


def whole_name(asked: str, there: Iterable[str]) -> str:
    """The name of a table where a reader leaves out what marks the content of rows: `embedded+mine` of `+local-...`."""
    names = list(there)
    if asked in names:
        return asked
    short = [name for name in names if re.sub(rf"{re.escape(LOCAL)}[0-9a-f]{{8}}", "", name) == asked]
    return short[0] if len(short) == 1 else asked
