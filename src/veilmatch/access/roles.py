"""Roles, and the person behind a request.

Who reviews pictures does not administer, and who administers does not review: one person
must not be able to both make accounts and decide cases.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from veilmatch.errors import ConfigError, PolicyError, StepUpError


class Role(enum.Enum):
    """What a person may do."""

    REVIEWER = "reviewer"  # claims and decides cases
    LEAD = "lead"  # appeals, second decisions, statistics of the queue
    REPORTER = "reporter"  # prepares and sends reports
    ADMIN = "admin"  # operators, platforms, tokens, devices, quotas, settings
    OPERATOR = "operator"  # anomalies, dead letters, retention: engineers, no pictures
    AUDITOR = "auditor"  # reads everything that holds no picture, changes nothing


_REVIEWING = frozenset({Role.REVIEWER, Role.LEAD})
STEP_UP_MAX_AGE_S = 300


@dataclass(frozen=True)
class Principal:
    """A person who is logged in.

    Attributes:
        operator_id: 16 bytes.
        name: The account's name; for pages, never for logs.
        roles: What the person may do.
        stepped_up_at: When this session last saw a passkey; None if never.
    """

    operator_id: bytes
    name: str
    roles: frozenset[Role]
    stepped_up_at: int | None

    def __repr__(self) -> str:
        return "Principal(<private>)"


def parse_roles(names: Iterable[str]) -> frozenset[Role]:
    """Parse names of roles, and check that they go together.

    Raises:
        ConfigError: An unknown name, none at all, or roles that exclude each other.
    """
    try:
        roles = frozenset(Role(name) for name in names)
    except ValueError as exc:
        known = ", ".join(role.value for role in Role)
        raise ConfigError("there is no such role", setting="role", hint=f"one of {known}") from exc
    check_roles(roles)
    return roles


def check_roles(roles: frozenset[Role]) -> None:
    """Refuse no role, and roles that exclude each other. Raises ConfigError."""
    if not roles:
        raise ConfigError("an operator needs at least one role", setting="role")
    if Role.ADMIN in roles and roles & _REVIEWING:
        raise ConfigError(
            "who reviews does not administer, and who administers does not review",
            setting="role",
            hint="make two accounts, for two people",
        )


def require_role(principal: Principal, *roles: Role) -> None:
    """Refuse who has none of the roles. Raises PolicyError."""
    if principal.roles.isdisjoint(roles):
        raise PolicyError("this role may not do that")


def require_step_up(principal: Principal, now: int, max_age_s: int = STEP_UP_MAX_AGE_S) -> None:
    """Refuse whose session saw no passkey lately. Raises StepUpError."""
    seen = principal.stepped_up_at
    if seen is None or not 0 <= now - seen <= max_age_s:
        raise StepUpError("this needs a passkey now")
