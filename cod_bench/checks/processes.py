"""Plugin file -> facts, from processes of its own with a cache folder that is thrown away. Runs no plugin code here.

What the processes do is in `probe`; what their facts mean is in `plugin`.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cod_bench import registry
from cod_bench.design import built_in
from cod_bench.errors import RunError, UsageError

LIMIT = 300.0
"""Seconds that a probing process may take; on an idle core it takes about ten."""

WORLDS = ("clean", "poisoned", "altered")
BLIND = ("baseline", "generator", "condition")
"""Kinds that must do without evaluation rows."""

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Probed:
    """What the processes found out about a file."""

    kind: str
    name: str
    tracks: tuple[str, ...]
    clean: Facts
    poisoned: Facts
    altered: Facts = field(default_factory=dict)
    """Of methods, generators and conditions alone."""

    def rows_told(self) -> str:
        """What became of the rows that a task brings."""
        return str(self.clean["rows"]["value"]["told"])

    def without_loss(self) -> str:
        """What to say of a method's losses where it has none; else empty."""
        runs = [one for pair in self.clean["runs"].values() for one in pair if "value" in one]
        return "it has none and brings its own fit" if runs and not runs[0]["value"]["losses"] else ""


def toy_tracks() -> tuple[str, ...]:
    """Tracks whose models are built on the spot: no asset, seconds. A family of models each, encoders first."""
    return tuple(name for name, track in built_in.TRACKS.items() if track.random)


def kind_of(path: Path) -> str:
    """The kind of plugin by the one name that its module binds, without running it.

    Raises:
        UsageError: not Python, or not exactly one plugin.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=path.name)
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"{path.name} is not Python: {error}") from error
    bound: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, ast.Assign):
            bound |= {part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            bound.add(node.target.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            bound |= {alias.asname or alias.name for alias in node.names}
    kinds = [kind for kind, export in registry.EXPORTS.items() if export in bound]
    if len(kinds) != 1:
        raise UsageError(f"{path.name}: must export exactly one of {', '.join(registry.EXPORTS.values())}")
    return kinds[0]


def probe(path: Path, kind: str, tracks: tuple[str, ...]) -> Probed:
    """Run the file in its processes, side by side.

    Raises:
        RunError: a process died or took too long.
    """
    with tempfile.TemporaryDirectory(prefix="cod-bench-check-") as folder:
        started = [
            (world, _start(path.resolve(), kind, world, number, Path(folder), tracks))
            for number, world in enumerate(WORLDS if kind in BLIND else WORLDS[:2], start=1)
        ]
        try:
            facts = {world: _facts(path, world, process, Path(folder)) for world, process in started}
        finally:
            for _, process in started:
                process.kill()
                process.communicate()
    return Probed(kind, path.stem, tracks, **facts)


def _start(
    path: Path, kind: str, world: str, number: int, folder: Path, tracks: Sequence[str]
) -> subprocess.Popen[str]:
    # A hash seed of its own each: what comes from the order of a set then differs.
    home = folder / ("altered" if world == "altered" else "home")  # whose files with rows are altered too
    env = {**os.environ, "COD_BENCH_HOME": str(home), "PYTHONHASHSEED": str(number), "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-m",
        "cod_bench.checks.probe",
        str(path),
        kind,
        world,
        str(folder / f"{world}.json"),
        *tracks,
    ]
    return subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def _facts(path: Path, world: str, process: subprocess.Popen[str], folder: Path) -> Facts:
    try:
        _, told = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        raise RunError(f"check {path}: took more than {LIMIT:.0f} s on the toy task; make it faster") from None
    written = folder / f"{world}.json"
    if process.returncode or not written.exists():
        last = told.strip().splitlines()[-1:] or ["no word"]
        raise RunError(f"check {path}: its process ended with code {process.returncode}: {last[0]}")
    facts: Facts = json.loads(written.read_text(encoding="utf-8"))
    return facts
