"""What a record says of where it was made: enough to pair runs, nothing about a person or a machine's name."""

from __future__ import annotations

import getpass
import json
import socket
from pathlib import Path

from cod_bench.device import instructions
from cod_bench.records.provenance import environment, provenance


def test_versions_and_device_class_are_told() -> None:
    facts = environment()
    assert {"device", "instructions", "torch", "transformers", "numpy"} <= set(facts)
    assert "unknown" not in {facts["torch"], facts["transformers"]}
    assert provenance()["environment"] == facts


def test_nothing_names_a_person_a_host_or_a_folder() -> None:
    text = json.dumps(provenance())
    assert str(Path.home()) not in text
    assert str(Path.cwd()) not in text
    for name in (socket.gethostname(), getpass.getuser()):
        assert len(name) < 4 or f'"{name}"' not in text


def test_the_widest_instructions_are_named(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("flags : sse avx2 avx512f")
    assert instructions(info) == "avx512f"
    assert instructions(tmp_path / "absent") == "unknown"
