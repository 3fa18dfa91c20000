"""Attacks on the client, each refused by its named error. Table: docs/reference/attacks.md."""
