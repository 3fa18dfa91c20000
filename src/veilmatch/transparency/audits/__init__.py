"""The auditor's room: bundles, whom their reader trusts, and every numbered check of them.

It reads the release's signed metadata a second time, from the specification, with ``cryptography``
and the standard library alone; the client does it with the library of TUF.

Spec: ``spec/80-transparency.md`` sections 12 and 13.
"""
