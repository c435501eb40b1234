"""A plugin file or a folder of records -> may it be submitted."""

from __future__ import annotations
