"""Tokens, and the house of the store's tests."""

from tests.hardware_fixtures import soft_hsm, token
from tests.unit.store.house import house, make_house, world

__all__ = ["house", "make_house", "soft_hsm", "token", "world"]
