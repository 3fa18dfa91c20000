"""PKCS#11 URIs: what is read, what is refused, and that no PIN gets through."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veilmatch.errors import ConfigError
from veilmatch.hsm.uri import is_pkcs11_uri, parse_pkcs11_uri

MODULE = "module-path=/usr/lib/x.so"


def test_a_full_uri() -> None:
    uri = parse_pkcs11_uri(
        "pkcs11:token=Our%20token;serial=0123;manufacturer=M;model=v1;object=key;id=%01%ff;"
        f"type=private?{MODULE}&pin-source=file:/run/pin&folder=/var/secrets"
    )
    assert uri.token == {
        "token": "Our token",
        "serial": "0123",
        "manufacturer": "M",
        "model": "v1",
    }
    assert (uri.object, uri.id, uri.module_path) == ("key", b"\x01\xff", Path("/usr/lib/x.so"))
    assert (uri.pin_source, uri.folder) == (Path("/run/pin"), Path("/var/secrets"))


@pytest.mark.parametrize("source", ["/run/pin", "file:/run/pin", "file:///run/pin", "%2Frun%2Fpin"])
def test_pin_sources(source: str) -> None:
    assert parse_pkcs11_uri(f"pkcs11:?{MODULE}&pin-source={source}").pin_source == Path("/run/pin")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://x",
        "pkcs11:",
        "pkcs11:token=a",
        f"pkcs11:token?{MODULE}",
        f"pkcs11:token=a;token=b?{MODULE}",
        f"pkcs11:colour=red?{MODULE}",
        f"pkcs11:token=%zz?{MODULE}",
        f"pkcs11:token=%ff?{MODULE}",
        f"pkcs11:token=%00?{MODULE}",
        f"pkcs11:type=cert?{MODULE}",
        f"pkcs11:token=ä?{MODULE}",
        "pkcs11:?module-path=x.so",
        f"pkcs11:?{MODULE}&pin-source=pin",
        f"pkcs11:?{MODULE}&pin-source=|cat%20/run/pin",
        f"pkcs11:?{MODULE}&folder=secrets",
        f"pkcs11:?{MODULE}&unknown=1",
        f"pkcs11:?{MODULE}&",
        "pkcs11:token=" + 5000 * "a",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_pkcs11_uri(text)


@pytest.mark.parametrize(
    "part", ["?module-path=/x.so&pin-value=815", ";pin-value=815?module-path=/x"]
)
def test_a_pin_in_the_uri_is_refused_and_not_repeated(part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_pkcs11_uri(f"pkcs11:token=a{part}")
    assert "PIN" in str(caught.value)
    assert "815" not in str(caught.value) + caught.value.hint


@given(
    st.one_of(st.text(), st.text().map("pkcs11:{}".format), st.text().map((MODULE + "{}").format))
)
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        uri = parse_pkcs11_uri(text)
    except ConfigError:
        return
    assert is_pkcs11_uri(text)
    assert uri.module_path.is_absolute()
