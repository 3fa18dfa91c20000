"""The log, its witnesses and monitor, audits, and the public pages."""
