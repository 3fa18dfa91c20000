"""A package opens for its recipient alone, whole and unchanged, or not at all."""

from __future__ import annotations

import io
import tarfile

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from veilmatch.errors import Error, SignatureError, VerificationError
from veilmatch.hazmat.signing import SigningKey
from veilmatch.report.archive import Part, build_package, open_package, seal_part
from veilmatch.report.body import Step
from veilmatch.secret import SecretBytes

SIGNER = SigningKey(SecretBytes(b"s" * 32))
RECIPIENT = SecretBytes(b"r" * 32)
RECIPIENT_KEY = X25519PrivateKey.from_private_bytes(b"r" * 32).public_key().public_bytes_raw()
NUMBER = 7
PARTS = {
    "report": Part(Step.OPEN, "", b"<report/>"),
    "file-aa": Part(Step.FILE, "aa", b"harmless bytes" * 100),
    "details-aa": Part(Step.DETAILS, "aa", b"<fileDetails/>"),
}


def _sealed() -> dict[str, bytes]:
    return {name: seal_part(RECIPIENT_KEY, NUMBER, name, part) for name, part in PARTS.items()}


def _repack(data: bytes, change: dict[str, bytes | None]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, tarfile.open(fileobj=out, mode="w") as new:
        members = {one.name: old.extractfile(one).read() for one in old}  # type: ignore[union-attr]
        for name, content in {**members, **change}.items():
            if content is not None:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                new.addfile(info, io.BytesIO(content))
    return out.getvalue()


def test_a_package_opens_for_its_recipient() -> None:
    package = open_package(
        build_package(SIGNER, RECIPIENT_KEY, NUMBER, _sealed()), RECIPIENT, SIGNER.public_key
    )
    assert package.number == NUMBER
    assert sorted(package.parts, key=lambda part: part.kind.value) == sorted(
        PARTS.values(), key=lambda part: part.kind.value
    )


def test_nothing_of_the_content_is_readable_from_outside() -> None:
    data = build_package(SIGNER, RECIPIENT_KEY, NUMBER, _sealed())
    assert b"harmless" not in data
    assert b"<report" not in data


def test_another_key_or_signer_is_refused() -> None:
    data = build_package(SIGNER, RECIPIENT_KEY, NUMBER, _sealed())
    with pytest.raises(VerificationError, match="does not open"):
        open_package(data, SecretBytes(b"x" * 32), SIGNER.public_key)
    with pytest.raises(SignatureError):
        open_package(data, RECIPIENT, SigningKey(SecretBytes(b"t" * 32)).public_key)


@pytest.mark.parametrize(
    "change",
    [
        {"file-aa": None},
        {"file-bb": b"more"},
        {"file-aa": b"changed"},
        {"manifest.json": b"{}"},
        {"manifest.sig": b"\x00" * 64},
        {"manifest.sig": None},
    ],
)
def test_a_changed_package_is_refused(change: dict[str, bytes | None]) -> None:
    data = build_package(SIGNER, RECIPIENT_KEY, NUMBER, _sealed())
    assert open_package(_repack(data, {}), RECIPIENT, SIGNER.public_key).number == NUMBER
    with pytest.raises(VerificationError):
        open_package(_repack(data, change), RECIPIENT, SIGNER.public_key)


def test_a_part_of_another_package_or_name_is_refused() -> None:
    for number, name in ((NUMBER + 1, "report"), (NUMBER, "other")):
        moved = _sealed() | {"report": seal_part(RECIPIENT_KEY, number, name, PARTS["report"])}
        data = build_package(SIGNER, RECIPIENT_KEY, NUMBER, moved)
        with pytest.raises(VerificationError, match="does not open"):
            open_package(data, RECIPIENT, SIGNER.public_key)


def test_bytes_that_are_no_package_are_refused() -> None:
    whole = build_package(SIGNER, RECIPIENT_KEY, NUMBER, _sealed())
    for data in (b"", b"no archive", whole[:100], whole[: len(whole) // 2]):
        with pytest.raises(Error):
            open_package(data, RECIPIENT, SIGNER.public_key)
