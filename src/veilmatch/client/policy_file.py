"""The trust policy as a file: what an app accepts, shipped with it and never fetched.

    {"format": "veilmatch-trust-v1", "algorithm": "pdq", "content_class": "csam",
     "max_ad_len": 10240, "max_probes": 16, "min_jurisdictions": 2, "min_shares_floor": 31,
     "providers": [{"name": "…", "jurisdiction": "NL", "public_key": "…"}, …]}

The preprocessing is not in the file: it is what the program's own hasher says it runs.
Spec: ``spec/40-release.md`` section 4.
"""

from __future__ import annotations

from pathlib import Path

from veilmatch.errors import ConfigError, EncodingError
from veilmatch.hashing.algorithms import build_hasher
from veilmatch.hashlist.provider import parse_provider
from veilmatch.release.trusted_release import TrustPolicy
from veilmatch.wire import Fields, Json, parse_json, to_canonical_json

FORMAT = "veilmatch-trust-v1"
MAX_FILE_LEN = 1 << 20
_WHAT = "the trust file"


def policy_to_bytes(policy: TrustPolicy) -> bytes:
    """Serialise a trust policy as canonical JSON. The publisher's tools and tests run it."""
    value: Json = {
        "format": FORMAT,
        "algorithm": policy.algorithm,
        "content_class": policy.content_class,
        "max_ad_len": policy.max_ad_len,
        "max_probes": policy.max_probes,
        "min_jurisdictions": policy.min_jurisdictions,
        "min_shares_floor": policy.min_shares_floor,
        "providers": [provider.to_json() for provider in policy.providers],
    }
    return to_canonical_json(value)


def parse_policy(data: bytes) -> TrustPolicy:
    """Parse a trust policy, strictly; white space and order of fields are free.

    Raises:
        EncodingError: Malformed, a field too many, missing or out of its range.
        ConfigError: An unknown image hash, a provider twice, or so few jurisdictions that no
            release could ever be accepted.
    """
    fields = Fields(parse_json(data, _WHAT), _WHAT)
    if fields.text("format") != FORMAT:
        raise EncodingError("the trust file is of another format", field="format")
    algorithm = fields.text("algorithm", max_len=40)
    providers = []
    for value in fields.array("providers", max_count=1000):
        if not isinstance(value, dict):
            raise EncodingError("the trust file: a provider is not an object", field="providers")
        providers.append(parse_provider(value))
    policy = TrustPolicy(
        providers=tuple(providers),
        algorithm=algorithm,
        preprocessing=dict(build_hasher(algorithm).describe()),
        min_jurisdictions=fields.integer("min_jurisdictions", 2, 100),
        min_shares_floor=fields.integer("min_shares_floor", 2, 1000),
        max_ad_len=fields.integer("max_ad_len", 512, 1 << 20),
        max_probes=fields.integer("max_probes", 1, 64),
        content_class=fields.text("content_class", max_len=40),
    )
    fields.finish()
    if len({provider.public_key for provider in providers}) != len(providers):
        raise ConfigError("the trust file names a provider's key twice", setting="trust")
    if len({provider.jurisdiction for provider in providers}) < policy.min_jurisdictions:
        raise ConfigError(
            "the trust file knows providers of fewer jurisdictions than it asks for",
            setting="trust",
            hint="name providers of at least min_jurisdictions different jurisdictions",
        )
    return policy


def load_policy(path: Path) -> TrustPolicy:
    """Read a trust file. Raises OSError, and as ``parse_policy``."""
    with path.open("rb") as file:
        data = file.read(MAX_FILE_LEN + 1)
    if len(data) > MAX_FILE_LEN:
        raise EncodingError("the trust file is larger than 1 MiB")
    return parse_policy(data)
