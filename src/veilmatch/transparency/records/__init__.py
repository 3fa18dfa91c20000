"""Records of a private log: what one says, how they are chained, how a head is checked.

Spec: ``spec/65-review.md`` section 2.
"""
