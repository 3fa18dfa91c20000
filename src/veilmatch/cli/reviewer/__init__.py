"""What follows a decision: review, reports, public numbers."""
