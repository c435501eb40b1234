"""The Ray executor on a real cluster whose nodes have caches of their own; skipped where Ray is not installed."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from cod_bench import registry
from cod_bench.errors import UsageError
from cod_bench.executor import Job
from cod_bench.executors import _cluster
from cod_bench.store import unseal
from tests.records.test_merge import essentials

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install -c constraints.txt -e '.[test]'"
)
COMMAND = [sys.executable, "-m", "cod_bench", "run", "--suite", "toy", "--all"]
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0",
    # A busy machine answers late; only a process that is gone is dead.
    "RAY_gcs_server_request_timeout_seconds": "180", "RAY_worker_register_timeout_seconds": "240",
    "RAY_health_check_timeout_ms": "60000", "RAY_health_check_initial_delay_ms": "20000",
}  # fmt: skip
STORE = 80 * 2**20
"""Bytes of a node's object store, the least that Ray takes; teachers of the toy task have some hundred kilobytes."""
TEACHER = Job("teacher/toy/toy", {"stage": "teacher", "track": "toy", "task": "toy"})
RUNS = 48


class Nodes:
    """A cluster on this machine: a head without cores, and nodes with a cache folder each."""

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster

        self.folder, self.count = folder, 0
        self.common = {"object_store_memory": STORE, "include_dashboard": False}
        self.cluster: Any = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "env_vars": QUIET, **self.common}
        )

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self, **resources: float) -> Any:
        self.count += 1
        environment = {**QUIET, "COD_BENCH_HOME": str(self.home(self.count))}
        return self.cluster.add_node(**{"num_cpus": 1, **self.common, **resources}, env_vars=environment)

    def home(self, number: int) -> Path:
        return self.folder / f"node-{number}"


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    for name, value in QUIET.items():  # before the first import of Ray, which reads some of them then
        monkeypatch.setenv(name, value)
    # of this cluster alone, and short: paths of sockets have at most 107 characters
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as sockets:
        monkeypatch.setenv("RAY_TMPDIR", sockets)
        (Path(sockets) / "ray").mkdir()
        made = Nodes(tmp_path)
        yield made
        made.cluster.shutdown()


def started(folder: Path, address: str, *more: str) -> subprocess.Popen[str]:
    """A `run` by Ray with a cache folder that no node shares."""
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [*COMMAND, "--executor", "ray", "--address", address, *more], cwd=folder,
        env={**os.environ, **QUIET, "COD_BENCH_HOME": str(folder / "home")}, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip


def until(process: subprocess.Popen[str], *words: str) -> list[str]:
    """Read what it says until a line holds all the words."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if all(word in line for word in words):
            return said
    raise AssertionError("".join(said))


@contextmanager
def paused(home: Path) -> Iterator[None]:
    """Actors that have this cache folder stand still."""
    own = f"COD_BENCH_HOME={home}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            actor = (folder / "cmdline").read_bytes().startswith(b"ray::")
            if actor and own in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    assert found
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in found:
            os.kill(pid, signal.SIGCONT)


def teacher_of(home: Path) -> dict[str, Any]:
    """The files of the toy teacher in a cache folder: weights, and what is told of them but for the time they took."""
    found: dict[str, Any] = {}
    for path in home.glob("artifacts/teachers/*/toy-*/*"):
        content = path.read_bytes()
        if path.suffix == ".json":
            told = json.loads(unseal(content.decode(), path.parent.name))
            found[path.name] = {name: value for name, value in told.items() if name != "cost"}
        else:
            found[path.name] = content
    return found


def finish(process: subprocess.Popen[str]) -> str:
    _, said = process.communicate(timeout=280)
    assert process.returncode == 0, said
    return said


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the local executor makes of the toy suite."""
    folder = tmp_path_factory.mktemp("local")
    subprocess.run(
        COMMAND, cwd=folder, check=True, capture_output=True,
        env={**os.environ, **QUIET, "COD_BENCH_HOME": str(folder / "home")},
    )  # fmt: skip
    found = essentials(folder / "runs")
    assert len(found) == RUNS + 1
    return found


@needs_ray
@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_a_node_killed_in_the_middle_costs_nothing(nodes: Nodes, local: dict[str, str], tmp_path: Path) -> None:
    first, _ = nodes.add(), nodes.add()
    process = started(tmp_path / "run", nodes.address)
    until(process, "[6/48]")
    first.kill_raylet()  # at once and without a word, and its workers die with it
    said = finish(process)
    assert f"[{RUNS}/{RUNS}]" in said
    assert "FAILED" not in said
    assert essentials(tmp_path / "run" / "runs") == local
    # every cache folder has the very same teacher; the time that it took may differ where it was fitted once more,
    # since a busy machine lost the actor that had fitted it before it could say so
    teachers = [teacher_of(home) for home in (nodes.home(1), nodes.home(2), tmp_path / "run" / "home")]
    assert set(teachers[0]) == {"model.safetensors", "teacher.json"}
    assert teachers[0] == teachers[1] == teachers[2]


@needs_ray
@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_a_node_that_joins_late_takes_part(nodes: Nodes, local: dict[str, str], tmp_path: Path) -> None:
    process = started(tmp_path / "run", nodes.address)
    until(process, "suite toy on track toy")
    nodes.add()
    until(process, "[2/48]")
    nodes.add()
    with paused(nodes.home(1)):  # else the first could be through before the second has started
        deadline = time.monotonic() + 200
        while not list(nodes.home(2).glob("artifacts/teachers/*/toy-*/teacher.json")):
            assert time.monotonic() < deadline, "the second node had no part in it"
            time.sleep(0.1)
    finish(process)
    assert essentials(tmp_path / "run" / "runs") == local


@needs_ray
@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_a_driver_killed_and_started_again_goes_on(nodes: Nodes, local: dict[str, str], tmp_path: Path) -> None:
    nodes.add(), nodes.add()
    process = started(tmp_path / "run", nodes.address)
    until(process, "[5/48]")
    process.kill()
    process.wait()
    process = started(tmp_path / "run", nodes.address)
    said = "".join(until(process, "suite toy on track toy"))
    assert "48 runs: 0 done" not in said
    until(process, "/")
    process.send_signal(signal.SIGINT)  # and once more, politely
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.strip().splitlines()[-1] == "cod-bench: stopped; the same command goes on from here"
    assert "Traceback" not in said
    finish(started(tmp_path / "run", nodes.address))
    assert essentials(tmp_path / "run" / "runs") == local


@needs_ray
@pytest.mark.slow
@pytest.mark.alone
def test_actors_take_shares_of_gpus_and_dying_or_starving_ones_fail_their_job_alone(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray believes what it is told of GPUs; an actor with half of one sees which."""
    nodes.add(num_cpus=4, num_gpus=1)
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "here"))
    plugin = tmp_path / "deadly.py"
    plugin.write_text(
        "import os\nfrom cod_bench.baselines.kd import KD\n\n\nclass Deadly(KD):\n    name = 'deadly'\n\n"
        "    def loss(self, student, batch):\n        assert os.environ['CUDA_VISIBLE_DEVICES'] == '0'\n"
        "        os._exit(3)\n\n\nDISTILLER = Deadly\n"
    )
    (tmp_path / "hungry.py").write_text(
        "from pathlib import Path\n\nimport torch\nfrom cod_bench.baselines.kd import KD\n\n\nclass Hungry(KD):\n"
        f"    name, tries = 'hungry', Path({str(tmp_path / 'tries')!r})\n\n    def loss(self, student, batch):\n"
        "        with self.tries.open('a') as told:\n            told.write('x')\n"
        "        if self.tries.read_text() == 'x':\n            raise torch.cuda.OutOfMemoryError('no memory')\n"
        "        return super().loss(student, batch)\n\n\nDISTILLER = Hungry\n"
    )
    (tmp_path / "starving.py").write_text(
        "from cod_bench.baselines.kd import KD\n\n\nclass Starving(KD):\n    name = 'starving'\n\n"
        "    def loss(self, student, batch):\n        raise MemoryError('no memory')\n\n\nDISTILLER = Starving\n"
    )
    plugins = [str(plugin), str(tmp_path / "hungry.py"), str(tmp_path / "starving.py")]
    spec = {
        "protocol": "last", "track": "toy", "task": "toy", "method": "kd", "condition": "standard", "generator": "",
        "k": 8, "seed": 0,
    }  # fmt: skip
    jobs = [TEACHER]
    jobs += [
        Job(m, {"stage": "run", "spec": {**spec, "method": m}, "provenance": {}}, (TEACHER.key,))
        for m in ("deadly", "hungry", "starving", "kd", "lwd", "ted")
    ]
    execute = registry.load("executor", "ray")
    outcomes = list(execute(jobs, workers=0, plugins=plugins, address=nodes.address, gpus_per_run=0.5))
    assert {o.job.key: o.error for o in outcomes if o.error} == {
        "deadly": "its worker process died 3 times (out of memory?)",
        "starving": "MemoryError: no memory; this was its last try, alone on its node",
    }
    assert len(outcomes) == len(jobs)
    assert 1 <= max(outcome.workers for outcome in outcomes) <= 2


@needs_ray
@pytest.mark.slow
@pytest.mark.alone
def test_a_node_of_another_environment_is_left_out(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from cod_bench.errors import RunError
    from cod_bench.runner import away

    nodes.add()
    monkeypatch.setenv("COD_BENCH_HOME", str(tmp_path / "here"))
    here = {**away.credentials(), "instructions": "of another kind"}
    module = sys.modules[registry.load("executor", "ray").__module__]
    monkeypatch.setattr(away, "credentials", lambda: here)
    monkeypatch.setattr(module, "PATIENCE", 3.0)
    with pytest.raises(RunError, match="no node of the cluster can take a worker of 1 CPU; left out: instructions is"):
        list(registry.load("executor", "ray")([TEACHER], workers=0, address=nodes.address))
    assert "a node is left out: instructions is" in caplog.text


@needs_ray
@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("somewhere", "--address 'somewhere': write auto, local or HOST:PORT of the cluster's head"),
        ("ray://host:10001", "write auto, local or HOST:PORT of the cluster's head"),
        ("127.0.0.1:1", "--address 127.0.0.1:1: nothing answers there (Connection refused)"),
        ("127.0.0.1:99999", "nothing answers there"),
        ("auto", "--address auto: this machine is no node of a running Ray cluster"),
    ],
)
def test_an_address_without_a_cluster_is_one_sentence(
    address: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))  # whatever cluster this machine may be a node of
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    process = started(tmp_path / "run", address)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2, said
    assert sentence in said
    assert "Traceback" not in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_others_code_swallows_is_heard_all_the_same(number: signal.Signals) -> None:
    came: list[int] = []

    def end(number: int, _: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = {one: signal.signal(one, end) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        with _cluster.heard() as stop_if_asked:
            stop_if_asked()
            with suppress(KeyboardInterrupt):  # as a callback of Ray's does
                os.kill(os.getpid(), number)
                time.sleep(5)
            assert came == [number]
            with pytest.raises(KeyboardInterrupt):
                stop_if_asked()
        assert signal.getsignal(signal.SIGINT) is signal.getsignal(signal.SIGTERM) is end
    finally:
        for one, answer in before.items():
            signal.signal(one, answer)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        UsageError, match=r"--executor ray: needs the package ray; install it by `pip install .*\[ray\]'"
    ):
        registry.load("executor", "ray")([TEACHER], workers=1)


def test_options_of_another_executor_are_refused() -> None:
    from cod_bench.runner.run import choose_executor

    with pytest.raises(UsageError, match=r"--gpus-per-run 0\.5: executor 'local' has no such option; leave it out"):
        choose_executor("local", 0, {"gpus_per_run": 0.5})
    assert choose_executor("local", 3, {})[1] == 3
    assert choose_executor("ray", 0, {"address": "auto"})[1] == 0


@needs_ray
@pytest.mark.parametrize("share", [-0.5, 1.5])
def test_odd_shares_of_a_gpu_are_refused(share: float) -> None:
    with pytest.raises(UsageError, match="--gpus-per-run"):
        registry.load("executor", "ray")([TEACHER], workers=1, gpus_per_run=share)


@needs_ray
def test_nothing_to_do_starts_no_cluster() -> None:
    start = time.monotonic()
    assert list(registry.load("executor", "ray")([], workers=1)) == []
    assert time.monotonic() - start < 60
    import ray

    assert not ray.is_initialized()
