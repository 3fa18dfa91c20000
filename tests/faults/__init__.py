"""Everything at once, killed at random moments, on a real PostgreSQL."""
