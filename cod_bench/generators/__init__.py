"""Generators of counterfactuals: one file each, exporting `GENERATOR`; a leading underscore marks a room of one."""
