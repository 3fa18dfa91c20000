"""Benchmarks: one small file per operation; medians and ratios taken in one run."""
