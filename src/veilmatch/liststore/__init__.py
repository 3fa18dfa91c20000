"""Hash lists as they arrive: staged, reported, promoted, withdrawn, intersected, on disk.

It needs DuckDB (``pip install 'veilmatch[lists]'``). Spec: ``spec/26-list-formats.md``.
"""
