"""The native backend at the edges: the RFC's vectors, refusals, zeros, shapes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("veilmatch_native", reason="the native core is not installed: make native")

import veilmatch_native

from veilmatch.errors import EncodingError, LengthError
from veilmatch.hazmat.backends.interface import Bytes
from veilmatch.hazmat.backends.native import NativeBackend
from veilmatch.hazmat.backends.portable import PortableBackend
from veilmatch.hazmat.backends.selection import load_backend

ORDER = 2**252 + 27742317777372353535851937790883648493
PRIME = 2**255 - 19


@pytest.fixture(params=veilmatch_native.paths())
def backend(request: pytest.FixtureRequest) -> NativeBackend:
    return NativeBackend(request.param)


def rows(*texts: str) -> Bytes:
    return np.array([list(bytes.fromhex(text)) for text in texts], dtype=np.uint8)


def scalars(*values: int) -> Bytes:
    return rows(*(value.to_bytes(32, "little").hex() for value in values))


# RFC 9496 appendix A.1: the multiples 0 to 15 of the generator.
MULTIPLES = rows(
    "0000000000000000000000000000000000000000000000000000000000000000",
    "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76",
    "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919",
    "94741f5d5d52755ece4f23f044ee27d5d1ea1e2bd196b462166b16152a9d0259",
    "da80862773358b466ffadfe0b3293ab3d9fd53c5ea6c955358f568322daf6a57",
    "e882b131016b52c1d3337080187cf768423efccbb517bb495ab812c4160ff44e",
    "f64746d3c92b13050ed8d80236a7f0007c3b3f962f5ba793d19a601ebb1df403",
    "44f53520926ec81fbd5a387845beb7df85a96a24ece18738bdcfa6a7822a176d",
    "903293d8f2287ebe10e2374dc1a53e0bc887e592699f02d077d5263cdd55601c",
    "02622ace8f7303a31cafc63f8fc48fdc16e1c8c8d234b2f0d6685282a9076031",
    "20706fd788b2720a1ed2a5dad4952b01f413bcf0e7564de8cdc816689e2db95f",
    "bce83f8ba5dd2fa572864c24ba1810f9522bc6004afe95877ac73241cafdab42",
    "e4549ee16b9aa03099ca208c67adafcafa4c3f3e4e5303de6026e3ca8ff84460",
    "aa52e000df2e16f55fb1032fc33bc42742dad6bd5a8fc0be0167436c5948501f",
    "46376b80f409b29dc2b5f6f0c52591990896e5716f41477cd30085ab7f10301e",
    "e0c418f7c8d9c4cdd7395b93ea124f3ad99021bb681dfc3302a9d99a2e53e64e",
)

# RFC 9496 appendix A.2, and one row of each kind with bit 255 set.
REFUSED = rows(
    # Not below p.
    "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    # Negative.
    "0100000000000000000000000000000000000000000000000000000000000000",
    "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ed57ffd8c914fb201471d1c3d245ce3c746fcbe63a3679d51b6a516ebebe0e20",
    "c34c4e1826e5d403b78e246e88aa051c36ccf0aafebffe137d148a2bf9104562",
    "c940e5a4404157cfb1628b108db051a8d439e1a421394ec4ebccb9ec92a8ac78",
    "47cfc5497c53dc8e61c91d17fd626ffb1c49e2bca94eed052281b510b1117a24",
    "f1c6165d33367351b0da8f6e4511010c68174a03b6581212c71c0e1d026c3c72",
    "87260f7a2f12495118360f02c26a470f450dadf34a413d21042b43b9d93e1309",
    # x^2 is not a square.
    "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
    "4eac077a713c57b4f4397629a4145982c661f48044dd3f96427d40b147d9742f",
    "de6a7b00deadc788eb6b6c8d20c0ae96c2f2019078fa604fee5b87d6e989ad7b",
    "bcab477be20861e01e4a0e295284146a510150d9817763caf1a6f4b422d67042",
    "2a292df7e32cababbd9de088d1d1abec9fc0440f637ed2fba145094dc14bea08",
    "f4a9e534fc0d216c44b218fa0c42d99635a0127ee2e53c712f70609649fdff22",
    "8268436f8c4126196cf64b3c7ddbda90746a378625f9813dd9b8457077256731",
    "2810e5cbc2cc4d4eece54f61c6f69758e289aa7ab440b3cbeaa21995c2f4232b",
    # xy is negative.
    "3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e",
    "a45fdc55c76448c049a1ab33f17023edfb2be3581e9c7aade8a6125215e04220",
    "d483fe813c6ba647ebbfd3ec41adca1c6130c2beeee9d9bf065c8d151c5f396e",
    "8a2e1d30050198c65a54483123960ccc38aef6848e1ec8f5f780e8523769ba32",
    "32888462f8b486c68ad7dd9610be5192bbeaf3b443951ac1a8118419d9fa097b",
    "227142501b9d4355ccba290404bde41575b037693cef1f438c47f8fbf35d1165",
    "5c37cc491da847cfeb9281d407efc41e15144c876e0170b499a96a22ed31e01e",
    "445425117cb8c90edcbc7c1cc0e74f747f2c1efa5630a967c64f287792a48a4b",
    # y is zero.
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    # The generator and the identity with bit 255 set.
    "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2df6",
    "0000000000000000000000000000000000000000000000000000000000000080",
)

# RFC 9496 appendix A.3: labels and the elements that SHA-512 of them maps to.
MAPPED = (
    (
        "5d1be09e3d0c82fc538112490e35701979d99e06ca3e2b5b54bffe8b4dc772c1"
        "4d98b696a1bbfb5ca32c436cc61c16563790306c79eaca7705668b47dffe5bb6",
        "3066f82a1a747d45120d1740f14358531a8f04bbffe6a819f86dfe50f44a0a46",
    ),
    (
        "f116b34b8f17ceb56e8732a60d913dd10cce47a6d53bee9204be8b44f6678b27"
        "0102a56902e2488c46120e9276cfe54638286b9e4b3cdb470b542d46c2068d38",
        "f26e5b6f7d362d2d2a94c5d0e7602cb4773c95a2e5c31a64f133189fa76ed61b",
    ),
    (
        "8422e1bbdaab52938b81fd602effb6f89110e1e57208ad12d9ad767e2e25510c"
        "27140775f9337088b982d83d7fcf0b2fa1edffe51952cbe7365e95c86eaf325c",
        "006ccd2a9e6867e6a2c5cea83d3302cc9de128dd2a9a57dd8ee7b9d7ffe02826",
    ),
)


def test_multiples_of_the_generator(backend: NativeBackend) -> None:
    small = scalars(*range(16))
    assert np.array_equal(backend.mul_base(small), MULTIPLES)
    generators = np.repeat(MULTIPLES[1:2], 16, axis=0)
    assert np.array_equal(backend.mul_each(small, generators), MULTIPLES)


def test_sums_of_multiples(backend: NativeBackend) -> None:
    assert np.array_equal(backend.add(MULTIPLES[:8], MULTIPLES[1:9]), MULTIPLES[1:16:2])
    assert np.array_equal(backend.sub(MULTIPLES[8:], MULTIPLES[:8]), MULTIPLES[[8] * 8])


def test_portable_refuses_the_same() -> None:
    """libsodium 1.0.18 ignores bit 255: the portable backend must look at it itself."""
    backend = PortableBackend()
    assert not backend.is_valid(REFUSED).any()
    points = np.repeat(MULTIPLES[1:2], 4, axis=0)
    slots = np.zeros((4, 128), dtype=np.uint8)
    for row in REFUSED:
        points[2] = row
        slots[2, :32] = row
        assert not backend.open_slots(scalars(3)[0], slots, points)[1].any()
        calls: list[Callable[[], object]] = [
            lambda: backend.mul(scalars(3)[0], points),
            lambda: backend.mul(scalars(3)[0], points, threads=2),
            lambda: backend.add(points, points),
            lambda: backend.sub(MULTIPLES[:4], points),
        ]
        for call in calls:
            with pytest.raises(EncodingError) as caught:
                call()
            assert (caught.value.field, caught.value.offset) == ("element", 64)


def test_what_the_rfc_refuses(backend: NativeBackend) -> None:
    assert not backend.is_valid(REFUSED).any()
    assert list(backend.is_valid(MULTIPLES)) == [False] + [True] * 15
    for row in REFUSED:
        with pytest.raises(EncodingError) as caught:
            backend.mul(scalars(3)[0], row[None])
        assert (caught.value.field, caught.value.offset) == ("element", 0)


def test_maps_as_the_rfc(backend: NativeBackend) -> None:
    uniform, elements = rows(*(u for u, _ in MAPPED)), rows(*(e for _, e in MAPPED))
    assert np.array_equal(backend.from_uniform(uniform), elements)


def test_maps_the_edges_of_the_field(backend: NativeBackend) -> None:
    edges = [0, 1, 2, PRIME - 1, PRIME, PRIME + 1, PRIME + 18, 2**255, 2**256 - 1]
    uniform = np.concatenate(
        [scalars(*(a for a in edges for _ in edges)), scalars(*(b for _ in edges for b in edges))],
        axis=1,
    )
    assert np.array_equal(backend.from_uniform(uniform), PortableBackend().from_uniform(uniform))


def test_scalars_at_the_edges(backend: NativeBackend) -> None:
    oracle = PortableBackend()
    # The digits of a scalar are signed and four bits wide: 7, 8, 9 and their carries.
    digits = [int(c * 63, 16) for c in "789f"]
    edges = [0, 1, 8, ORDER - 1, ORDER, ORDER + 1, 2**252, 2**255 - 1, 2**255, 2**256 - 1, *digits]
    k = scalars(*edges)
    points = np.repeat(MULTIPLES[5:6], len(edges), axis=0)
    assert np.array_equal(backend.mul_each(k, points), oracle.mul_each(k, points))
    assert np.array_equal(backend.mul_base(k), oracle.mul_base(k))
    assert np.array_equal(backend.scalar_invert(k), oracle.scalar_invert(k))
    for i in range(len(edges)):
        other = np.ascontiguousarray(np.roll(k, i, axis=0))
        for name in ("scalar_add", "scalar_sub", "scalar_mul"):
            ours, theirs = getattr(backend, name)(k, other), getattr(oracle, name)(k, other)
            assert np.array_equal(ours, theirs), name
        one = backend.mul(k[i], points)
        assert np.array_equal(one, oracle.mul(k[i], points))


def test_the_identity_is_multiplied_and_added(backend: NativeBackend) -> None:
    zero = np.zeros((3, 32), dtype=np.uint8)
    assert not backend.mul(scalars(5)[0], zero).any()
    assert np.array_equal(backend.add(zero, MULTIPLES[3:6]), MULTIPLES[3:6])


@pytest.mark.parametrize("bad", [0, 6, 130, 299])
@pytest.mark.parametrize("threads", [1, 3])
def test_names_the_first_row_that_does_not_decode(
    backend: NativeBackend, bad: int, threads: int
) -> None:
    points = np.repeat(MULTIPLES[1:2], 300, axis=0)
    points[[bad, 299]] = REFUSED[4]
    k = np.repeat(scalars(7), 300, axis=0)
    calls: list[Callable[[], object]] = [
        lambda: backend.mul(k[0], points, threads=threads),
        lambda: backend.mul_each(k, points, threads=threads),
        lambda: backend.add(points, points),
        lambda: backend.sub(points, points),
    ]
    for call in calls:
        with pytest.raises(EncodingError) as caught:
            call()
        assert (caught.value.field, caught.value.offset) == ("element", 32 * bad)


def test_slots_name_the_operand_that_portable_meets_first(backend: NativeBackend) -> None:
    good = np.repeat(MULTIPLES[1:2], 200, axis=0)
    left, right = good.copy(), good.copy()
    left[150], right[3] = REFUSED[4], REFUSED[4]
    rest = (good[:, ::-1].copy(), good, good[:, :16].copy())
    k = np.repeat(scalars(7), 200, axis=0)
    for arguments in (
        (left, right, REFUSED[4]),
        (good, right, REFUSED[4]),
        (good, good, REFUSED[4]),
    ):
        offsets = []
        for each in (PortableBackend(), backend):
            with pytest.raises(EncodingError) as caught:
                each.seal_slots(*arguments, k, k, *rest)
            offsets.append(caught.value.offset)
        assert offsets[0] == offsets[1]


def test_slots_of_zero_do_not_open(backend: NativeBackend) -> None:
    """Q or the scalar is zero: S is the identity, and both backends refuse."""
    zero = np.zeros((9, 32), dtype=np.uint8)
    keys, aads, salts = zero + 1, zero[:, :5].copy(), zero[:, :16].copy()
    slots = backend.seal_slots(zero, zero, MULTIPLES[1], zero, zero, keys, aads, salts)
    assert not slots[:, :32].any()
    for scalar in (scalars(0)[0], scalars(5)[0]):
        for each in (PortableBackend(), backend):
            out, flags = each.open_slots(scalar, slots, aads)
            assert not flags.any()
            assert not out.any()


def test_finds_equal_rows_among_many_that_share_their_start(backend: NativeBackend) -> None:
    many = np.zeros((2_000, 32), dtype=np.uint8)
    many[:, 30:] = np.arange(2_000, dtype=np.uint16).view(np.uint8).reshape(-1, 2)
    assert backend.duplicate_index(many) == -1
    many[[700, 1_500]] = many[3]
    assert backend.duplicate_index(many) == PortableBackend().duplicate_index(many) == 700


def test_wrong_shapes_are_length_errors(backend: NativeBackend) -> None:
    good, short = MULTIPLES[:4], MULTIPLES[:4, :31].copy()
    calls: list[tuple[Callable[[], object], str, int, int]] = [
        (lambda: backend.scalar_add(good, short), "right", 32, 31),
        (lambda: backend.add(good, MULTIPLES[:3]), "right", 4, 3),
        (lambda: backend.mul(short[0], good), "scalar", 32, 31),
        (lambda: backend.open(good, short, good), "sealed", 64, 31),
        (lambda: backend.hash_to_group(good, bytes(256)), "dst", 255, 256),
        (lambda: backend.evaluate_polynomial(good[:0], good), "coefficients", 1, 0),
    ]
    for call, field, expected, actual in calls:
        with pytest.raises(LengthError) as caught:
            call()
        error = caught.value
        assert (error.field, error.expected, error.actual) == (field, expected, actual)


def test_the_same_point_at_every_place_of_a_register(backend: NativeBackend) -> None:
    """Lanes do not mix: one odd row among equal ones changes only itself."""
    points = np.repeat(MULTIPLES[2:3], 17, axis=0)
    whole = backend.mul(scalars(9)[0], points)
    assert (whole == whole[0]).all()
    for place in range(17):
        other = points.copy()
        other[place] = MULTIPLES[7]
        out = backend.mul(scalars(9)[0], other)
        assert np.array_equal(np.delete(out, place, 0), whole[1:])
        assert not np.array_equal(out[place], whole[0])


def test_an_unknown_path_is_refused() -> None:
    with pytest.raises(ValueError, match="no such path"):
        NativeBackend("abacus")
    assert veilmatch_native.paths()[-1] == "serial"


def test_it_is_what_the_selection_loads() -> None:
    assert load_backend("native").name == "native"
