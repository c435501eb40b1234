"""Ways to spread jobs: one file each, exporting `execute`."""

from __future__ import annotations
