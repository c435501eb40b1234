"""Grids -> what people read: tables, page, figures, the paper's tables beside ours."""

from __future__ import annotations
