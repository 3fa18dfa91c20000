"""What the worker leases and keeps: segments, shares, accounts to look at.

Spec: ``spec/57-matching.md`` and ``spec/60-opening.md``.
"""
