"""The platform's HTTP side: serves releases, takes vouchers, answers alike whatever matches.

Cannot reach alpha: a contract forbids the import. Reference: ``docs/reference/http.md``.
"""
