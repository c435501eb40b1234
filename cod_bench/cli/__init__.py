"""The command line: parses, calls one function, prints. The only room that prints."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is still being imported is one sentence too."""
    try:
        from cod_bench.cli.app import main as run
    except KeyboardInterrupt:
        os.write(sys.stderr.fileno(), b"cod-bench: stopped; nothing was begun\n")
        sys.exit(130)
    run()


__all__ = ["main"]
