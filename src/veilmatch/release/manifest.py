"""The manifest: every parameter of a release, in canonical JSON that the release id binds.

Spec: ``spec/40-release.md`` section 1; the numbers' defaults are those of ``protocol`` 2.
"""

from __future__ import annotations

from dataclasses import dataclass

from veilmatch.errors import EncodingError
from veilmatch.hashlist.provider import HashProvider, parse_provider
from veilmatch.hazmat.backends.interface import ELEMENT_LEN
from veilmatch.hazmat.merkle import ROOT_LEN
from veilmatch.hazmat.prf import digest
from veilmatch.hazmat.proof import PROOF_LEN, Proof, parse_proof
from veilmatch.release.calibration import Calibration, parse_calibration
from veilmatch.table.params import MAX_ROWS, MIN_ROWS, NONCE_LEN
from veilmatch.wire import RELEASE_ID_LEN, Fields, Json, parse_canonical_json, to_canonical_json

PROTOCOL = "veilmatch-v1"
SUITE = "ristretto255-sha512"
MAX_TIME_S = 2**40


MANIFEST, SHARDS = "manifest.json", "shards.json"
"""Names of a release's own files."""

FILE_LEN_MAX = 8 << 20
"""No file of a release but its table is longer, bytes."""


@dataclass(frozen=True)
class HashAlgorithm:
    """Which image hash, and every step before it, by name and version.

    Attributes:
        name: For example ``pdq``.
        alg_id: 1 byte of the encoded image hash.
        bit_len: Bits.
        preprocessing: What the hasher's ``describe`` says; the client compares it whole.
    """

    name: str
    alg_id: int
    bit_len: int
    preprocessing: Json


@dataclass(frozen=True)
class SyntheticSchedule:
    """How often a voucher is synthetic, and how many of its slots open.

    Attributes:
        shape: Of the Gamma distribution of an account's rate; a whole number.
        rate: Mean of that distribution.
        probability_cap: Largest probability for one picture.
        open_slots: Weights: entry m - 1 is the weight of m open slots.
    """

    shape: int = 4
    rate: float = 10.0
    probability_cap: float = 0.05
    open_slots: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class ListSource:
    """A list that went into the table: its provider, commitment and count."""

    provider: HashProvider
    commitment: bytes
    count: int


@dataclass(frozen=True)
class Parameters:
    """The numbers of ``protocol`` section 2 that client and server must agree on."""

    min_shares: int = 31
    dhf_width: int = 150
    delta_max: int = 8
    probes: int = 1
    ad_len: int = 10_240
    min_jurisdictions: int = 2
    synthetic: SyntheticSchedule = SyntheticSchedule()

    @property
    def threshold(self) -> int:
        """T of the published protocol: this many matches do not open, one more does."""
        return self.min_shares - 1


@dataclass(frozen=True)
class Manifest:
    """Everything that a release fixes, except the rows themselves."""

    epoch: int
    created_at: int  # seconds since 1970, UTC
    expires_at: int
    content_class: str
    algorithm: HashAlgorithm
    parameters: Parameters
    rows: int
    table_nonce: bytes
    public: bytes  # L = alpha * G
    knowledge: Proof  # of alpha, bound to nonce and epoch
    sources: tuple[ListSource, ...]
    previous: bytes  # release_id of the release before, zeros for the first
    calibration: Calibration | None = None  # what is claimed of false matches; None: nothing

    def to_json(self) -> Json:
        """Return the JSON object."""
        synthetic = self.parameters.synthetic
        return {
            "protocol": PROTOCOL,
            "suite": SUITE,
            "epoch": self.epoch,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "content_class": self.content_class,
            "hash": {
                "name": self.algorithm.name,
                "alg_id": self.algorithm.alg_id,
                "bit_len": self.algorithm.bit_len,
                "preprocessing": self.algorithm.preprocessing,
            },
            "min_shares": self.parameters.min_shares,
            "dhf_width": self.parameters.dhf_width,
            "delta_max": self.parameters.delta_max,
            "probes": self.parameters.probes,
            "ad_len": self.parameters.ad_len,
            "min_jurisdictions": self.parameters.min_jurisdictions,
            "synthetic": {
                "shape": synthetic.shape,
                "rate": synthetic.rate,
                "probability_cap": synthetic.probability_cap,
                "open_slots": list(synthetic.open_slots),
            },
            "rows": self.rows,
            "table_nonce": self.table_nonce.hex(),
            "public": self.public.hex(),
            "knowledge": self.knowledge.to_bytes().hex(),
            "sources": [
                {
                    "provider": source.provider.to_json(),
                    "commitment": source.commitment.hex(),
                    "count": source.count,
                }
                for source in self.sources
            ],
            "previous": self.previous.hex(),
            "calibration": self.calibration.to_json() if self.calibration else None,
        }

    def to_bytes(self) -> bytes:
        """Return the canonical JSON that the release id is computed over."""
        return to_canonical_json(self.to_json())


def knowledge_binding(table_nonce: bytes, epoch: int) -> bytes:
    """What the proof of knowledge of alpha is bound to: this table of this epoch."""
    return digest("table secret", table_nonce, epoch.to_bytes(8, "big"))


def derive_release_id(manifest: bytes, root: bytes) -> bytes:
    """release_id = SHA-256(label | manifest | root). Spec 40 section 2."""
    return digest("release", manifest, root)


def _take_algorithm(value: Json) -> HashAlgorithm:
    fields = Fields(value, "manifest hash")
    algorithm = HashAlgorithm(
        fields.text("name", max_len=40),
        fields.integer("alg_id", 1, 255),
        fields.integer("bit_len", 8, 4096),
        fields.object("preprocessing"),
    )
    fields.finish()
    return algorithm


def _take_synthetic(value: Json, probes: int) -> SyntheticSchedule:
    fields = Fields(value, "manifest synthetic")
    shape = fields.integer("shape", 1, 100)
    rate = fields.number("rate", 0.0, 1000.0)
    cap = fields.number("probability_cap", 0.0, 0.5)
    weights = fields.array("open_slots", max_count=2 * probes)
    fields.finish()
    # type(), not isinstance: true is not a weight.
    if not all(type(w) is int and 0 <= w < 2**31 for w in weights) or not any(weights):
        raise EncodingError("manifest synthetic: open_slots are not weights", field="open_slots")
    return SyntheticSchedule(shape, rate, cap, tuple(weights))


def _take_source(value: object) -> ListSource:
    if not isinstance(value, dict):
        raise EncodingError("manifest: a source is not an object", field="sources")
    fields = Fields(value, "manifest source")
    source = ListSource(
        parse_provider(fields.object("provider")),
        fields.hex("commitment", ROOT_LEN),
        fields.integer("count", 0, 2**32),
    )
    fields.finish()
    return source


def _take_parameters(fields: Fields) -> Parameters:
    probes = fields.integer("probes", 1, 64)
    return Parameters(
        min_shares=fields.integer("min_shares", 2, 1000),
        dhf_width=fields.integer("dhf_width", 3, 1000),
        delta_max=fields.integer("delta_max", 1, 64),
        probes=probes,
        ad_len=fields.integer("ad_len", 512, 1 << 20),
        min_jurisdictions=fields.integer("min_jurisdictions", 1, 100),
        synthetic=_take_synthetic(fields.object("synthetic"), probes),
    )


def _take_calibration(fields: Fields) -> Calibration | None:
    value = fields.object_or_none("calibration")
    return None if value is None else parse_calibration(value)


def parse_manifest(data: bytes) -> Manifest:
    """Parse a manifest, strictly: canonical JSON, every field, no other field.

    Raises:
        EncodingError: Malformed, another protocol version or another suite.
        LengthError: A field of the wrong length.

    Not checked: whether the numbers are acceptable; ``trusted_release`` does that.
    """
    fields = Fields(parse_canonical_json(data, "the manifest"), "manifest")
    if (fields.text("protocol"), fields.text("suite")) != (PROTOCOL, SUITE):
        raise EncodingError("the manifest is for another protocol version", field="protocol")
    manifest = Manifest(
        epoch=fields.integer("epoch", 1, 2**53),
        created_at=fields.integer("created_at", 0, MAX_TIME_S),
        expires_at=fields.integer("expires_at", 0, MAX_TIME_S),
        content_class=fields.text("content_class", max_len=40),
        algorithm=_take_algorithm(fields.object("hash")),
        parameters=_take_parameters(fields),
        rows=fields.integer("rows", MIN_ROWS, MAX_ROWS),
        table_nonce=fields.hex("table_nonce", NONCE_LEN),
        public=fields.hex("public", ELEMENT_LEN),
        knowledge=parse_proof(fields.hex("knowledge", PROOF_LEN)),
        sources=tuple(_take_source(v) for v in fields.array("sources", max_count=1000)),
        previous=fields.hex("previous", RELEASE_ID_LEN),
        calibration=_take_calibration(fields),
    )
    fields.finish()
    return manifest
