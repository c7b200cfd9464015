"""Benchmarks. Each prints ratios that were measured in one run."""
