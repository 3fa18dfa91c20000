"""Harmless pictures out of a seed: what demo, tests and benchmarks look at instead of anybody's."""
