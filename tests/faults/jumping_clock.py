"""Replaces the clock of a program by one that a test sets while it runs; nothing else changes.

A nursery loads this module first. ``libfaketime`` would reach into C code as well, but makes
``time.sleep`` fail with "invalid argument" wherever its clock is ahead.
"""

from __future__ import annotations

import os
import time

VARIABLE = "VEILMATCH_TEST_CLOCK"
"""Names the file that holds the clock's error in seconds."""
_real = time.time


def _wrong() -> float:
    with open(os.environ[VARIABLE], encoding="ascii") as file:
        return _real() + int(file.read())


if VARIABLE in os.environ:  # in the programs; a test only wants the name
    time.time = _wrong
