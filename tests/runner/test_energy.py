"""Energy: nothing unless it is asked for, a sentence where the extra is missing, and estimates without a network."""

from __future__ import annotations

import socket
import sys
import time
from typing import Any

import pytest

from cod_bench.errors import UsageError
from cod_bench.records.record import record_from_json, to_json
from cod_bench.runner import energy, work
from cod_bench.spec import RunSpec

SPEC = RunSpec("last", "toy", "toy", "kd", "standard", "", 8, 0)
KEYS = {"cpu_kwh", "gpu_kwh", "ram_kwh", "kwh"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("codecarbon", reason="the extra `energy` is not installed")
    monkeypatch.setenv(energy.VARIABLE, "")  # put back afterwards

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("something asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    energy.ask()


def test_nothing_is_estimated_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(energy.VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "codecarbon", None)  # importing it would raise
    with energy.meter() as kwh:
        pass
    assert kwh == {}
    assert not KEYS & set(work.run_one(SPEC, {}).cost)


def test_asking_without_the_extra_is_a_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match="--energy: codecarbon is not installed; pip install"):
        energy.ask()
    monkeypatch.setenv(energy.VARIABLE, "1")
    with pytest.raises(UsageError, match="not installed"), energy.meter():
        pass


@pytest.mark.usefixtures("asked")
def test_parts_add_up_and_more_work_takes_more() -> None:
    found = []
    for seconds in (0.2, 1.2):
        with energy.meter() as kwh:
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                pass
        assert kwh["kwh"] == pytest.approx(sum(kwh[f"{part}_kwh"] for part in energy.PARTS), abs=2e-9)
        assert kwh["maker"].startswith("codecarbon ")
        found.append(kwh["kwh"])
    assert 0 < found[0] < found[1] < 1e-3


@pytest.mark.usefixtures("asked")
def test_a_run_tells_its_estimate_and_is_the_same_run(monkeypatch: pytest.MonkeyPatch) -> None:
    record = record_from_json(to_json(work.run_one(SPEC, {"host": "x"})))
    assert set(record.cost) >= KEYS
    assert record.cost["kwh"] > 0
    assert record.provenance["energy"].endswith(": estimate")
    assert record.provenance["host"] == "x"
    monkeypatch.delenv(energy.VARIABLE)
    plain = work.run_one(SPEC, {"host": "x"})
    assert plain.comparable() == record.comparable()
    assert "energy" not in plain.provenance


@pytest.mark.usefixtures("asked")
def test_what_goes_wrong_inside_is_raised_and_the_tracker_stops() -> None:
    with pytest.raises(ZeroDivisionError), energy.meter():
        _ = 1 / 0
    with energy.meter() as kwh:
        pass
    assert kwh["kwh"] >= 0
