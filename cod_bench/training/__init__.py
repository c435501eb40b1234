"""Rows and a track -> teacher and student. The only room that imports torch when it is imported."""

from __future__ import annotations
