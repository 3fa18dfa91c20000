"""Tiles of pictures: the pixels of each step of a reveal, and the tickets that fetch them."""
