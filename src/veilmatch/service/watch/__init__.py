"""What the service says of itself: log lines and metrics that never depend on a match."""
