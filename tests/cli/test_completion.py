"""Completion as shells ask for it: the installed script, the protocol behind it, and a real bash that sources it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("cod-bench")
SCRIPTS = {"bash": (".bash_completions/cod-bench.sh", ".bashrc"), "zsh": (".zfunc/_cod-bench", ".zshrc")}
"""Shell -> where typer puts its script, and the file that a shell reads at its start; both under the home folder."""


def call(*command: str | Path, home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command, cwd=home, capture_output=True, text=True, timeout=60,
        env={**os.environ, "HOME": str(home), "PATH": path, **env},
    )  # fmt: skip


def ask(shell: str, words: str, home: Path) -> str:
    """What the installed script of a shell gets when it asks about the last of these words."""
    done = call(
        COMMAND, home=home, _COD_BENCH_COMPLETE=f"complete_{shell}", _TYPER_COMPLETE_ARGS=words, COMP_WORDS=words,
        COMP_CWORD=str(len(words.split()) - 1),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_is_installed_and_shown(shell: str, tmp_path: Path) -> None:
    # with this typer takes the shell's name instead of looking for the one that it is called from
    env = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = call(COMMAND, "--install-completion", shell, home=tmp_path, **env)
    assert done.returncode == 0, done.stderr
    script, start = (tmp_path / name for name in SCRIPTS[shell])
    assert f"_COD_BENCH_COMPLETE=complete_{shell}" in script.read_text()
    assert (str(script) if shell == "bash" else "fpath+=~/.zfunc") in start.read_text()
    shown = call(COMMAND, "--show-completion", shell, home=tmp_path, **env)
    assert (shown.returncode, shown.stdout.strip()) == (0, script.read_text().strip())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("cod-bench ru", "run"),
        ("cod-bench plan --prot", "--protocol"),
        ("cod-bench cfe insp", "inspect"),
        ("cod-bench run --suite embedded-f", "embedded-full"),
        ("cod-bench run --method kd,lw", "kd,lwd"),
        ("cod-bench plan --task sst", "sst2"),
        ("cod-bench plan --condition shuf", "shuffled"),
    ],
    ids=["verb", "option", "verb of a verb", "suite", "second method", "task", "condition"],
)
@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_protocol_offers_what_goes_on_from_a_word(shell: str, words: str, offered: str, tmp_path: Path) -> None:
    told = ask(shell, words, tmp_path)
    assert told.split() == [offered] if shell == "bash" else f'"{offered}"' in told


def test_a_module_that_is_called_completes_under_the_commands_name(tmp_path: Path) -> None:
    env = {"_COD_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": "cod-bench ru", "COMP_CWORD": "1"}
    assert call(sys.executable, "-m", "cod_bench", home=tmp_path, **env).stdout.split() == ["run"]


def test_a_real_bash_installs_the_script_and_completes_by_it(tmp_path: Path) -> None:
    done = call("bash", "-c", "cod-bench --install-completion; exit $?", home=tmp_path)
    assert done.returncode == 0, done.stderr
    script = """
    source ~/.bashrc
    complete -p cod-bench
    COMP_WORDS=(cod-bench ru); COMP_CWORD=1
    _cod_bench_completion cod-bench
    echo "${COMPREPLY[@]}"
    """
    done = call("bash", "--norc", "-c", script, home=tmp_path)
    assert done.stdout.splitlines() == ["complete -o default -F _cod_bench_completion cod-bench", "run"], done.stderr


def test_completing_imports_no_torch(tmp_path: Path) -> None:
    script = (
        "import atexit, sys\nfrom cod_bench.cli import main\n"
        "atexit.register(lambda: print({'torch', 'pandas'} & {*sys.modules}))\nmain()"
    )
    env = {"_COD_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": "cod-bench ru", "COMP_CWORD": "1"}
    done = call(sys.executable, "-c", script, home=tmp_path, **env)
    assert done.stdout.splitlines() == ["run", "set()"], done.stderr
