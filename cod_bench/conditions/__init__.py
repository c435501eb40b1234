"""Ways to spend k training rows: one file each, exporting `CONDITION`."""

from __future__ import annotations
