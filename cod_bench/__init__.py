"""cod-bench: few-shot distillation of text classifiers with counterfactual explanations, measured honestly.

Importing this package imports neither torch nor transformers.
"""

from __future__ import annotations

from cod_bench.design.suite import Suite
from cod_bench.errors import RunError, UsageError
from cod_bench.records.record import Record
from cod_bench.spec import RunSpec
from cod_bench.track import Track

__all__ = ["Record", "RunError", "RunSpec", "Suite", "Track", "UsageError", "__version__"]
__version__ = "0.1.0"
