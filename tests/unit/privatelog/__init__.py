"""Tests of the private log."""
