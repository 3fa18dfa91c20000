"""Checks of public files on many cores or machines. No secret is needed, and none can be loaded."""
