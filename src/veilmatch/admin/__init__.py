"""The administration API (FastAPI): operators, platforms, devices, queues, settings.

Knows neither alpha nor any picture. Reference: ``docs/reference/http.md``.
"""
