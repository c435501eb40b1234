"""python -m cod_bench -> the command line."""

from __future__ import annotations

from cod_bench.cli import main

if __name__ == "__main__":
    main()
