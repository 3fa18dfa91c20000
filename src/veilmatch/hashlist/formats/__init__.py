"""Forms in which hashes arrive: one importer per file, streaming, strict, all or nothing.

Spec: ``spec/26-list-formats.md``.
"""
