"""The blinded table: params, place, blind, blinded_table; the secret stands apart.

Spec: ``spec/30-table.md``.
"""
