"""Migrations: how a database of an earlier version becomes one of this version (ADR 0050)."""
