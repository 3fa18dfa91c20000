"""Logging in: password and TOTP, passkeys, OpenID Connect; no HTTP of ours, pages call it."""
