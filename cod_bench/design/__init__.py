"""What is to be run, as declared values, and their identity. Reads no data, imports no torch."""

from __future__ import annotations
