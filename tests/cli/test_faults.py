"""What goes wrong in a `run` from the command line: what fails, what is interrupted, what stays missing."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from cod_bench.records.record import record_from_json
from cod_bench.records.results import Results
from tests.cli.test_app import call, finished  # noqa: F401 - a fixture


def test_a_corrupt_record_is_told_kept_aside_and_made_again(finished: Path, tmp_path: Path) -> None:  # noqa: F811
    import shutil

    shutil.copytree(finished / "runs", tmp_path / "runs")
    path = Results(tmp_path / "runs").record_paths()[0]
    whole = path.read_text()
    path.write_text(whole[:50])
    assert f"corrupt: {path}" in call("status", "--suite", "toy", cwd=tmp_path).stdout
    done = call("run", "--suite", "toy", "--method", "kd", "--condition", "standard,cod", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"record {path}: not JSON" in done.stderr
    assert f"set aside as {path.name}.aside and made again" in done.stderr
    assert path.with_name(f"{path.name}.aside").read_text() == whole[:50]
    assert record_from_json(path.read_text()).comparable() == record_from_json(whole).comparable()


def test_a_plan_that_holds_failures_is_not_done(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text(
        "from cod_bench.baselines.kd import KD\n\n\nclass Broken(KD):\n    name = 'broken'\n\n"
        "    def loss(self, student, batch):\n        raise SystemExit(0)\n\n\nDISTILLER = Broken\n"
    )
    one = ("--suite", "toy", "--method", "broken", "--condition", "standard", "--k", "8", "--seed", "0")
    first = call("run", *one, "--plugin", str(path), cwd=tmp_path)
    assert first.returncode == 1
    assert "FAILED toy broken standard k=8 seed=0: SystemExit: 0" in first.stderr
    again = call("run", *one, "--plugin", str(path), cwd=tmp_path)
    assert again.returncode == 1
    assert "0 runs done, 0 failed, 1 had failed before" in again.stderr
    (line,) = (line for line in again.stderr.splitlines() if line.startswith("why: "))
    named = line.removeprefix("why: cod-bench ").partition("; again: ")[0]
    told = call(*shlex.split(named), cwd=tmp_path).stdout
    assert "failed: toy broken standard k=8 seed=0: SystemExit: 0" in told


def test_a_full_disk_ends_the_command_and_fails_nothing(tmp_path: Path) -> None:
    path = tmp_path / "crowded.py"
    path.write_text(
        "from cod_bench.baselines.kd import KD\n\n\nclass Crowded(KD):\n    name = 'crowded'\n\n"
        "    def loss(self, student, batch):\n        raise OSError(28, 'No space left on device')\n\n\n"
        "DISTILLER = Crowded\n"
    )
    one = ("--suite", "toy", "--method", "crowded", "--condition", "standard", "--k", "8", "--seed", "0")
    done = call("run", *one, "--plugin", str(path), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "cod-bench: OSError: [Errno 28] No space left on device; the same command goes on from here"
    )
    assert not list((tmp_path / "runs" / "failures").rglob("*.json"))


def test_a_run_that_hangs_is_ended_told_and_failed(tmp_path: Path) -> None:
    path = tmp_path / "hangs.py"
    path.write_text(
        "import time\nfrom cod_bench.baselines.kd import KD\n\n\nclass Hangs(KD):\n    name = 'hangs'\n\n"
        "    def loss(self, student, batch):\n        time.sleep(3600)\n\n\nDISTILLER = Hangs\n"
    )
    one = ("--suite", "toy", "--method", "hangs", "--condition", "standard", "--k", "8", "--seed", "0")
    done = call("run", *one, "--plugin", str(path), "--timeout", "4", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert re.search(r"still at work after \d s; it is ended after 4 s", done.stderr)
    assert "FAILED toy hangs standard k=8 seed=0: did not end within 4 s and was ended" in done.stderr
    (failure,) = (tmp_path / "runs" / "failures").rglob("*.json")
    assert "name more by --timeout SECONDS" in json.loads(failure.read_text())["reason"]


def test_counterfactuals_that_are_not_had_leave_their_runs_missing(tmp_path: Path) -> None:
    path = tmp_path / "boom.py"
    path.write_text(
        "from cod_bench.generators.substitution import GENERATOR as LIKE\n\n\nclass Boom(type(LIKE)):\n"
        "    name = 'boom'\n\n    def prepare(self, train, oracle):\n        raise ArithmeticError('no such luck')\n"
        "\n\nGENERATOR = Boom()\n"
    )
    some = ("--suite", "toy", "--method", "kd", "--k", "8", "--seed", "0", "--condition", "standard,cod")
    done = call("run", *some, "--generator", "boom", "--plugin", str(path), cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "FAILED toy pool seed=0 slots 0-4: ArithmeticError: no such luck" in done.stderr
    assert "not tried toy kd cod k=8 seed=0: ArithmeticError: no such luck" in done.stderr
    assert "1 runs done, 0 failed, 1 not tried since what they need was not had" in done.stderr
    assert not list((tmp_path / "runs" / "failures").rglob("*.json"))
    told = call("plan", *some, "--generator", "boom", "--plugin", str(path), cwd=tmp_path).stdout
    assert "1 done, 1 missing, 0 failed" in told
