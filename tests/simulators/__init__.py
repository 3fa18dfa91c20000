"""The outside world, made up: services and files that tests talk to."""
