"""constraints.txt -> constraints.hashes.txt: every pin with the sha256 of the files that CI installs.

`python .github/hashes.py` after a pin has changed; it needs pip 25 or later and the package index that pip knows.
Those of Linux x86-64 and the Pythons of tests.yml are told, wheels alone: what nobody installs is not let in.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS, HASHES = ROOT / "constraints.txt", ROOT / "constraints.hashes.txt"
PYTHONS = ("3.11", "3.13")
PLATFORMS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)),
    "manylinux2014_x86_64",
    "manylinux1_x86_64",
)
"""What the runners' glibc takes, the newest first."""
HEAD = """\
# The pins of constraints.txt with the sha256 of the wheels that CI installs (Linux x86-64, Python {pythons}):
# `pip install --require-hashes --no-deps -r constraints.hashes.txt`. Made by .github/hashes.py.
"""


def pins(text: str) -> list[str]:
    """The lines name==version."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def found(python: str, wanted: list[str]) -> dict[str, str]:
    """Pin -> sha256 of the wheel that pip would install for that Python; nothing is installed.

    `--isolated`, so that neither local wheels nor another index of whoever calls come into a committed file.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked, told = Path(folder, "pins.txt"), Path(folder, "report.json")
        asked.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        platforms = [word for name in PLATFORMS for word in ("--platform", name)]
        subprocess.run(
            [sys.executable, "-m", "pip", "--isolated", "install", "--quiet", "--dry-run", "--ignore-installed",
             "--no-deps", "--only-binary=:all:", "--implementation=cp", f"--python-version={python}", *platforms,
             "--report", str(told), "--requirement", str(asked)],
            check=True,
        )  # fmt: skip
        installs = json.loads(told.read_text(encoding="utf-8"))["install"]
    sums = {
        plain(one["metadata"]["name"]): one["download_info"]["archive_info"]["hashes"]["sha256"] for one in installs
    }
    return {pin: sums[plain(pin.split("==")[0])] for pin in wanted}


def plain(name: str) -> str:
    """A package's name as the index spells it."""
    return name.lower().replace("_", "-").replace(".", "-")


def main() -> None:
    """Write the file."""
    wanted = pins(PINS.read_text(encoding="utf-8"))
    tables = [found(python, wanted) for python in PYTHONS]
    lines = [
        " \\\n    ".join([pin, *(f"--hash=sha256:{value}" for value in sorted({table[pin] for table in tables}))])
        for pin in wanted
    ]
    HASHES.write_text(HEAD.format(pythons=" and ".join(PYTHONS)) + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
