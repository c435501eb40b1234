"""Help as people read it: whole sentences, options in groups, examples to be copied."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.main import get_command

from cod_bench.cli import verbs
from cod_bench.cli.app import app
from tests.cli.test_app import call


@pytest.mark.parametrize("arguments", [["--help"], ["cfe", "--help"]], ids=" ".join)
def test_help_says_what_verbs_do_in_whole_sentences(arguments: list[str], tmp_path: Path) -> None:
    done = call(*arguments, cwd=tmp_path)
    assert done.returncode == 0
    assert "..." not in done.stdout.split("Options:")[1]


def test_the_help_of_run_is_grouped_and_its_examples_can_be_copied(tmp_path: Path) -> None:
    done = call("run", "--help", cwd=tmp_path, COLUMNS="70")
    titles = [line for line in done.stdout.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles == [*(f"{title}:" for title in verbs.GROUPS), "Others:", "Examples:"]
    examples = [line.strip() for line in done.stdout.split("Examples:")[1].splitlines() if line.strip()]
    assert all(line.startswith("cod-bench run ") for line in examples)
    assert len(examples) >= 4
    listed = {name for names in verbs.VERBS.values() for name in names}
    assert {command.name for command in get_command(app).commands.values()} - listed == set()


@pytest.mark.parametrize("after", [0.1, 0.3, 0.6])
def test_ctrl_c_while_it_is_still_being_imported_is_a_sentence(after: float, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('up', flush=True)\nfrom cod_bench.cli import main\nmain()", "list"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        time.sleep(after)
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
    # wherever it was met: before anything, at work, or done already
    assert process.returncode in (130, 0), told
    assert "Traceback" not in told
