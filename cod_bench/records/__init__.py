"""A finished run as value, file and folder; its metrics and the verdicts on it. No torch."""

from __future__ import annotations
