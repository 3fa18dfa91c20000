"""The publisher's folder: releases, their shards, and the signed metadata that point to them.

Spec: ``spec/40-release.md`` section 6.
"""
