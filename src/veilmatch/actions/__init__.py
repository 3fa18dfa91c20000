"""Actions: signed webhooks that tell the platform what was decided.

A message is queued in the transaction of its decision and delivered at least once.
Reference: ``docs/reference/webhooks.md``; decision: ``docs/adr/0051-access.md``.
"""
