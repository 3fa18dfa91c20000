"""How the service is set up: its configuration, TLS, health."""
