"""Cases of the transparency vectors; see ``gen_transparency_vectors.py``."""
