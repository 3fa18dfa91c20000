"""Talking to the exchange a list comes from: reading windows, sending feedback back.

Spec: ``spec/26-list-formats.md`` section 8.
"""
