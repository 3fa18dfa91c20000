"""Veilmatch: find known child sexual abuse images, blind, and look at nothing else.

The rooms of this package form one corridor; data and imports go one way. Start with
``docs/concepts/house.md`` for the picture, and ``spec/`` for the normative text.
"""
