"""Who may do what: operators, their roles and sessions, platforms, devices.

Pure of HTTP: pages and interfaces call it. Reference: ``docs/reference/http.md``,
``docs/guides/operator.md``; decisions: ``docs/adr/0051-access.md``.
"""
