"""Jobs -> outcomes on a Ray cluster: warm actors, one thread each, that do what the local executor's workers do.

The coordinator alone decides and writes: an actor gets one job at a time, whoever dies is replaced and its job done
again, nodes may join and leave. A node whose code or environment differs is left out: its records would not pair.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cod_bench import device
from cod_bench.errors import RunError, UsageError
from cod_bench.executor import ALONE, Clock, Job, Outcome, Ready, overdue
from cod_bench.executors import _cluster as cluster
from cod_bench.runner import away
from cod_bench.runner.worker import attempt, prepare_process, warm

log = logging.getLogger(__name__)

STRIKES = 1 + ALONE
"""A job in flight in so many dying actors of living nodes has failed: beside others, then alone on its node."""
LOOK = 1.0
"""Seconds between looks at which nodes there are."""
PATIENCE = 60.0
"""Seconds without a single actor after which a run is given up."""


def execute(
    jobs: Sequence[Job], *, workers: int, plugins: Sequence[str] = (), address: str = "local", gpus_per_run: float = 0.0
) -> Iterator[Outcome]:
    """Do every job once what it needs is done, the earliest ready one first; yields outcomes as they come.

    Args:
        workers: at most so many actors; 0 for as many as the cluster has cores (and shares of GPUs) for.
        address: `local` starts a cluster on this machine, `auto` finds the one that runs here, else HOST:PORT of the
            head of a cluster that this machine is a node of.
        gpus_per_run: share of a GPU that each actor takes.

    Raises:
        UsageError: Ray is not installed, or nothing usable answers at the address.
        RunError: no node can take a worker, or workers die again and again before they have done anything.
    """
    try:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # before the import; nothing is ever sent anywhere
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        with cluster.heard() as stop_if_asked:
            import ray
        stop_if_asked()
    except ImportError:
        raise UsageError(
            "--executor ray: needs the package ray; install it by `pip install -c constraints.txt -e '.[ray]'`"
        ) from None
    if not (gpus_per_run == 0 or 0 < gpus_per_run <= 1 or gpus_per_run == int(gpus_per_run) > 0):
        raise UsageError(f"--gpus-per-run {gpus_per_run:g}: give a share of a GPU such as 0.125, or a whole number")
    return _execute(ray, jobs, workers, plugins, address, gpus_per_run)


def _execute(
    ray: Any, jobs: Sequence[Job], workers: int, plugins: Sequence[str], address: str, gpus: float
) -> Iterator[Outcome]:
    if not jobs:
        return
    with cluster.heard() as stop_if_asked:
        with cluster.own_signals():
            cluster.connect(ray, address, workers)
        mark = away.leave_mark()
        most = min(workers or len(jobs), len(jobs))
        fleet = _Fleet(ray, jobs, most, gpus, mark.name, away.sources(plugins), away.credentials())
        try:
            stop_if_asked()
            for outcome in fleet.outcomes():
                stop_if_asked()
                yield outcome
        finally:
            mark.unlink(missing_ok=True)
            fleet.dismiss()
            ray.shutdown()


class Worker:
    """An actor: one process of one node, warm for all its jobs."""

    def hello(self, mark: str, on: str) -> tuple[dict[str, str], bool]:
        """Credentials, on a device of that name, and whether this node's cache folder is the coordinator's too."""
        os.environ[device.VARIABLE] = on
        return away.credentials(), away.sees(mark)

    def prepare(
        self, variables: Mapping[str, str], folder: str, plugins: Mapping[str, bytes], settings: away.Files
    ) -> None:
        """Become a worker as the local executor's are."""
        os.environ.update(variables)
        os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
        if Path(folder).is_dir():  # a lock file of hub tasks lies in the working folder
            os.chdir(folder)
        away.unpack(settings)
        prepare_process(away.place(plugins))
        warm()

    def receive(self, files: away.Files) -> None:
        """Put teachers and pools into this node's cache folder."""
        away.unpack(files)

    def do(self, job: Job, collect: bool) -> tuple[Outcome, dict[str, bytes]]:
        """Do a job; with `collect`, also give what it left in the cache folder."""
        outcome = attempt(job)
        return outcome, away.held(job.payload) if collect and not outcome.error else {}


@dataclass(slots=True, eq=False)
class _Seat:
    """An actor as the coordinator knows it: on a node, waiting for a call to end or idle."""

    actor: Any
    node: str
    state: str = "starting"
    """starting | preparing | idle | receiving | running"""
    call: Any = None
    job: Job | None = None
    keys: tuple[str, ...] = ()


@dataclass(slots=True)
class _Fleet:
    """All actors of a run, and what lies on which node."""

    ray: Any
    jobs: Sequence[Job]
    most: int
    gpus: float
    mark: str
    plugins: Mapping[str, bytes]
    here: Mapping[str, str]
    """Credentials that every node must have."""
    seats: list[_Seat] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    shares: set[str] = field(default_factory=set)
    """Nodes whose cache folder is the coordinator's."""
    placed: dict[str, set[str]] = field(default_factory=dict)
    """Node -> keys of jobs whose files it has."""
    strikes: dict[str, int] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)
    """Keys of jobs that ran out of memory once: they are done again where nothing else runs."""
    barren: int = 0
    """Actors that died since the last outcome."""
    looked: float = 0.0
    since: float = field(default_factory=time.monotonic)
    """When there was last an actor that had started."""
    known: dict[str, dict[str, float]] = field(default_factory=dict)
    """The nodes that the head told of last."""
    heard: float = field(default_factory=time.monotonic)
    """When that was."""
    clock: Clock = field(default_factory=Clock)

    def outcomes(self) -> Iterator[Outcome]:
        """Give every idle actor the earliest job it can do, take what comes, until all is done."""
        ready = Ready(self.jobs)
        payloads = {job.key: job.payload for job in self.jobs}
        while ready or any(seat.state == "running" for seat in self.seats):
            self._look(ready)
            for seat in [seat for seat in self.seats if seat.state == "idle"]:
                self._occupy(seat, ready, payloads)
            calls = {seat.call: seat for seat in self.seats if seat.call is not None}
            if not calls:
                time.sleep(LOOK / 10)
                continue
            for call in self.ray.wait(list(calls), timeout=LOOK)[0]:
                if calls[call] in self.seats:
                    for outcome in self._take(calls[call], ready):
                        working = sum(other.state not in ("starting", "preparing") for other in self.seats)
                        yield replace(outcome, workers=max(1, working))
            yield from self._expire(ready)  # what has ended is taken before

    def _expire(self, ready: Ready) -> Iterator[Outcome]:
        """End what hangs, with its actor."""
        running = {seat.job.key: seat for seat in self.seats if seat.job is not None}
        for job in self.clock.over(seat.job for seat in running.values() if seat.job is not None):
            self._drop(running[job.key])
            self.again.discard(job.key)
            yield from ready.settle(overdue(job))

    def dismiss(self) -> None:
        """End every actor at once: runs in flight leave nothing half-written behind."""
        for seat in list(self.seats):
            self._drop(seat)

    def _occupy(self, seat: _Seat, ready: Ready, payloads: Mapping[str, Mapping[str, Any]]) -> None:
        """A job for an idle actor; first the files that its node lacks, which one actor fetches for all of it."""
        coming = {key for other in self.seats if other.node == seat.node for key in other.keys}
        beside = {other.job.key for other in self.seats if other.node == seat.node and other.job is not None}
        if beside & self.again:  # which must be alone here
            return
        job = ready.take(lambda job: coming.isdisjoint(_wants(job)) and not (beside and job.key in self.again))
        if job is None:
            return
        there = self.placed.setdefault(seat.node, set())
        lacking = () if seat.node in self.shares else tuple(key for key in _wants(job) if key not in there)
        if lacking:
            ready.put_back(job)
            files = {name: data for key in lacking for name, data in away.held(payloads[key]).items()}
            seat.state, seat.keys = "receiving", lacking
            seat.call = seat.actor.receive.remote(self.ray.put(files))
            return
        seat.state, seat.job = "running", job
        self.clock.start(job)
        seat.call = seat.actor.do.remote(job, seat.node not in self.shares)

    def _take(self, seat: _Seat, ready: Ready) -> Iterator[Outcome]:
        """Go on with an actor whose call has ended."""
        try:
            value = self.ray.get(seat.call)
        except self.ray.exceptions.RayTaskError as error:
            raise _as_own(error, seat) from None
        except self.ray.exceptions.RayError as error:
            yield from self._lost(seat, ready, error)
            return
        state, job, keys = seat.state, seat.job, seat.keys
        seat.state, seat.call, seat.job, seat.keys = "idle", None, None, ()
        if state == "starting":
            self._admit(seat, *value)
        elif state == "receiving":
            self.placed[seat.node].update(keys)
        elif state == "running" and job is not None:
            outcome, files = value
            if outcome.starved and job.key not in self.again:
                log.warning("%s: %s; it is tried again alone", job.key, outcome.error)
                self.again.add(job.key)
                self._drop(seat)  # what it still holds goes with it
                ready.put_back(job)
                return
            if outcome.starved:
                outcome = replace(outcome, error=f"{outcome.error}; this was its last try, alone on its node")
            self.again.discard(job.key)
            away.unpack(files)
            if outcome.result is not None:
                self.placed[seat.node].add(job.key)
            self.barren = 0
            yield from ready.settle(outcome)

    def _admit(self, seat: _Seat, there: Mapping[str, str], shares: bool) -> None:
        reason = away.difference(self.here, there)
        if reason:
            self.refused[seat.node] = reason
            log.warning("a node is left out: %s", reason)
            for other in [other for other in self.seats if other.node == seat.node]:
                self._drop(other)
            return
        if shares:
            self.shares.add(seat.node)
        seat.state = "preparing"
        seat.call = seat.actor.prepare.remote(away.variables(), str(Path.cwd()), self.plugins, away.settings())

    def _lost(self, seat: _Seat, ready: Ready, error: Exception) -> Iterator[Outcome]:
        """An actor is gone: its job is done again, unless it has ended too many."""
        self._drop(seat)
        job = seat.job
        if seat.node not in self._nodes():  # nobody's strike
            if job is not None:
                ready.put_back(job)
            return
        self.barren += 1
        if self.barren > STRIKES + self.most:
            said = str(error).strip().splitlines()[-1:] or [type(error).__name__]
            raise RunError(f"Ray's actors died {self.barren} times before any job ({said[0]}); too little memory?")
        if job is None:
            return
        self.strikes[job.key] = self.strikes.get(job.key, 0) + 1
        if self.strikes[job.key] < STRIKES:
            self.again.add(job.key)  # whether it is the job's own fault shows where nothing is beside it
            ready.put_back(job)
        else:
            yield from ready.settle(Outcome(job, error=f"its worker process died {STRIKES} times (out of memory?)"))

    def _look(self, ready: Ready) -> None:
        """Now and then: forget nodes that are gone, fill those that are there."""
        now = time.monotonic()
        if now - self.looked < LOOK:
            return
        self.looked = now
        nodes = self._nodes()
        for seat in [seat for seat in self.seats if seat.node not in nodes]:
            self._drop(seat)
            if seat.job is not None:
                ready.put_back(seat.job)
        for node, resources in nodes.items():
            room = int(resources.get("CPU", 0.0) + 1e-6)
            if self.gpus:
                room = min(room, int(resources.get("GPU", 0.0) / self.gpus + 1e-6))
            room -= sum(seat.node == node for seat in self.seats)
            for _ in range(0 if node in self.refused else min(room, self.most - len(self.seats))):
                self._seat(node)
        if any(seat.state != "starting" for seat in self.seats):
            self.since = now
        if now - self.since > PATIENCE and not self.seats:
            share = f" and {self.gpus:g} GPU" if self.gpus else ""
            left_out = f"; left out: {', '.join(sorted(set(self.refused.values())))}" if self.refused else ""
            raise RunError(f"no node of the cluster can take a worker of 1 CPU{share}{left_out}; add nodes")
        if now - self.since > PATIENCE:
            self.since = now
            log.warning("waiting for the cluster: none of %s workers has started yet", len(self.seats))

    def _nodes(self) -> dict[str, dict[str, float]]:
        """Living node -> its resources; while a busy head does not answer, what it told last.

        Raises:
            RunError: it has not answered for PATIENCE seconds.
        """
        now = time.monotonic()
        try:
            self.known = {node["NodeID"]: node["Resources"] for node in self.ray.nodes() if node["Alive"]}
            self.heard = now
        except Exception as error:  # of RPC, of time or plain, as Ray thinks fit
            if now - self.heard > PATIENCE:
                raise RunError(
                    f"the head of the Ray cluster does not answer: {cluster.said(error)}; start it again"
                ) from error
            log.info("the head of the Ray cluster does not answer: %s", cluster.said(error))
        return self.known

    def _seat(self, node: str) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        strategy = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
        made = self.ray.remote(Worker).options(
            num_cpus=1, num_gpus=self.gpus, max_restarts=0, scheduling_strategy=strategy
        )
        seat = _Seat(made.remote(), node)
        seat.call = seat.actor.hello.remote(self.mark, device.name())
        self.seats.append(seat)

    def _drop(self, seat: _Seat) -> None:
        if seat in self.seats:
            self.seats.remove(seat)
            with suppress(self.ray.exceptions.RayError):  # gone by itself, or with its cluster
                self.ray.kill(seat.actor)


def _wants(job: Job) -> tuple[str, ...]:
    """Keys of the jobs whose files a job reads: those it needs and, where it may have been done before, its own."""
    return (*job.needs, job.key) if job.stage in ("teacher", "pool") else job.needs


def _as_own(error: Any, seat: _Seat) -> Exception:
    """What a worker raised outside any job, as the error it was."""
    cause = error.cause if isinstance(getattr(error, "cause", None), Exception) else error
    if isinstance(cause, (UsageError, RunError)):
        return cause
    return RunError(f"a Ray worker cannot be used while {seat.state}: {type(cause).__name__}: {cause}")
