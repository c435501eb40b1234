"""Records -> grids -> statistics. Pure; knows nothing of how a record was made."""

from __future__ import annotations
