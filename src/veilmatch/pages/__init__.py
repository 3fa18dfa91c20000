"""The public pages: releases, signers, parameters and proofs, for a person with a browser.

Everything on them is read from files that are public anyway, and verified before it is shown.
No script, no cookie, nothing from anybody else's server. They hold no secret and take no input
but an address. Formats: ``spec/80-transparency.md``.
"""
