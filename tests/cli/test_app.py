"""The command line as a user meets it: real processes, exit codes, one clear sentence for each mistake."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cod_bench.design import suites
from cod_bench.records.results import Results
from cod_bench.store import lock

COMMAND = [sys.executable, "-m", "cod_bench"]


def call(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, env={**os.environ, **env}, timeout=240
    )


def undigested(path: Path) -> str:
    """A record's text as one of an earlier version, whose change its digest does not tell."""
    return re.sub(r'"digest":"[0-9a-f]{64}",\n', "", path.read_text())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which kd on the toy suite is done."""
    folder = tmp_path_factory.mktemp("finished")
    done = call("run", "--suite", "toy", "--method", "kd", "--condition", "standard,cod", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run"], "name --all for every run of the suite, or a filter"),
        (["run", "--all", "--suite", "embeded"], "unknown suite 'embeded': did you mean 'embedded'"),
        (["run", "--suite", "toy", "--method", "kdd"], "unknown method 'kdd': did you mean 'kd'"),
        (["run", "--suite", "toy", "--k", "10"], "k=10: must be a multiple of 4"),
        (["run", "--suite", "toy", "--k", "eight"], "--k 'eight': write whole numbers"),
        (["run", "--suite", "toy", "--all", "--rerun", "fialed"], "unknown --rerun 'fialed': did you mean 'failed'"),
        (["run", "--suite", "toy", "--all", "--executor", "locl"], "unknown executor 'locl': did you mean 'local'"),
        (["run", "--suite", "toy", "--seed", "7"], "--seed 7: suite 'toy' has only 0, 1"),
        (["plan", "--suite", "toy", "--seed", "1-0"], "--seed '1-0': write whole numbers up to"),
        (["plan", "--suite", "toy", "--k", "0-9999999999"], "--k '0-9999999999': write whole numbers"),
        (["plan", "--suite", "toy", "--method", ""], "--method '': name at least one value or leave the option out"),
        (["plan", "--suite", "toy", "--k", "8,16"], "--k 16: suite 'toy' has only 8"),
        (["status", "--suite", "toy", "--results", "."], "--results '.': is not a folder of its own"),
        (["run", "--all", "--workers", "0"], "Invalid value for '--workers'"),
        (["plan", "--nonsense"], "No such option"),
        (["run", "--all", "--suite", "toy", "--track", "mine"], "made by --track mine --teacher MODEL --student MODEL"),
        (["leaderboard", "--results", "empty"], "--results 'empty': is not there; name a folder with records"),
        (["leaderboard", "--suite", "toy", "--results", "typo"], "--results 'typo': is not there"),
        (["leaderboard", "--results", "bare"], "has no records; run `cod-bench run --all` first"),
        (["site", "--results", "file", "--out", "x"], "--results 'file': is not a folder of its own"),
        (["export", "x.csv", "--results", "typo"], "--results 'typo': is not there"),
        (
            ["plan", "--k", "99999999999999999999"],
            "--k '99999999999999999999': write whole numbers up to 1,000,000,000",
        ),
        (["cfe", "inspect", "--task", "zz"], "unknown task 'zz': choose from"),
        (["cfe", "compare", "--task", "toy", "--generator", "zz"], "unknown generator 'zz': choose from"),
        (["list", "--plugin", "nothing.py"], "no such file"),
        (["run", "--suite", "toy", "--all", "--shard", "4/3"], "--shard '4/3': write i/n with whole numbers"),
        (["status", "--suite", "toy", "--shard", "x"], "--shard 'x': write i/n with whole numbers"),
        (["merge", "nowhere"], "nowhere: no such folder; name the --results folders of the shards"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_users_mistake_is_one_sentence_and_exit_code_2(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "bare").mkdir()
    done = call(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_running_again_does_nothing_and_the_leaderboard_is_current(finished: Path) -> None:
    before = {path: path.read_bytes() for path in (finished / "runs").rglob("*") if path.is_file()}
    done = call("run", "--suite", "toy", "--method", "kd", "--condition", "standard,cod", cwd=finished)
    assert done.returncode == 0
    assert "4 done, 0 missing" in done.stderr
    assert "nothing to run" in done.stderr
    after = {path: path.read_bytes() for path in (finished / "runs").rglob("*") if path.is_file()}
    assert {p: b for p, b in after.items() if p.suffix != ".svg"} == {
        p: b for p, b in before.items() if p.suffix != ".svg"
    }
    assert call("leaderboard", "--check", cwd=finished).returncode == 0


def test_a_part_of_a_suite_is_told_as_what_was_asked_for(finished: Path) -> None:
    done = call("run", "--suite", "toy", "--method", "kd", "--condition", "standard,cod", "--seed", "0", cwd=finished)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "what was asked for, accuracy in %, means alone (the whole suite has 48 runs)" in lines[0]
    assert [line.split(":")[1] for line in lines[1:]] == [" kd standard, k = 8", " kd cod, k = 8"]
    assert "cod - standard " in lines[2]
    assert "(n = 1 pair)" in lines[2]


def test_a_stale_table_and_a_missing_figure_fail_the_check(finished: Path, tmp_path: Path) -> None:
    assert call("leaderboard", "--out", str(tmp_path), cwd=finished).returncode == 0
    (tmp_path / "toy" / "cells.csv").write_text("old\n")
    figure = next((tmp_path / "toy").glob("*.svg"))
    figure.unlink()
    done = call("leaderboard", "--check", "--out", str(tmp_path), cwd=finished)
    assert done.returncode == 1
    assert "toy/cells.csv: stale" in done.stdout
    assert f"toy/{figure.name}: missing" in done.stdout


def test_plan_and_status_say_what_is_there(finished: Path) -> None:
    planned = call("plan", "--suite", "toy", "--runs", cwd=finished)
    assert f"48 runs: 4 done, 44 missing, 0 failed in {finished / 'runs'}; about 1 min with" in planned.stdout
    assert planned.stdout.count("\n  done ") == 4
    status = call("status", "--suite", "toy", "--method", "kd", cwd=finished)
    assert "cod              2 done" in status.stdout
    assert "random           2 missing" in status.stdout


def test_a_partial_grid_makes_no_claim(finished: Path) -> None:
    text = (finished / "runs" / "leaderboard" / "toy" / "README.md").read_text()
    assert "PARTIAL" in text.upper()
    assert "p =" not in text


def test_records_of_another_teacher_are_refused_until_told_to_replace_them(finished: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(finished / "runs", tmp_path / "runs")
    results = Results(tmp_path / "runs")
    for path in results.record_paths():
        value = json.loads(path.read_text())
        path.write_text(undigested(path).replace(value["teacher_hash"], "0" * 12))
    arguments = ["run", "--suite", "toy", "--method", "kd", "--condition", "standard,cod,half"]
    refused = call(*arguments, cwd=tmp_path)
    assert refused.returncode == 2, refused.stderr
    assert "holds records of toy on toy by teacher 000000000000" in refused.stderr
    assert "--rerun mismatched" in refused.stderr
    replaced = call(*arguments, "--rerun", "mismatched", cwd=tmp_path)
    assert replaced.returncode == 0, replaced.stderr
    assert "6 runs done" in replaced.stderr
    assert {json.loads(p.read_text())["teacher_hash"] for p in results.record_paths()} != {"0" * 12}


def test_a_submitted_method_runs_without_touching_the_core_and_has_tables_of_its_own(tmp_path: Path) -> None:
    plugin = tmp_path / "half_kl.py"
    plugin.write_text(
        "from cod_bench.baselines.kd import KD\n\n\nclass HalfKL(KD):\n    name = 'half_kl'\n\n    @classmethod\n"
        "    def hparams(cls, track, k):\n        return {**super().hparams(track, k), 'kl_weight': 10.0}\n\n\n"
        "DISTILLER = HalfKL\n"
    )
    arguments = ["--suite", "toy", "--method", "half_kl", "--condition", "standard,cod", "--plugin", str(plugin)]
    done = call("run", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "4 runs done" in done.stderr
    assert "half_kl" in (tmp_path / "runs" / "leaderboard" / "toy+half_kl" / "README.md").read_text()
    later = call("run", "--suite", "toy", "--method", "kd", "--condition", "standard", cwd=tmp_path)
    assert later.returncode == 0, later.stderr
    assert "records of method 'half_kl' are left out of the tables" in later.stderr
    mixed = call("run", "--suite", "toy", "--method", "kd,half_kl", "--plugin", str(plugin), cwd=tmp_path)
    assert mixed.returncode == 0, mixed.stderr
    assert "suite toy on track toy: 12 runs: 2 done, 10 missing" in mixed.stderr
    assert "suite toy+half_kl on track toy: 12 runs: 4 done, 8 missing" in mixed.stderr
    told = [line for line in mixed.stdout.splitlines() if line.startswith("this folder: ")]
    assert sum("cod - standard" in line for line in told) == 2
    assert not any(re.search(r": (lwd|ted|finetune): ", line) for line in told)  # nobody asked
    side = call("compare", "half_kl", "kd", "--suite", "toy", "--plugin", str(plugin), cwd=tmp_path)
    assert side.returncode == 0, side.stderr
    assert "half_kl cod - kd cod: " in side.stdout
    assert "n = 2 units, k = 8" in side.stdout
    assert "[" not in side.stdout  # two units have no interval


def test_a_failing_method_is_recorded_told_and_retried(tmp_path: Path) -> None:
    plugin = tmp_path / "broken.py"
    working = (
        "from cod_bench.baselines.kd import KD\n\n\nclass Broken(KD):\n    name = 'broken'\n\n"
        "    def loss(self, student, batch):\n        {}\n\n\nDISTILLER = Broken\n"
    )
    plugin.write_text(working.format("raise ArithmeticError('no such luck')"))
    arguments = ["--suite", "toy", "--method", "broken", "--condition", "standard", "--plugin", str(plugin)]
    failed = call("run", *arguments, cwd=tmp_path)
    assert failed.returncode == 1, failed.stderr
    assert "FAILED toy broken standard k=8 seed=0: ArithmeticError: no such luck" in failed.stderr
    assert "ArithmeticError: no such luck" in call("status", *arguments, cwd=tmp_path).stdout
    kept = next((tmp_path / "runs" / "failures").rglob("*.json"))
    told = json.loads(kept.read_text())
    assert told["reason"] == "ArithmeticError: no such luck"
    assert "--rerun failed" in told["retry"]
    assert "half" not in told["retry"]
    plugin.write_text(working.format("return super().loss(student, batch)"))
    assert "nothing to run" in call("run", *arguments, cwd=tmp_path).stderr
    again = call("run", *arguments, "--rerun", "failed", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert not list((tmp_path / "runs" / "failures").rglob("*.json"))


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("raise RuntimeError('boom')", "cannot be imported: RuntimeError: boom"),
        ("import sys\nsys.exit(5)", "cannot be imported: SystemExit: 5"),
        ("def (", "cannot be imported: SyntaxError"),
        ("DISTILLER = 3", "DISTILLER.name is None but must be the file's name 'odd'"),
        (
            "from cod_bench.baselines.kd import KD\nclass DISTILLER(KD): name, hparams = 'odd', lambda *_: 1 / 0",
            "method 'odd': its hparams(track, k) raised ZeroDivisionError",
        ),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_a_sentence(source: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(source)
    done = call("plan", "--suite", "toy", "--method", "odd", "--plugin", "odd.py", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_reference_file_comes_back_with_the_next_run(finished: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(finished / "runs", tmp_path / "runs")
    shutil.rmtree(tmp_path / "runs" / "_reference")
    arguments = ["--suite", "toy", "--method", "kd", "--condition", "standard,cod"]
    assert "copy the _reference folder along" in call("leaderboard", cwd=tmp_path).stderr
    assert call("run", *arguments, cwd=tmp_path).returncode == 0
    assert call("leaderboard", "--check", cwd=tmp_path).returncode == 0


def test_records_of_other_rows_are_replaced_when_told_to(finished: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(finished / "runs", tmp_path / "runs")
    path = Results(tmp_path / "runs").record_paths()[0]
    value = json.loads(path.read_text())
    path.write_text(undigested(path).replace(f'"train_hash":"{value["train_hash"]}"', f'"train_hash":"{"0" * 12}"'))
    arguments = ["--suite", "toy", "--method", "kd", "--condition", "standard,cod"]
    assert "train_hash differs" in call("run", *arguments, cwd=tmp_path).stderr
    done = call("run", *arguments, "--rerun", "mismatched", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 runs done" in done.stderr


def test_an_unwritable_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = call("run", "--suite", "toy", "--all", "--results", "file/runs", cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr


def test_two_runs_in_one_folder_do_not_meet(tmp_path: Path) -> None:
    with lock(Results(tmp_path / "runs").lock_path(), timeout=0):
        done = call("run", "--suite", "toy", "--all", cwd=tmp_path)
    assert done.returncode == 2
    assert "another `cod-bench run` is at work there" in done.stderr


def test_without_an_index_or_wheels_the_way_out_is_named(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    done = call(
        "run", "--suite", "smoke", "--all", cwd=tmp_path,
        COD_BENCH_HOME=str(tmp_path / "home"), COD_BENCH_WHEELS=str(tmp_path / "wheels"),
    )  # fmt: skip
    assert done.returncode == 1
    assert "COD_BENCH_WHEELS" in done.stderr
    status = call("status", "--suite", "smoke", cwd=tmp_path)
    assert "4 missing, 0 failed" in status.stdout  # what could not be fetched is tried again by the same command


@pytest.mark.slow
def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(tmp_path: Path) -> None:
    # a test runner in the background passes an ignored SIGINT on; a terminal does not
    script = (
        "import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from cod_bench.cli import main\nsys.argv = ['cod-bench', 'run', '--suite', 'toy', '--all']\nmain()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "standard" in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    told = process.stderr.read()
    assert process.wait(timeout=60) == 130
    assert "stopped; the same command goes on from here" in told
    assert "Traceback" not in told
    time.sleep(2)
    assert not _children(process.pid)
    done = call("run", "--suite", "toy", "--all", cwd=tmp_path)
    assert done.returncode == 0
    assert "0 missing" in call("plan", "--suite", "toy", cwd=tmp_path).stdout


@pytest.mark.slow
def test_a_polite_kill_is_ctrl_c_with_its_own_exit_code(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "run", "--suite", "toy", "--all"], cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "standard" in line:
            break
    assert said[1].startswith("steps: teachers 0/1, blocks of counterfactuals 0/2, runs 0/48; what is in the cache")
    process.terminate()
    told = process.stderr.read()
    assert process.wait(timeout=60) == 143
    assert told.splitlines()[-1] == "cod-bench: stopped; the same command goes on from here"
    assert "semaphore" not in told
    assert "Traceback" not in told


def _children(group: int) -> list[Any]:
    """Processes of a process group that are still alive."""
    alive = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            alive.append(stat)
    return alive


@pytest.mark.parametrize("closed", [1, 2])
def test_a_closed_output_is_no_traceback(closed: int) -> None:
    process = subprocess.Popen(
        ["/bin/sh", "-c", f'exec "$@" {closed}>&-', "sh", *COMMAND, "list"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (0, "")
    assert bool(said) == (closed == 2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_under_the_output_is_a_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cod_bench", "list"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr == "cod-bench: cannot write: No space left on device; make room, then run again\n"


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cod_bench", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait() == 1


@pytest.mark.parametrize("suite", sorted(suites.SUITES))
def test_every_suite_can_be_planned_without_data_and_weights(suite: str, tmp_path: Path) -> None:
    done = call("plan", "--suite", suite, cwd=tmp_path, COD_BENCH_HOME=str(tmp_path / "home"), COD_BENCH_DATA="")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"suite {suite} on track ")


def test_a_rate_for_the_papers_models_is_searched_on_the_papers_tasks(tmp_path: Path) -> None:
    named = ("recipe", "--track", "deberta-small+paper-c4", "--method", "kd")
    done = call(*named, cwd=tmp_path, COD_BENCH_HOME=str(tmp_path / "home"), COD_BENCH_DATA="", HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert "hub model 'microsoft/deberta-v3-base' cannot be had" in done.stderr


def test_a_missing_key_is_told_before_any_teacher_is_trained(tmp_path: Path) -> None:
    named = ("cfe", "generate", "--generator", "llm", "--suite", "toy", "--budget", "5usd")
    done = call(*named, cwd=tmp_path, COD_BENCH_HOME=str(tmp_path / "home"), OPENAI_API_KEY="")
    assert done.returncode == 2
    assert "cod-bench: OPENAI_API_KEY is empty" in done.stderr
    assert not list((tmp_path / "home").rglob("teacher.json"))
