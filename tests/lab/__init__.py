"""Tests of the lab: networks, boundaries, rows, bound, logistic regressions, files and their pages."""
