"""A release: the signed, numbered publication of a table, and every check a client makes.

Spec: ``spec/40-release.md``.
"""
