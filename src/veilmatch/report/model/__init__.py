"""The records of a CyberTipline report, element by element, as types.

A wrong order, an unknown element or a flag set to false cannot be said in these types.
Spec: ``spec/70-report.md`` section 2.
"""
