"""Hosts without a client of their own: their server plays the client for what users upload.

A forum, a photo host, a federated server: one account per user, one blinded table for all. The
host needs no hash list and learns of no match. ``docs/guides/host.md`` says what is revealed
to whom.
"""
