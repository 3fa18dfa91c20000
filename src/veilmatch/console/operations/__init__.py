"""Pages for who keeps the service running; no case, no account and no picture is on them."""
