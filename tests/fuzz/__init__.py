"""Fuzzing of every parser that reads what others wrote: ``python -m tests.fuzz``."""
