"""What a probe finds out about plugins of one kind."""

from __future__ import annotations
