"""A stand-in for the CyberTipline service, on this machine, for tests and dry runs.

Made from recorded behaviour; it is not the service, and what it accepts the service may refuse.
Spec: ``spec/70-report.md`` section 13.
"""
