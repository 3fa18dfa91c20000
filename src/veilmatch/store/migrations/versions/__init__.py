"""The steps, oldest first. Each is applied once, in one transaction."""
