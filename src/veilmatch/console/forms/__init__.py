"""What people fill in, as values: reports, preferences, and the words that pages offer."""
