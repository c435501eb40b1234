"""Figures: what is drawn on one axis, and sheets of several."""
