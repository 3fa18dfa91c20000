"""The map on every engine, with its driver and its workers killed."""
