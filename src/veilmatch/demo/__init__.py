"""The whole flow on one machine, as separate processes, on harmless pictures."""
