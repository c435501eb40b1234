"""The published leaderboard, rendered from `results/`; installed along so that `run` can print it beside a fresh one."""

from __future__ import annotations
