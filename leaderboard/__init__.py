"""The published leaderboard, rendered from `results/`; installed along so that `run` can show it beside a fresh one."""

from __future__ import annotations
