"""What is reported, whether it may be sent, and how it is written down. No input, no output.

Spec: ``spec/70-report.md``.
"""
