"""What `cod-bench new` starts a plugin file from: one text a kind, with @NAME@, @CLASS@ and the pins of a task's rows."""

from __future__ import annotations
