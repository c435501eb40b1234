"""cod-bench: few-shot distillation of text classifiers with counterfactual explanations, measured honestly.

Every public name is found here; docs/python.md says what they do. Importing this package imports nothing else: neither
torch nor pandas, and none of its own modules before one of their names is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cod_bench.analysis.aggregate import Grid
    from cod_bench.api import gains, grid, load, plan, run, use
    from cod_bench.condition import Condition, Pair, Partnered, Row, TrainingSet
    from cod_bench.design.suite import Block, Suite
    from cod_bench.distiller import Batch, Distiller, Fitted, Material, Outputs, Setup
    from cod_bench.errors import RunError, UsageError
    from cod_bench.executor import Job, Outcome, Ready
    from cod_bench.generator import Answer, Generator, Oracle, Query
    from cod_bench.records.record import Record
    from cod_bench.reports.figures import axes as figures
    from cod_bench.spec import RunSpec, stream, stream_seed
    from cod_bench.task import Hub, RawRow, Task
    from cod_bench.track import Track
else:  # a function that type checkers would take for the promise of any name
    _MODULES = {
        "analysis.aggregate": ("Grid",),
        "api": ("gains", "grid", "load", "plan", "run", "use"),
        "condition": ("Condition", "Pair", "Partnered", "Row", "TrainingSet"),
        "design.suite": ("Block", "Suite"),
        "distiller": ("Batch", "Distiller", "Fitted", "Material", "Outputs", "Setup"),
        "errors": ("RunError", "UsageError"),
        "executor": ("Job", "Outcome", "Ready"),
        "generator": ("Answer", "Generator", "Oracle", "Query"),
        "records.record": ("Record",),
        "reports.figures.axes": (),  # a module by another name
        "spec": ("RunSpec", "stream", "stream_seed"),
        "task": ("Hub", "RawRow", "Task"),
        "track": ("Track",),
    }
    _CALLED = {"reports.figures.axes": "figures"}

    def __getattr__(name: str) -> object:
        """The public name, from its module when it is first asked for: plugins and rooms would meet in a circle."""
        from importlib import import_module

        for module, names in _MODULES.items():
            if name in names or name == _CALLED.get(module):
                found = import_module(f"{__name__}.{module}")
                value = getattr(found, name) if names else found
                globals()[name] = value
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return __all__


__all__ = [
    "Answer", "Batch", "Block", "Condition", "Distiller", "Fitted", "Generator", "Grid", "Hub", "Job", "Material",
    "Oracle", "Outcome", "Outputs", "Pair", "Partnered", "Query", "RawRow", "Ready", "Record", "Row", "RunError",
    "RunSpec", "Setup", "Suite", "Task", "Track", "TrainingSet", "UsageError", "__version__", "figures", "gains",
    "grid", "load", "plan", "run", "stream", "stream_seed", "use",
]  # fmt: skip
__version__ = "0.1.0"
