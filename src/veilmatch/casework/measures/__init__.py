"""Figures of review, and how pictures are shown to whom.

Spec: ``spec/65-review.md`` sections 5 and 6.
"""
