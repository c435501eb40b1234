"""A declaration of the toy suite, and toy records with the day and the commit of one's choice, in a real repository."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cod_bench.analysis import declare
from cod_bench.design import suites
from cod_bench.design.suite import Suite
from cod_bench.records import declarations
from cod_bench.records.declarations import Declaration
from cod_bench.records.record import Record
from cod_bench.records.results import Results
from tests import submissions

TOY = suites.suite("toy")
DAY = "2026-02-02"


def git(top: Path, *arguments: str) -> str:
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *arguments], cwd=top, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(top: Path, name: str = "") -> str:
    """Commit all that is there, or an empty change; returns the commit."""
    git(top, "add", "-A")
    git(top, "commit", "-q", "--allow-empty", "-m", name or "change")
    return git(top, "rev-parse", "HEAD")


def repository(top: Path) -> str:
    """A new repository with one commit; returns that."""
    top.mkdir(parents=True, exist_ok=True)
    git(top, "init", "-q", "-b", "trunk")
    return commit(top, "first")


def toy(suite: Suite = TOY, /, **changes: Any) -> Declaration:
    """What `cod-bench declare toy` would write on that day."""
    made = declare.declaration(suite, track="toy", protocol="last", date=DAY, version="0.1.0", commit="a" * 40)
    return replace(declarations.from_json(declarations.to_json(made)), **changes)


def records(
    *, day: str = DAY, commit: str = "", suite: Suite = TOY, pairs: Mapping[str, Any] = submissions.PAIRS
) -> list[Record]:
    """Every run of the suite, made on a day by a commit, or by code in none."""
    told = {"commit": commit, "dirty": False} if commit else None
    target = submissions.reference()
    found = [submissions.record(spec, target, params=pairs) for spec in suite.expand(track="toy")]
    return [replace(one, provenance={**one.provenance, "date": day, "git": told}) for one in found]


def write(results: Results, found: list[Record]) -> None:
    """Into a folder, with their reference file."""
    for one in found:
        results.write(one)
    results.write_reference(submissions.reference())
