"""Harmless pictures against a release: counted false matches, bounds, and what must stay out.

A publisher runs it, with its own lists or its own table secret. It counts and shows the operator's
own harmless pictures; it gives out no hash of a list. Spec: ``spec/40-release.md`` section 5 and
``spec/26-list-formats.md`` section 10.
"""
