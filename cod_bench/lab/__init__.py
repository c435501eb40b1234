"""Stated toy worlds -> what the paper's picture and theorems come to there, in numbers with intervals, as CSV."""
