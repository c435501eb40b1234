"""What the substitution generator is made of: words, candidates, opposites, ratings."""

from __future__ import annotations
