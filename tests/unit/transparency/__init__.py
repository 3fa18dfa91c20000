"""Tests of the log and of those who watch it."""
