"""Public numbers: counted from the private log alone, each with its proof.

Spec: ``spec/65-review.md`` section 10.
"""
