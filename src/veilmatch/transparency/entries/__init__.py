"""What the log's entries say, who signed it, and the checks of those who read the log.

Depends on the standard library and ``cryptography`` alone, so that an auditor can run it from
one small file.

Spec: ``spec/80-transparency.md`` sections 8 to 11.
"""
