"""Intake: what the service accepts from a device, and how often it counts.

Spec: ``spec/55-ingest.md``.
"""
