"""A training -> kWh as codecarbon's offline tracker estimates them; nothing unless it is asked to. No network.

Off unless `run --energy` asks for it, and then the extra `energy` must be installed. The tracker looks at one process:
the CPU part is the share of the processor's rated power that the process uses (or what the machine's counters say of it
all), the RAM part never under 10 W, so that workers side by side count it each. Estimates, therefore, and never a
measurement.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from cod_bench.errors import RunError, UsageError

VARIABLE = "COD_BENCH_ENERGY"
"""Set while estimates are asked for; worker processes inherit it."""
PARTS = ("cpu", "gpu", "ram")
INTERVAL = 5.0
"""Seconds between the tracker's looks at the process."""


def ask() -> None:
    """Have every training of this process, and of the workers it starts, estimate its energy.

    Raises:
        UsageError: the extra is not installed.
    """
    if find_spec("codecarbon") is None:
        raise UsageError("--energy: codecarbon is not installed; pip install 'cod-bench[energy]' or leave it out")
    os.environ[VARIABLE] = "1"


@contextmanager
def meter() -> Iterator[dict[str, Any]]:
    """Filled at its end with `kwh` and its parts `cpu_kwh`, `gpu_kwh`, `ram_kwh`, and `maker`; empty if not asked for.

    Raises:
        UsageError: asked for by the variable alone, and the extra is not installed.
        RunError: the tracker could not start.
    """
    found: dict[str, Any] = {}
    if not os.environ.get(VARIABLE):
        yield found
        return
    ask()
    tracker = _started()
    try:
        yield found
    finally:
        tracker.stop()
    told = tracker.final_emissions_data
    found |= {f"{part}_kwh": round(float(getattr(told, f"{part}_energy")), 9) for part in PARTS}
    found["kwh"] = round(float(told.energy_consumed), 9)
    found["maker"] = f"codecarbon {told.codecarbon_version}: estimate"


def _started() -> Any:
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(
        country_iso_code="USA",  # tells how much CO2 a kWh is, which nothing here reads
        tracking_mode="process", measure_power_secs=INTERVAL, log_level="critical",
        # whatever a user's own settings say: no file, no service, no lock that a second worker would wait for
        output_methods=[], emissions_endpoint=None, allow_multiple_runs=True,
    )  # fmt: skip
    tracker.start()
    if getattr(tracker, "_start_time", None) is None:  # its own errors are only logged
        raise RunError("--energy: codecarbon's tracker did not start; run without --energy")
    return tracker
