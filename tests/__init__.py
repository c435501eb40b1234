"""The tests mirror the rooms: a folder a room, the nouns and what is of the whole at the top."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
"""The checkout."""
