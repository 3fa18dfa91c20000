"""Tests across rooms and processes."""
