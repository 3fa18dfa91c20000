"""The configuration of ``veilmatch serve``: options, environment, file, in this order.

A file is TOML; in the environment a setting is ``VEILMATCH_SERVE_`` and its name in capitals.
Every setting stands in ``docs/reference/settings.md``; a test compares names and defaults.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError

from veilmatch.access.gate.usage import Quotas
from veilmatch.access.login.sites import OidcSettings, PasskeySite
from veilmatch.clock import DAY_S
from veilmatch.errors import ConfigError
from veilmatch.intakestore.limits import IntakeLimits, RetentionLimits
from veilmatch.review.decision import Scheme
from veilmatch.review.exposure import ExposurePolicy
from veilmatch.review.settings import ReviewPolicy
from veilmatch.secret import SecretBytes
from veilmatch.service.admission import AdmissionLimits
from veilmatch.service.settings import ServiceSettings
from veilmatch.store.files import read_file

PREFIX = "VEILMATCH_SERVE_"
_YEAR_S = 366 * DAY_S
_Seconds = Annotated[int, Field(ge=0, le=_YEAR_S)]
_Count = Annotated[int, Field(ge=0, le=1 << 50)]
_Port = Annotated[int, Field(ge=0, le=65_535)]


class ServeConfiguration(BaseSettings):
    """Every setting of ``veilmatch serve``; what each means stands in the reference."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", hide_input_in_errors=True, frozen=True
    )

    data: Path
    site: Path
    host: str = "127.0.0.1"
    port: _Port = 8462
    database: SecretStr | None = None
    blobs: str | None = None
    access_log: bool = False
    metrics_port: _Port | None = None
    forwarded_from: str = ""
    graceful_s: _Seconds = 30
    max_connections: _Count = 4096

    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    tls_require_client: bool = False

    max_body_len: _Count = 8 << 20
    max_in_flight_len: _Count = 256 << 20
    body_base_s: Annotated[float, Field(ge=0.1, le=3600)] = 20.0
    body_min_rate: Annotated[int, Field(ge=1)] = 16 << 10
    gather_ms: Annotated[int, Field(ge=0, le=10_000)] = 5
    group_count: Annotated[int, Field(ge=1, le=1 << 20)] = 1024
    segment_max_len: Annotated[int, Field(ge=1 << 10)] = 64 << 20
    segment_max_age_s: _Seconds = 900
    min_delay_s: _Seconds = 6 * 3600

    require_platform: bool = False
    address_per_s: Annotated[float, Field(ge=0)] = 1000.0
    address_burst: Annotated[int, Field(ge=1)] = 2000
    account_per_s: Annotated[float, Field(ge=0)] = 200.0
    account_burst: Annotated[int, Field(ge=1)] = 1000
    account_quota: _Count = 5_000_000
    bytes_per_day: _Count = 64 << 30
    deletions_per_day: _Count = 1_000_000
    device_quota: _Count = 64
    alarm_age_s: _Seconds = 48 * 3600
    hard_age_s: _Seconds = 7 * DAY_S
    mark_age_days: Annotated[int, Field(ge=1, le=36_500)] = 400
    batch_count: Annotated[int, Field(ge=1, le=1 << 20)] = 1000

    review_every_s: _Seconds = 60
    review_destroy: bool = False
    head_every_s: _Seconds = DAY_S
    head_log_key: Path | None = None
    head_key: Path | None = None
    heads: Path | None = None
    feedback_every_s: _Seconds = 3600
    feedback_lists: Path | None = None
    feedback_reasons: tuple[str, ...] = ()
    feedback_jurisdiction: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "US"

    appeal_days: Annotated[int, Field(ge=0, le=36_500)] = 180
    claim_s: Annotated[int, Field(ge=60, le=DAY_S)] = 1800
    scheme: Literal["plain", "industry", "uk"] = "plain"
    golden_per_case: Annotated[int, Field(ge=0, le=5)] = 0
    exposure_budget: Annotated[int, Field(ge=1, le=1 << 30)] = 200
    exposure_window_s: Annotated[int, Field(ge=1, le=_YEAR_S)] = DAY_S
    exposure_spell_s: Annotated[int, Field(ge=1, le=_YEAR_S)] = 2700
    exposure_break_s: Annotated[int, Field(ge=1, le=_YEAR_S)] = 900
    hash_sharing_agreement: bool = False

    pages: bool = False
    log: Path | None = None
    log_policy: Path | None = None

    numbers: Path | None = None
    numbers_log_keys: tuple[str, ...] = ()

    administration: bool = False
    administration_step_up: bool = True
    console: bool = False
    console_profile: Path | None = None
    console_step_up: bool = False
    origin: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = SecretStr("")
    oidc_client_secret_file: Path | None = None
    oidc_discovery: Path | None = None
    oidc_required_acr: str = ""

    def service_settings(self) -> ServiceSettings:
        """Return what the service itself needs."""
        return ServiceSettings(
            data=self.data,
            site=self.site,
            max_body_len=self.max_body_len,
            max_in_flight_len=self.max_in_flight_len,
            gather_ms=self.gather_ms,
            group_count=self.group_count,
            limits=IntakeLimits(
                segment_max_len=self.segment_max_len,
                segment_max_age_s=self.segment_max_age_s,
                min_delay_s=self.min_delay_s,
                account_quota=self.account_quota,
                device_quota=self.device_quota,
            ),
            database=None if self.database is None else self.database.get_secret_value(),
            blobs=self.blobs,
            retention=RetentionLimits(
                alarm_age_s=self.alarm_age_s,
                hard_age_s=self.hard_age_s,
                mark_age_days=self.mark_age_days,
                batch_count=self.batch_count,
            ),
            body_base_s=self.body_base_s,
            body_min_rate=self.body_min_rate,
            admission=AdmissionLimits(
                self.address_per_s,
                self.address_burst,
                self.account_per_s,
                self.account_burst,
                self.require_platform,
            ),
            quotas=self.quotas(),
            access_log=self.access_log,
        )

    def quotas(self) -> Quotas:
        """Return what an account may use."""
        return Quotas(self.bytes_per_day, self.deletions_per_day)

    def review_policy(self) -> ReviewPolicy:
        """Return what holds for everybody who reviews.

        Raises:
            ConfigError: A scheme that needs the hash-sharing agreement, without it.
        """
        if self.scheme == Scheme.INDUSTRY.value and not self.hash_sharing_agreement:
            raise ConfigError(
                "the industry scheme is for parties to the hash-sharing agreement",
                setting="scheme",
                hint="set hash_sharing_agreement, if you are",
            )
        return ReviewPolicy(
            claim_s=self.claim_s,
            scheme=Scheme(self.scheme),
            golden_per_case=self.golden_per_case,
            appeal_s=self.appeal_days * DAY_S,
            exposure=ExposurePolicy(
                self.exposure_budget,
                self.exposure_window_s,
                self.exposure_spell_s,
                self.exposure_break_s,
            ),
        )

    def feedback_reason_ids(self) -> dict[str, list[str]]:
        """Return the reason ids of each list's source. Raises ConfigError."""
        return parse_reasons(self.feedback_reasons, "feedback_reasons")

    def passkey_site(self) -> PasskeySite | None:
        """Return the site that passkeys are bound to; None without an ``origin``."""
        if not self.origin:
            return None
        host = self.origin.partition("://")[2].partition("/")[0].rsplit(":", 1)[0]
        if not host or self.origin.endswith("/"):
            raise ConfigError("the origin is like https://review.example", setting="origin")
        return PasskeySite(host, (self.origin,))

    def oidc(self) -> OidcSettings | None:
        """Return the issuer of operators' accounts; None if there is none.

        Raises:
            ConfigError: A part of it is missing.
        """
        if not self.oidc_issuer:
            return None
        if not self.oidc_client_id or not self.origin:
            raise ConfigError("an issuer needs oidc_client_id and origin", setting="oidc_issuer")
        secret = self.oidc_client_secret.get_secret_value().encode()
        if self.oidc_client_secret_file is not None:
            secret = read_file(self.oidc_client_secret_file, "the client secret").strip()
        return OidcSettings(
            issuer=self.oidc_issuer,
            client_id=self.oidc_client_id,
            redirect_uri=f"{self.origin}/review/login/oidc",
            client_secret=SecretBytes(secret) if secret else None,
            discovery=self.oidc_discovery,
            required_acr=self.oidc_required_acr,
        )

    def describe(self) -> dict[str, Any]:
        """Return every setting for people to read; a secret shows only whether it is set."""
        return {name: _describe(getattr(self, name)) for name in sorted(type(self).model_fields)}


def parse_reasons(said: Iterable[str], setting: str) -> dict[str, list[str]]:
    """Parse reason ids, each ``LIST=ID``.

    Raises:
        ConfigError: One is not of that form.
    """
    reasons: dict[str, list[str]] = {}
    for one in said:
        list_id, mark, reason_id = one.partition("=")
        if not (list_id and mark and reason_id):
            raise ConfigError("a reason is LIST=ID", setting=setting)
        reasons.setdefault(list_id, []).append(reason_id)
    return reasons


def _describe(value: object) -> Any:
    if isinstance(value, tuple):
        return " ".join(value)
    if isinstance(value, SecretStr):
        return "(set)" if value.get_secret_value() else ""
    return str(value) if isinstance(value, Path) else value


def load_configuration(path: Path | None, given: Mapping[str, Any]) -> ServeConfiguration:
    """Load the configuration.

    Args:
        path: A TOML file, or None.
        given: What was said on the command line; None stands for not said.

    Raises:
        ConfigError: The file is missing or malformed, or a setting is unknown or unfit. The
            message names settings, never values.
    """
    if path is not None:
        read_file(path, "the configuration", max_len=1 << 20)

    class Loaded(ServeConfiguration):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  not read
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  not read
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            sources = [init_settings, env_settings]
            if path is not None:
                sources.append(TomlConfigSettingsSource(settings_cls, path))
            return tuple(sources)

    said = {name: value for name, value in given.items() if value is not None}
    try:
        return Loaded(**said)
    except ValidationError as exc:
        names = sorted({".".join(map(str, one["loc"])) for one in exc.errors(include_input=False)})
        raise ConfigError(
            f"these settings are missing, unknown or unfit: {', '.join(names)}",
            setting=names[0] if names else "",
            hint="docs/reference/settings.md lists every setting",
        ) from None
    except (SettingsError, ValueError) as exc:
        raise ConfigError("the configuration does not parse", hint="it is TOML") from exc
