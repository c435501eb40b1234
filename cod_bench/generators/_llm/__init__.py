"""What the generators that ask a language model share: endpoint, batches, prompts, prices, what was bought."""

from __future__ import annotations
