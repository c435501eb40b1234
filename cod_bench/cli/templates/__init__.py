"""What `cod-bench new` starts a plugin file from: a text a kind with @NAME@, @CLASS@ and pins to fill in."""

from __future__ import annotations
