"""Platforms, their credentials, and the accounts and devices of their users."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import func, select

from veilmatch.access.gate.snapshot import reinstate_account, revoke_device, suspend_account
from veilmatch.access.gate.usage import read_usage
from veilmatch.admin.guard import (
    AdminChange,
    AdminOrAuditor,
    Engineer,
    EngineerChange,
    Parts,
    Reader,
)
from veilmatch.admin.models import (
    CertificateIn,
    CredentialMade,
    CredentialOut,
    DeviceId,
    Id,
    PlatformIn,
    PlatformOut,
    QuotasOut,
    State,
    StateIn,
    TokenOut,
    UsageOut,
    ValidIn,
)
from veilmatch.clock import DAY_S
from veilmatch.store import schema

router = APIRouter()


@router.get("/platforms")
def list_platforms(parts: Parts, _who: AdminOrAuditor) -> list[PlatformOut]:
    """List platforms."""
    return [
        PlatformOut(platform_id=one.platform_id.hex(), name=one.name, state=State(one.state))
        for one in parts.platforms.list_all()
    ]


@router.post("/platforms", status_code=201)
def add_platform(said: PlatformIn, parts: Parts, who: AdminChange) -> PlatformOut:
    """Add a platform."""
    with parts.database.transaction() as connection:
        made = parts.platforms.add(connection, said.name)
        parts.note(connection, who, "platform.added", made)
    return PlatformOut(platform_id=made.hex(), name=said.name, state=State.ACTIVE)


@router.put("/platforms/{platform_id}/state", status_code=204)
def set_platform_state(platform_id: Id, said: StateIn, parts: Parts, who: AdminChange) -> None:
    """Disable a platform, or take it back into use."""
    target = bytes.fromhex(platform_id)
    with parts.database.transaction() as connection:
        parts.platforms.set_state(connection, target, said.state.value)
        parts.note(connection, who, "platform.state", target, state=said.state.value)


@router.get("/platforms/{platform_id}/credentials")
def list_credentials(platform_id: Id, parts: Parts, _who: AdminOrAuditor) -> list[CredentialOut]:
    """List a platform's tokens and certificates."""
    return [
        CredentialOut(
            credential_id=one.credential_id.hex(),
            kind=one.kind,
            created_at=one.created_at,
            expires_at=one.expires_at,
            revoked_at=one.revoked_at,
        )
        for one in parts.platforms.list_credentials(bytes.fromhex(platform_id))
    ]


@router.post("/platforms/{platform_id}/tokens", status_code=201)
def add_token(platform_id: Id, said: ValidIn, parts: Parts, who: AdminChange) -> TokenOut:
    """Make a bearer token for a platform; it is shown once."""
    target = bytes.fromhex(platform_id)
    with parts.database.transaction() as connection:
        made = parts.platforms.add_token(connection, target, said.valid_s)
        parts.note(connection, who, "platform.token", target)
    return TokenOut(credential_id=made.credential_id.hex(), token=made.token)


@router.post("/platforms/{platform_id}/certificates", status_code=201)
def add_certificate(
    platform_id: Id, said: CertificateIn, parts: Parts, who: AdminChange
) -> CredentialMade:
    """Accept a client certificate for a platform."""
    target, pem = bytes.fromhex(platform_id), said.pem.encode("utf-8", "replace")
    with parts.database.transaction() as connection:
        made = parts.platforms.add_certificate(connection, target, pem, said.valid_s)
        parts.note(connection, who, "platform.certificate", target)
    return CredentialMade(credential_id=made.hex())


@router.delete("/credentials/{credential_id}", status_code=204)
def revoke_credential(credential_id: Id, parts: Parts, who: AdminChange) -> None:
    """Revoke a token or a certificate; it holds within a second everywhere."""
    target = bytes.fromhex(credential_id)
    with parts.database.transaction() as connection:
        parts.platforms.revoke(connection, target)
        parts.note(connection, who, "platform.revoked", target)


@router.put("/accounts/{account}/suspension", status_code=204)
def suspend(account: Id, parts: Parts, who: EngineerChange) -> None:
    """Refuse an account's uploads."""
    target = bytes.fromhex(account)
    with parts.database.transaction() as connection:
        suspend_account(connection, target, parts.clock())
        parts.note(connection, who, "account.suspended", b"", {"account": account})


@router.delete("/accounts/{account}/suspension", status_code=204)
def reinstate(account: Id, parts: Parts, who: EngineerChange) -> None:
    """Take an account's uploads again."""
    with parts.database.transaction() as connection:
        reinstate_account(connection, bytes.fromhex(account))
        parts.note(connection, who, "account.reinstated", b"", {"account": account})


@router.put("/accounts/{account}/devices/{device_key_id}/revocation", status_code=204)
def revoke(account: Id, device_key_id: DeviceId, parts: Parts, who: EngineerChange) -> None:
    """Refuse a device for good."""
    device = bytes.fromhex(device_key_id)
    with parts.database.transaction() as connection:
        revoke_device(connection, bytes.fromhex(account), device, parts.clock())
        parts.note(connection, who, "device.revoked", b"", {"account": account})


@router.get("/accounts/{account}/usage")
def read_account(account: Id, parts: Parts, who: Engineer) -> UsageOut:
    """What an account has used today; nothing about matches."""
    target, device = bytes.fromhex(account), schema.device.c
    with parts.database.transaction() as connection:
        body_len, deletions = read_usage(connection, target, parts.clock() // DAY_S)
        devices = connection.execute(
            select(func.count()).where(device.account == target)
        ).scalar_one()
        vouchers = connection.execute(
            select(schema.account.c.voucher_count).where(schema.account.c.account == target)
        ).scalar()
        parts.note(connection, who, "account.read", b"", {"account": account})
    return UsageOut(
        body_len=body_len,
        deletion_count=deletions,
        device_count=devices,
        voucher_count=vouchers or 0,
    )


@router.get("/quotas")
def read_quotas(parts: Parts, _who: Reader) -> QuotasOut:
    """What every account may use."""
    quotas = parts.quotas
    return QuotasOut(
        bytes_per_day=quotas.bytes_per_day,
        deletions_per_day=quotas.deletions_per_day,
        vouchers=parts.limits.account_quota,
        devices=parts.limits.device_quota,
    )
