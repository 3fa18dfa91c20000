"""What enough jurisdictions list: the set a table is built from.

X = hashes listed by providers of at least ``min_jurisdictions`` different jurisdictions.
Spec: ``spec/25-hashlist.md`` section 3; ``protocol`` step 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from veilmatch.errors import InputError, VerificationError
from veilmatch.hashlist.hash_list import HashList, sort_hashes
from veilmatch.hazmat.backends.interface import Bytes


def intersect(lists: Sequence[HashList], min_jurisdictions: int) -> Bytes:
    """Return the hashes that at least ``min_jurisdictions`` jurisdictions list.

    Args:
        lists: Verified lists of one algorithm and one content class; two lists of one
            jurisdiction count once.
        min_jurisdictions: At least 2 in any release that a client accepts.

    Returns:
        ``bytes (n, w)``, ascending.

    Raises:
        InputError: No list, or lists of different algorithms or content classes.
        VerificationError: The lists come from too few jurisdictions.
    """
    if not lists:
        raise InputError("no hash list was given")
    kinds = {(one.algorithm, one.bit_len, one.content_class) for one in lists}
    if len(kinds) != 1:
        raise InputError("the hash lists differ in algorithm or content class")
    if len({one.provider.jurisdiction for one in lists}) < min_jurisdictions:
        raise VerificationError(
            "the hash lists come from too few jurisdictions",
            hint=f"add a list from another jurisdiction; {min_jurisdictions} are needed",
        )
    where: dict[bytes, set[str]] = {}
    for one in lists:
        for row in one.hashes:
            where.setdefault(row.tobytes(), set()).add(one.provider.jurisdiction)
    kept = (value for value, found in where.items() if len(found) >= min_jurisdictions)
    return sort_hashes(kept, lists[0].bit_len)
