"""Plugins for cod-bench by entry point, one of every kind."""

from __future__ import annotations
