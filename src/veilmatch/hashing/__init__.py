"""From the bytes of a picture file to an image hash, every step pinned and named.

Spec: ``spec/20-hashing.md``.
"""
