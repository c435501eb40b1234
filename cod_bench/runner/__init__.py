"""Plan -> jobs -> records."""

from __future__ import annotations
