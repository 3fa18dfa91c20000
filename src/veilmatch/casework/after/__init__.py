"""What follows a decision: reports, actions, appeals, feedback, preservation, destruction.

Spec: ``spec/65-review.md`` sections 7 to 9.
"""
