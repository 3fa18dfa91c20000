"""The set of an account's distinct matches, whatever order and however often they come.

Spec: ``spec/57-matching.md`` section 3; ``protocol`` step 9, first words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from veilmatch.matching.share import Share


class MatchSet:
    """Shares of one account, distinct by id, by share point and by DHF input.

    The first share under an id counts; a later one with the same id, point or input is
    passed over, so a replay or a second device adds nothing.
    """

    def __init__(self, shares: Iterable[Share] = ()) -> None:
        self._shares: dict[bytes, Share] = {}
        self._seen: set[bytes] = set()
        for share in shares:
            self.add(share)

    def add(self, share: Share) -> bool:
        """Add a share; say whether it was new."""
        point, first_word = b"x" + share.point, b"0" + share.words[:8]
        if share.asset_id in self._shares or point in self._seen or first_word in self._seen:
            return False
        self._shares[share.asset_id] = share
        self._seen |= {point, first_word}
        return True

    def __len__(self) -> int:
        return len(self._shares)

    def __iter__(self) -> Iterator[Share]:
        """Iterate in the order of ids, which is random to everybody."""
        return iter(self._shares[asset_id] for asset_id in sorted(self._shares))
