"""The private log: every access, decision, receipt and change of settings, append-only.

Spec: ``spec/65-review.md`` section 2.
"""
