"""The console for reviewers: server-rendered pages at ``/review``, and the user's appeal page.

What a person may see or do is decided in ``guard`` and below, in ``casework``; the pages only
show it. Nothing here can reach the table secret or an account's identity before a decision.
Decisions: ``docs/adr/0061-console.md``.
"""
