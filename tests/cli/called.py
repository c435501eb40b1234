"""The command line within this process: what a verb printed, its exit code, and that it started no work."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from cod_bench import registry
from cod_bench.cli.app import main


@dataclass(frozen=True)
class Called:
    """What a call of the command line came to."""

    code: int
    out: str
    err: str


class Caller:
    """Calls verbs in a folder; whatever one settles for its process is undone after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        monkeypatch.chdir(folder)
        monkeypatch.setenv("COD_BENCH_HOME", str(folder / "home"))
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def __call__(self, *arguments: str) -> Called:
        before = dict(os.environ)
        self._monkeypatch.setattr(sys, "argv", ["cod-bench", *arguments])
        self._monkeypatch.setattr(registry, "_plugin_files", {})
        self._capsys.readouterr()
        try:
            with pytest.raises(SystemExit) as end:
                main()
        finally:
            os.environ.clear()
            os.environ.update(before)
        told = self._capsys.readouterr()
        return Called(int(end.value.code or 0), told.out, told.err)
