"""One hash for one file, whatever computes it: 400 files here, 5,000 by ``tests.many_pictures``."""

from __future__ import annotations

from tests.many_pictures import ENCODERS, compare_ways

COUNT = 400


def test_every_way_gives_the_same_hash() -> None:
    done = compare_ways(COUNT)
    assert done.different == []
    assert done.encoders.total() == COUNT
    assert set(done.encoders) == set(ENCODERS)
    assert {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"} <= set(done.modes)
    assert done.from_pillow > COUNT / 2
    assert done.hashes > COUNT / 10
