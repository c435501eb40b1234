"""A seed -> one trial: a real `run`, something done to it, the same command again -> what became of its records."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cod_bench.records.results import Results

PATIENCE = 300.0
"""Seconds after which a command that should have ended hangs."""
COMMAND = [sys.executable, "-m", "cod_bench", "run", "--workers", "2"]
TOY = ["--suite", "toy", "--method", "kd", "--condition", "standard,cod", "--k", "8", "--seed", "0,1"]
SMOKE = ["--suite", "smoke", "--all"]


@dataclass(slots=True)
class Trial:
    """One trial, and what became of it."""

    number: int
    fault: str
    executor: str
    suite: list[str]
    shards: int
    lost: int = 0
    """Records that were there undisturbed and are not there after the same command again."""
    doubled: int = 0
    """Runs with two records."""
    wrong: int = 0
    """Records that say another thing."""
    undetected: int = 0
    """Files that are not what was written and that nobody set aside or told."""
    told: list[str] = field(default_factory=list)
    """The commands' last lines, for whoever looks into a trial."""

    @property
    def sound(self) -> bool:
        """Whether nothing was lost, doubled, wrong or undetected."""
        return not (self.lost or self.doubled or self.wrong or self.undetected)


@dataclass(slots=True)
class Bench:
    """The folder of one trial."""

    folder: Path
    chance: random.Random
    spoilt: dict[Path, bytes] = field(default_factory=dict)
    """Files that were changed, and what they said then."""

    @property
    def home(self) -> Path:
        """Its cache folder."""
        return self.folder / "home"

    def results(self, shard: int) -> Path:
        """Its results folder, or that of a shard."""
        return self.folder / (f"shard{shard}" if shard else "runs")

    def start(self, trial: Trial, shard: int) -> subprocess.Popen[str]:
        """The command, as a process that leads a group of its own."""
        part = ["--shard", f"{shard}/{trial.shards}"] if shard else []
        how = [*trial.suite, "--results", str(self.results(shard)), "--executor", trial.executor, *part]
        own = {"COD_BENCH_HOME": str(self.home), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        return subprocess.Popen(
            [*COMMAND, *how], cwd=self.folder, env={**os.environ, **own}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and output; raises where it hangs."""
    try:
        said, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
        raise AssertionError(f"hangs: {said[-2000:]}") from None
    return process.returncode, said


def children(pid: int) -> list[int]:
    """The processes that a process has started, and theirs."""
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *children(int(child))]
    return found


def workers(pid: int) -> list[int]:
    """Those of them that are worker processes."""
    found = []
    for child in children(pid):
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{child}/cmdline").read_bytes()
            if b"spawn_main" in line or b"ray::" in line:
                found.append(child)
    return found


Fault = Callable[[Bench, subprocess.Popen[str], Path, float], None]
"""(bench, process, its results folder, seconds that a run takes undisturbed) -> done to it while it runs."""


def _wait(bench: Bench, process: subprocess.Popen[str], seconds: float) -> None:
    until = time.monotonic() + bench.chance.uniform(0.3, seconds)
    while time.monotonic() < until and process.poll() is None:
        time.sleep(0.05)


def _kill_workers(bench: Bench, process: subprocess.Popen[str], _: Path, seconds: float) -> None:
    for _turn in range(2):
        _wait(bench, process, seconds / 2)
        there = workers(process.pid)
        if there:
            with contextlib.suppress(ProcessLookupError):
                os.kill(bench.chance.choice(there), signal.SIGKILL)


def _signal(number: signal.Signals) -> Fault:
    def send(bench: Bench, process: subprocess.Popen[str], _: Path, seconds: float) -> None:
        _wait(bench, process, seconds)
        process.send_signal(number)

    return send


def _kill_group(bench: Bench, process: subprocess.Popen[str], _: Path, seconds: float) -> None:
    _wait(bench, process, seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _remove(what: str) -> Fault:
    def remove(bench: Bench, process: subprocess.Popen[str], results: Path, seconds: float) -> None:
        _wait(bench, process, seconds)
        shutil.rmtree(bench.home if what == "cache" else results, ignore_errors=True)

    return remove


def _replace(what: str) -> Fault:
    def replace(bench: Bench, process: subprocess.Popen[str], results: Path, seconds: float) -> None:
        _wait(bench, process, seconds)
        folder = bench.home if what == "cache" else results
        with contextlib.suppress(OSError):
            folder.rename(folder.with_name(f"{folder.name}.before"))
            folder.mkdir(exist_ok=True)

    return replace


def _full(_bench: Bench, _process: subprocess.Popen[str], _results: Path, _seconds: float) -> None:
    """The disk is small from the start; what is to be done is to wait."""


def _spoil(how: str) -> Fault:
    """Files are changed once the command has ended, or has been killed half-way."""

    def spoil(bench: Bench, process: subprocess.Popen[str], results: Path, seconds: float) -> None:
        if bench.chance.random() < 0.5:
            _wait(bench, process, seconds)
            os.killpg(process.pid, signal.SIGKILL)
        finish(process)
        there = [
            path for root in (results, bench.home) for path in sorted(root.rglob("*"))
            if path.is_file() and path.suffix in (".json", ".safetensors", ".index", "") and path.stat().st_size
        ]  # fmt: skip
        for path in bench.chance.sample(there, min(3, len(there))):
            before = path.read_bytes()
            SPOILERS[how](bench, path, there)
            if path.read_bytes() != before:
                bench.spoilt[path] = path.read_bytes()

    return spoil


def _torn(bench: Bench, path: Path, _: list[Path]) -> None:
    path.write_bytes(path.read_bytes()[: bench.chance.randrange(path.stat().st_size)])


def _turned(bench: Bench, path: Path, _: list[Path]) -> None:
    data = bytearray(path.read_bytes())
    data[bench.chance.randrange(len(data))] ^= 1 << bench.chance.randrange(8)
    path.write_bytes(data)


def _foreign(bench: Bench, path: Path, there: list[Path]) -> None:
    like = [other for other in there if other.suffix == path.suffix]
    path.write_bytes(bench.chance.choice(like).read_bytes())


def _later(bench: Bench, path: Path, there: list[Path]) -> None:
    del path
    for other in there:
        when = time.time() + bench.chance.choice((-1, 1)) * 10 * 365 * 86400
        os.utime(other, (when, when))


SPOILERS: dict[str, Callable[[Bench, Path, list[Path]], None]] = {
    "torn": _torn, "a turned bit": _turned, "another file's content": _foreign, "other times": _later,
}  # fmt: skip
FAULTS: dict[str, Fault] = {
    "workers killed": _kill_workers,
    "coordinator killed": _signal(signal.SIGKILL),
    "group killed": _kill_group,
    "SIGTERM": _signal(signal.SIGTERM),
    "Ctrl-C": _signal(signal.SIGINT),
    "disk of results full": _full,
    "disk of the cache full": _full,
    "results removed": _remove("results"),
    "cache removed": _remove("cache"),
    "results replaced": _replace("results"),
    "cache replaced": _replace("cache"),
    "files torn": _spoil("torn"),
    "bits turned": _spoil("a turned bit"),
    "foreign files": _spoil("another file's content"),
    "clock moved": _spoil("other times"),
}


def can_mount(folder: Path) -> bool:
    """Whether this process may mount a small disk."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode == 0:
        subprocess.run(["umount", str(folder)], check=False)
    return done.returncode == 0


@contextlib.contextmanager
def _small_disk(bench: Bench, trial: Trial) -> Iterator[Callable[[], None]]:
    """Gives what makes the disk large; nothing where the trial is of another fault."""
    if "full" not in trial.fault:
        yield lambda: None
        return
    folder = bench.home if "cache" in trial.fault else bench.results(1 if trial.shards else 0)
    folder.mkdir(parents=True)
    size = bench.chance.choice((4, 16, 48, 96, 160))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(folder)], check=True)
    try:
        yield lambda: subprocess.run(["mount", "-o", "remount,size=300m", str(folder)], check=True) and None
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def comparable(folder: Path) -> dict[str, dict[str, Any]]:
    """Every record by where it lies, without its cost and provenance."""
    records, _ = Results(folder).scan()
    return {Results.name(record.spec, record.run_id): record.comparable() for record in records}


def play(trial: Trial, folder: Path, whole: dict[str, dict[str, Any]], seconds: float) -> Trial:
    """Run, disturb, run again, look.

    Args:
        whole: the undisturbed records.
        seconds: that they took.
    """
    bench = Bench(folder, random.Random(f"chaos {trial.number}"))
    parts = list(range(1, trial.shards + 1)) or [0]
    with _small_disk(bench, trial) as enlarge:
        processes = {part: bench.start(trial, part) for part in parts}
        FAULTS[trial.fault](bench, processes[parts[0]], bench.results(parts[0]), seconds)
        for process in processes.values():
            if process.stdout is not None and not process.stdout.closed:
                trial.told.append(_last(finish(process)))
        enlarge()
        for part in parts:  # the same command again
            code, said = finish(bench.start(trial, part))
            trial.told.append(_last((code, said)))
            if code:
                trial.lost += 1
        trial.undetected += _unsaid(bench, trial.told[-len(parts) :])
        found: dict[str, dict[str, Any]] = {}
        for part in parts:
            own = comparable(bench.results(part))
            trial.doubled += len(own.keys() & found.keys()) + _twice(own)
            found |= own
            trial.undetected += _unsound(bench, bench.results(part))
    trial.lost += len(whole.keys() - found.keys())
    trial.wrong += sum(found[name] != whole[name] for name in whole.keys() & found.keys())
    trial.wrong += len(found.keys() - whole.keys())
    return trial


def _last(ended: tuple[int, str]) -> str:
    return f"[{ended[0]}] " + " | ".join(ended[1].strip().splitlines()[-6:])[-1200:]


def _twice(own: dict[str, dict[str, Any]]) -> int:
    """Runs of one spec that have two records."""
    specs = [str(sorted(record["spec"].items())) for record in own.values()]
    return len(specs) - len(set(specs))


def _unsaid(bench: Bench, told: list[str]) -> int:
    """Changed files that were made anew, or taken as they are, without a word."""
    found = 0
    for path, changed in bench.spoilt.items():
        if path.suffix not in (".json", ".safetensors") or "leaderboard" in path.parts or "failures" in path.parts:
            continue  # no run rests on it
        named = path.with_name("teacher.json") if path.suffix == ".safetensors" else path
        said = any(named.name in line for line in told) or any(path.parent.glob(f"{named.name}.aside*"))
        anew = path.exists() and path.read_bytes() != changed
        found += anew and not said
    return found


def _unsound(bench: Bench, results: Path) -> int:
    """What `doctor` finds wrong with the results after all; what lies unread in the cache is found when it is read."""
    own = {**os.environ, "COD_BENCH_HOME": str(bench.home)}
    done = subprocess.run(
        [sys.executable, "-m", "cod_bench", "doctor", "--results", str(results)], env=own, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    places = ("records", "failures", "index", "temporary files of results", "locks of results")
    told = [line.split(None, 1) for line in done.stdout.splitlines()]
    return sum(state == "wrong" and rest.startswith(places) for state, rest in told)


def table(trials: list[Trial]) -> str:
    """Fault by fault: trials and what became of them."""
    lines = ["| fault | trials | lost | doubled | wrong | undetected |", "|---|---|---|---|---|---|"]
    for fault in FAULTS:
        own = [trial for trial in trials if trial.fault == fault]
        if own:
            sums = [sum(getattr(t, name) for t in own) for name in ("lost", "doubled", "wrong", "undetected")]
            lines.append(f"| {fault} | {len(own)} | {' | '.join(map(str, sums))} |")
    return "\n".join(lines) + "\n"
