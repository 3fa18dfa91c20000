"""The log on disk and on the wire: files, the state that decides, witnesses, monitors, audits.

All decisions are those of ``transparency``; this room only reads, stores, asks and waits.
"""
