"""Hash providers, the lists they sign, and what enough of them list.

Spec: ``spec/25-hashlist.md``.
"""
