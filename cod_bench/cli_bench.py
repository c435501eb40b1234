"""The verb that measures: parse, call one function a part, print. Added to the command line by cli.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cod_bench import bench
from cod_bench.errors import UsageError, unknown


def bench_(
    only: Annotated[str, typer.Option("--only", help="Only these parts, separated by commas; see --parts.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Fewer steps and rows: rougher figures.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Also write the figures as JSON here.")] = None,
    compare: Annotated[
        Path | None, typer.Option("--compare", help="An earlier file to set the figures against.")
    ] = None,
    parts: Annotated[bool, typer.Option("--parts", help="Name the parts and stop.")] = False,
) -> None:
    """How fast it is on this machine against the plain loop of benchmarks/, same weights, texts and steps."""
    from cod_bench import bench_parts

    if parts:
        for name, about in bench_parts.ABOUT.items():
            print(f"  {name:9} {about}")
        return
    chosen = [word.strip() for word in only.split(",") if word.strip()] or list(bench_parts.PARTS)
    for name in chosen:
        if name not in bench_parts.PARTS:
            raise unknown("--only", name, bench_parts.PARTS)
    before = None if compare is None else bench.read(compare)
    if out is not None and out.is_dir():
        raise UsageError(f"--out {out}: is a folder; name a file")
    print(bench.heading(bench.machine()))
    print("seconds of CPU (wall), ratios in CPU time (wall)\n")
    lines: list[bench.Line] = []
    for name in chosen:
        for line in bench_parts.PARTS[name](quick):
            lines.append(line)
            print(bench.row(line), flush=True)
    made = bench.report(lines, quick=quick)
    if before is not None:
        print("\n" + "\n".join(bench.comparison(made, before)))
    if out is not None:
        from cod_bench.store import write_atomic

        write_atomic(out, bench.to_json(made))
        print(f"\nwrote {out}")


bench_.__name__ = "bench"
VERBS = (bench_,)
