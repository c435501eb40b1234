"""Tasks of the benchmark: one file each with one value `TASK`."""

from __future__ import annotations
