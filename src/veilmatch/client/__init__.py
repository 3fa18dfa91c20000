"""The client: what an app on a device imports to hash, make vouchers and upload them.

Guide: ``docs/guides/app-developer.md``.
"""
