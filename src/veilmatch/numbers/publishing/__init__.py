"""What a period's numbers are published as: page, plots, regulators' templates.

Spec: ``spec/65-review.md`` section 10.
"""
