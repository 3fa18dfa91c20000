"""Tokens for these tests."""

from tests.hardware_fixtures import soft_hsm, token

__all__ = ["soft_hsm", "token"]
