"""Distillation methods: one file each, exporting `DISTILLER`."""

from __future__ import annotations
