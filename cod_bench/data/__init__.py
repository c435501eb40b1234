"""Everything from outside -> pinned, verified values: weights, corpora, local files, the hub. No torch."""

from __future__ import annotations
