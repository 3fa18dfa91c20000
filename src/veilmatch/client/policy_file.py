"""The trust policy as a file: what an app accepts, shipped with it and never fetched.

    {"format": "veilmatch-trust-v2", "algorithm": "lfh", "content_class": "csam",
     "max_ad_len": 10240, "max_probes": 16, "min_jurisdictions": 2, "min_shares_floor": 31,
     "needs_calibration": 0, "root": {"signatures": […], "signed": {…}},
     "log_policy": ["log …", "witness …", "quorum …"]}

``root`` is a signed root of the release metadata: the keys of the hash providers with their
jurisdictions. ``log_policy`` has the lines of a policy in the C2SP language. The preprocessing
is not in the file: it is what the program's own hasher says it runs.
Spec: ``spec/40-release.md`` section 4.
"""

from __future__ import annotations

from pathlib import Path

from veilmatch.errors import ConfigError, EncodingError, SignatureError
from veilmatch.hashing.algorithms import build_hasher
from veilmatch.release.metadata_chain import verify_shipped_root
from veilmatch.release.trusted_release import TrustPolicy
from veilmatch.transparency.policy import Policy
from veilmatch.transparency.policy import parse_policy as parse_log_policy
from veilmatch.wire import Fields, Json, parse_json, to_canonical_json

FORMAT = "veilmatch-trust-v2"
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
        "needs_calibration": int(policy.needs_calibration),
        "root": parse_json(policy.root, "the root"),
        "log_policy": list(policy.log_policy.to_bytes().decode().splitlines()),
    }
    return to_canonical_json(value)


def parse_policy(data: bytes) -> TrustPolicy:
    """Parse a trust policy, strictly; white space and order of fields are free.

    Raises:
        EncodingError: Malformed, a field too many, missing or out of its range.
        ConfigError: An unknown image hash, no log, or a root that is not signed or has keys
            of so few jurisdictions that no release could ever be accepted.
    """
    fields = Fields(parse_json(data, _WHAT), _WHAT)
    if fields.text("format") != FORMAT:
        raise EncodingError("the trust file is of another format", field="format")
    algorithm = fields.text("algorithm", max_len=40)
    policy = TrustPolicy(
        root=to_canonical_json(fields.object("root")),
        log_policy=_parse_log_policy(fields.array("log_policy")),
        algorithm=algorithm,
        preprocessing=dict(build_hasher(algorithm).describe()),
        min_jurisdictions=fields.integer("min_jurisdictions", 2, 100),
        min_shares_floor=fields.integer("min_shares_floor", 2, 1000),
        max_ad_len=fields.integer("max_ad_len", 512, 1 << 20),
        max_probes=fields.integer("max_probes", 1, 64),
        content_class=fields.text("content_class", max_len=40),
        needs_calibration=fields.integer("needs_calibration", 0, 1) == 1,
    )
    fields.finish()
    try:
        verify_shipped_root(policy.root, policy.min_jurisdictions)
    except SignatureError as exc:
        raise ConfigError(
            f"the trust file's root could accept no release: {exc}",
            setting="trust",
            hint="take a root that providers of at least min_jurisdictions jurisdictions signed",
        ) from exc
    return policy


def _parse_log_policy(lines: list[object]) -> Policy:
    if not all(isinstance(line, str) and "\n" not in line for line in lines):
        raise EncodingError("the trust file: log_policy has no lines of text", field="log_policy")
    policy = parse_log_policy("".join(f"{line}\n" for line in lines).encode(errors="replace"))
    if not policy.logs:
        raise ConfigError("the trust file trusts no log", setting="trust")
    return policy


def load_policy(path: Path) -> TrustPolicy:
    """Read a trust file. Raises OSError, and as ``parse_policy``."""
    with path.open("rb") as file:
        data = file.read(MAX_FILE_LEN + 1)
    if len(data) > MAX_FILE_LEN:
        raise EncodingError("the trust file is larger than 1 MiB")
    return parse_policy(data)
