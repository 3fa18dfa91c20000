"""Other implementations, asked whether they agree."""
