"""The steps of a client's work, in order: read files, prepare vouchers, add, send.

An app uses ``veilmatch.client.sdk``, which puts them together.
"""
