"""Review without input or output: the case as a state machine, decisions, exposure, figures.

Spec: ``spec/65-review.md`` sections 3 to 6.
"""
