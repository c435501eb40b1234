"""The command line: parses, calls one function, prints. The only room that prints."""

from __future__ import annotations

from cod_bench.cli.app import main

__all__ = ["main"]
