"""Grids -> one web page that works offline."""

from __future__ import annotations
