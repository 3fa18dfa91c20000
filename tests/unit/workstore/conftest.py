"""The house of the store's tests."""

from tests.unit.store.house import house, make_house, world

__all__ = ["house", "make_house", "world"]
