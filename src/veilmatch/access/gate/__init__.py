"""What a request passes before it is read: platforms, suspensions, quotas, rates."""
