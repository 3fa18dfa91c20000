"""Settings: options over environment over file; every one documented; secrets stay secret."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from tests.docs.markdown import ROOT
from tests.simulators.certificates import make_certificate
from veilmatch.errors import ConfigError
from veilmatch.review.decision import Scheme
from veilmatch.review.exposure import ExposurePolicy
from veilmatch.review.settings import ReviewPolicy
from veilmatch.service.settings import ServiceSettings
from veilmatch.service.setup.configuration import (
    PREFIX,
    ServeConfiguration,
    load_configuration,
)
from veilmatch.service.setup.tls import tls_options

_NEEDED = {"data": Path("data"), "site": Path("site")}


def _shown(value: object) -> str:
    """A default as the page writes it."""
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "none"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value in ("", ()):
        return "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def test_every_setting_is_documented_with_its_default() -> None:
    text = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    part = text.split("## `veilmatch serve`")[1].split("\n## ")[0]
    said = dict(re.findall(r"^\| `([a-z_]+)` \| ([^|]+?) \|", part, re.MULTILINE))
    fields = ServeConfiguration.model_fields
    assert said == {name: _shown(field.default) for name, field in fields.items()}


def test_without_anything_the_service_has_its_own_defaults() -> None:
    made = load_configuration(None, _NEEDED).service_settings()
    assert made == ServiceSettings(data=Path("data"), site=Path("site"))


def test_options_over_environment_over_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "veilmatch.toml"
    file.write_text('data = "d"\nsite = "s"\nport = 1\ngather_ms = 2\naccess_log = true\n')
    monkeypatch.setenv(f"{PREFIX}PORT", "3")
    monkeypatch.setenv(f"{PREFIX}GRACEFUL_S", "4")
    made = load_configuration(file, {"port": 5, "host": None})
    assert (made.port, made.graceful_s, made.gather_ms, made.access_log) == (5, 4, 2, True)
    assert made.data == Path("d")
    assert load_configuration(file, {}).port == 3


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("port = 70000", "port"),
        ('port = "secret-value"', "port"),
        ("unknown_thing = 1", "unknown_thing"),
        ("body_min_rate = 0", "body_min_rate"),
        ("tls_key = 7", "tls_key"),
    ],
)
def test_unfit_settings_are_named_and_their_values_are_not_shown(
    tmp_path: Path, text: str, named: str
) -> None:
    file = tmp_path / "veilmatch.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_configuration(file, _NEEDED)
    assert named in str(caught.value)
    assert "secret-value" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_missing_and_malformed_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load_configuration(tmp_path / "none.toml", _NEEDED)
    broken = tmp_path / "broken.toml"
    broken.write_text("port = = 1")
    with pytest.raises(ConfigError):
        load_configuration(broken, _NEEDED)
    with pytest.raises(ConfigError, match="data, site"):
        load_configuration(None, {})


def test_secrets_show_only_whether_they_are_set(tmp_path: Path) -> None:
    secret = os.urandom(8).hex()
    given: dict[str, Any] = _NEEDED | {
        "database": SecretStr(f"postgresql://u:{secret}@host/db"),
        "oidc_client_secret": SecretStr(secret),
    }
    made = load_configuration(None, given)
    assert secret not in repr(made)
    shown = made.describe()
    assert secret not in str(shown)
    assert shown["database"] == shown["oidc_client_secret"] == "(set)"
    assert made.service_settings().database == f"postgresql://u:{secret}@host/db"
    assert secret not in repr(made.service_settings())
    path = tmp_path / "secret"
    path.write_text(secret + "\n")
    given |= {
        "oidc_issuer": "https://id.example",
        "oidc_client_id": "veilmatch",
        "origin": "https://review.example",
        "oidc_client_secret_file": path,
    }
    issuer = load_configuration(None, given).oidc()
    assert issuer is not None
    assert issuer.client_secret is not None
    assert issuer.client_secret.reveal() == secret.encode()
    assert issuer.redirect_uri.startswith("https://review.example/")
    assert secret not in repr(issuer)


def test_passkeys_and_issuers_need_an_origin() -> None:
    assert load_configuration(None, _NEEDED).passkey_site() is None
    assert load_configuration(None, _NEEDED).oidc() is None
    site = load_configuration(None, _NEEDED | {"origin": "https://a.example:8443"}).passkey_site()
    assert site is not None
    assert (site.rp_id, site.origins) == ("a.example", ("https://a.example:8443",))
    for wrong in ("a.example", "https://a.example/"):
        with pytest.raises(ConfigError):
            load_configuration(None, _NEEDED | {"origin": wrong}).passkey_site()
    with pytest.raises(ConfigError):
        load_configuration(None, _NEEDED | {"oidc_issuer": "https://id.example"}).oidc()


def test_tls_settings_that_do_not_go_together(tmp_path: Path) -> None:
    made = make_certificate("service")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(made.pem)
    key.write_bytes(made.key)
    assert tls_options(None, None, None, require=False) == {}
    assert tls_options(certificate, key, None, require=False)["ssl_certfile"] == str(certificate)
    for wrong in (
        (None, key, None, False),
        (None, None, certificate, False),
        (None, None, None, True),
        (certificate, None, None, False),
        (certificate, key, None, True),
        (certificate, tmp_path / "none", None, False),
    ):
        with pytest.raises(ConfigError):
            tls_options(*wrong[:3], require=wrong[3])


def test_the_policy_of_review_comes_from_file_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_configuration(None, _NEEDED).review_policy() == ReviewPolicy()
    file = tmp_path / "veilmatch.toml"
    file.write_text(
        'scheme = "industry"\nhash_sharing_agreement = true\ngolden_per_case = 2\n'
        'appeal_days = 90\nexposure_budget = 50\nfeedback_reasons = ["north=7", "north=8"]\n'
    )
    monkeypatch.setenv(f"{PREFIX}CLAIM_S", "600")
    monkeypatch.setenv(f"{PREFIX}EXPOSURE_BREAK_S", "1200")
    made = load_configuration(file, _NEEDED)
    assert made.review_policy() == ReviewPolicy(
        claim_s=600,
        scheme=Scheme.INDUSTRY,
        golden_per_case=2,
        appeal_s=90 * 86_400,
        exposure=ExposurePolicy(budget=50, break_s=1200),
    )
    assert made.feedback_reason_ids() == {"north": ["7", "8"]}
    monkeypatch.setenv(f"{PREFIX}FEEDBACK_REASONS", '["west=1"]')
    assert load_configuration(file, _NEEDED).feedback_reason_ids() == {"west": ["1"]}
    assert made.describe()["feedback_reasons"] == "north=7 north=8"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("claim_s", 59),
        ("claim_s", 86_401),
        ("scheme", "mine"),
        ("golden_per_case", 6),
        ("exposure_budget", 0),
        ("exposure_spell_s", 0),
        ("appeal_days", -1),
        ("feedback_jurisdiction", "Germany"),
    ],
)
def test_a_policy_out_of_its_range_is_named(setting: str, value: object) -> None:
    with pytest.raises(ConfigError, match=setting) as caught:
        load_configuration(None, _NEEDED | {setting: value})
    assert caught.value.setting == setting
