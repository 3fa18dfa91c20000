"""Opening: find the real matches among the synthetic ones, verify, recover the key, unseal.

Spec: ``spec/60-opening.md``.
"""
