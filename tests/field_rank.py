"""The rank of a matrix over F_p, by elimination in whole numbers: a twin of no speed."""

from __future__ import annotations

from veilmatch.hazmat.backends.interface import FIELD_PRIME, Words


def rank(matrix: Words) -> int:
    """Count the rows that are left when every row is cleared of those before it."""
    rows = [[int(value) % FIELD_PRIME for value in row] for row in matrix]
    found = 0
    for column in range(matrix.shape[1]):
        pivot = next((k for k in range(found, len(rows)) if rows[k][column]), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        inverse = pow(rows[found][column], -1, FIELD_PRIME)
        for k in range(found + 1, len(rows)):
            factor = rows[k][column] * inverse
            rows[k] = [
                (a - factor * b) % FIELD_PRIME for a, b in zip(rows[k], rows[found], strict=True)
            ]
        found += 1
    return found
