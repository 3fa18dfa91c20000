"""Primitives: group, seal, prf, sharing, dhf, signing, merkle; nothing here knows the protocol.

The only door to libsodium and to the native core. Each module turns checked arguments into
one call of a *backend* (``backends/``); every backend gives the same bytes for the same
randomness. Spec: ``spec/10-hazmat.md``.
"""
