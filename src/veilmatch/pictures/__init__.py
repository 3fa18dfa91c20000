"""Harmless pictures out of a seed: what demo, tests and benchmarks look at instead of anybody's.

Integer arithmetic throughout, so that a seed gives the same pixels on every machine.
"""
