"""Cases in the database: queue, claims, views, decisions, reports, appeals, preservation.

Spec: ``spec/65-review.md``.
"""
