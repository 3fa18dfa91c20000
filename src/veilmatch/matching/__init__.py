"""Matching: try the slots under alpha; keep the shares of the few that open, forget the rest.

Spec: ``spec/57-matching.md``.
"""
