"""Tests of `cod_bench.reports.findings`."""
