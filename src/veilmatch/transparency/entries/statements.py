"""Builds the statements that belong to no single release: parameters, software, revocations.

Spec: ``spec/80-transparency.md`` section 10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from veilmatch.errors import ConfigError
from veilmatch.transparency.entries.canonical import Json, build_json
from veilmatch.transparency.entries.entry import EntryKind, Statement, Subject, hash_statement
from veilmatch.transparency.entries.envelope import PartyKey
from veilmatch.transparency.entries.manifest import summarise_manifest

# What a statement of one kind can be withdrawn as; the rest of the log stands for ever.
_REVOCABLE = {
    EntryKind.RELEASE: "release",
    EntryKind.LIST_ATTESTATION: "list-attestation",
    EntryKind.CERTIFICATE: "certificate",
    EntryKind.SOFTWARE: "software",
}


def build_parameters_statement(manifest: bytes, *, from_epoch: int | None = None) -> Statement:
    """State which parameters hold from an epoch on. Signed by publisher and providers.

    Args:
        manifest: A manifest with these parameters.
        from_epoch: The first epoch; None for the manifest's own.

    Raises:
        EncodingError: The manifest is malformed.

    Source: spec/80-transparency.md rules S-3 and S-6.
    """
    facts = summarise_manifest(manifest).facts
    parameters = facts["parameters"]
    assert isinstance(parameters, dict)  # summarise_manifest makes it
    subject = Subject("parameters", hash_statement(build_json(parameters)))
    epoch = facts["epoch"] if from_epoch is None else from_epoch
    predicate: dict[str, Json] = {"from_epoch": epoch, "parameters": parameters}
    return Statement(EntryKind.PARAMETERS, (subject,), predicate)


def build_software_statement(files: Mapping[str, bytes], *, version: str, source: str) -> Statement:
    """State which files a version of the software is. Signed by who publishes it.

    Args:
        files: Name to SHA-256, ``bytes (32,)``.
        version: The version's name.
        source: Where the sources are, and at which commit.

    Raises:
        EncodingError: There are no files, or a name or text is malformed.

    Source: spec/80-transparency.md rules S-2 and S-3.
    """
    subjects = tuple(Subject(name, files[name]) for name in sorted(files))
    return Statement(EntryKind.SOFTWARE, subjects, {"version": version, "source": source})


def build_revocation(revoked: Sequence[Statement], *, reason: str, effective_at: int) -> Statement:
    """State that statements of one kind no longer stand. Signed by who made them, or by others.

    Args:
        revoked: The statements, one or more, all of one kind.
        reason: Why, for everyone to read: no name of a person, nothing about a picture.
        effective_at: From when on, seconds since 1970.

    Raises:
        ConfigError: They are of several kinds, or of one that cannot be withdrawn.
        EncodingError: There is none, or the reason is no text of 1 to 500 characters.

    Source: spec/80-transparency.md rules S-3 and S-7.
    """
    kinds = {one.kind for one in revoked}
    if len(kinds) > 1 or not kinds <= _REVOCABLE.keys():
        hint = f"one of {', '.join(_REVOCABLE.values())}; a key is named by --provider"
        raise ConfigError("these statements cannot be revoked together, or at all", hint=hint)
    subjects = {_name(one): one.to_entry() for one in revoked}
    return _build_revocation(
        next((_REVOCABLE[one] for one in kinds), ""), subjects, reason, effective_at
    )


def build_key_revocation(keys: Sequence[PartyKey], *, reason: str, effective_at: int) -> Statement:
    """State that parties' keys no longer stand. Signed by them, or by others.

    Args:
        keys: The public keys.
        reason: Why, for everyone to read.
        effective_at: From when on, seconds since 1970.

    Raises:
        EncodingError: There is none, or the reason is no text of 1 to 500 characters.

    Source: spec/80-transparency.md rules S-3 and S-7.
    """
    subjects = {f"key of {one.party}": bytes.fromhex(one.key_id) for one in keys}
    return _build_revocation("key", subjects, reason, effective_at)


def _name(statement: Statement) -> str:
    """A name for people; the digest says which one. The start of it keeps names apart."""
    return f"{statement.subjects[0].name} {statement.to_entry().hex()[:16]}"


def _build_revocation(
    what: str, subjects: Mapping[str, bytes], reason: str, effective_at: int
) -> Statement:
    predicate: dict[str, Json] = {
        "revoked": what,
        "reason": reason,
        "effective_at": effective_at,
    }
    named = tuple(Subject(name, subjects[name]) for name in sorted(subjects))
    return Statement(EntryKind.REVOCATION, named, predicate)
