"""What the intake keeps: segments, the ledger, deletions, retention.

Spec: ``spec/55-ingest.md``.
"""
