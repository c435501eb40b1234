"""The plain loop, which every ratio is measured against and every equality is held to, and what pytest-benchmark times.

`plain.py` is the loop; `cod-bench bench` measures it beside the package's own; `test_*.py` are pytest-benchmark cases.
"""

from __future__ import annotations
