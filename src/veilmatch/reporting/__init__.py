"""Sending reports: the durable outbox, the transports, the worker, reconciliation.

Spec: ``spec/70-report.md`` sections 9 to 12.
"""
