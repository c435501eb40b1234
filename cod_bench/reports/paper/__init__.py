"""The paper's tables and claims -> ours beside them."""

from __future__ import annotations
