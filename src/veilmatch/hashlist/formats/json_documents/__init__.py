"""Forms that are one JSON document of any size, read piece by piece.

They need ``ijson`` (``pip install 'veilmatch[lists]'``).
"""
