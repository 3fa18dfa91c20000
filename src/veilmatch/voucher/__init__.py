"""The voucher: what a device makes of one picture, and what everybody may read of it.

Spec: ``spec/50-voucher.md``.
"""
