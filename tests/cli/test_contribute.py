"""The contributors' verbs: exit codes, one line a check, one sentence for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import ROOT
from tests.cli.test_app import call


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["new", "baseline", "two words"], "choose a name of small letters"),
        (["new", "baseline", "kd"], "there is one of that name already"),
        (["new", "methods", "mine"], "unknown kind 'methods': did you mean 'method'"),
        (["new", "baseline", "mine", "--out", "other.py"], "called as the plugin"),
        (["new", "baseline", "there", "--out", "there.py"], "is there already"),
        (["check", "nothing.py"], "no such file"),
        (["check", "."], "only a file that you name is run"),
        (["check", "there.py", "--base", "main"], "belongs to a folder of records"),
        (["reproduce", "--results", "nothing"], "--results 'nothing': is not there"),
        (["reproduce", "--sample", "2", "--results", "."], "choose a share above 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_users_mistake_is_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "there.py").write_text("raise SystemExit(5)\n")
    done = call(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "there.py").read_text() == "raise SystemExit(5)\n"


def test_what_is_no_plugin_fails_with_a_line(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text("x = 1\n")
    done = call("check", "odd.py", cwd=tmp_path)
    assert done.returncode == 1
    assert (
        "  FAILED  loads: odd.py: must export exactly one of TASK, DISTILLER, GENERATOR, CONDITION, execute"
        in done.stdout
    )


def test_the_published_records_are_checked_in_a_line_each(tmp_path: Path) -> None:
    done = call("check", str(ROOT / "results"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "  ok      metrics recompute" in done.stdout


def test_a_new_file_is_written_and_told(tmp_path: Path) -> None:
    done = call("new", "task", "remarks", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "wrote remarks.py; change it, then: cod-bench check remarks.py\n"
    assert "remarks" in call("list", "--plugin", "remarks.py", cwd=tmp_path).stdout
