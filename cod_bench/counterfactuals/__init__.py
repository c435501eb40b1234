"""A slot -> its counterfactual, its controls, and what they are worth."""

from __future__ import annotations
