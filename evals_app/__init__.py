"""Evaluation: suites, runs against models, statistics, and the checks that gates rest on."""
