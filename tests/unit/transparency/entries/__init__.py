"""Tests of what the entries say."""
