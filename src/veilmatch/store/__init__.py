"""The store: rows in SQL, voucher bodies in append-only segments, secrets in sealed columns.

Roles talk to each other through this room and public files only, so one machine and many
are the same program. Reference: ``docs/reference/store.md``.
"""
