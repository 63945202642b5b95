"""The probing clients really offer what they are for: shown by a handshake in memory."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from wardstack.archive import foreign
from wardstack.archive.tls import control_handshake, permissive_server, probing_context


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> foreign.Stranger:
    return foreign.create(tmp_path_factory.mktemp("foreign"), "WSVERIFY")


@pytest.mark.parametrize(
    ("version", "name"), [("1.0", "TLSv1"), ("1.1", "TLSv1.1"), ("1.2", "TLSv1.2"), ("1.3", "TLSv1.3")]
)
def test_a_version_is_offered_and_nothing_else(stranger: foreign.Stranger, version: str, name: str) -> None:
    client = probing_context(None, None, version)
    assert control_handshake(client, permissive_server(stranger.certificate, stranger.key)).startswith(f"{name} ")
    other = "1.2" if version != "1.2" else "1.3"
    with pytest.raises(ssl.SSLError):
        control_handshake(client, permissive_server(stranger.certificate, stranger.key, version=other))


def test_the_client_hello_of_tls_1_0_says_so(stranger: foreign.Stranger) -> None:
    outgoing = ssl.MemoryBIO()
    client = probing_context(None, None, "1.0").wrap_bio(ssl.MemoryBIO(), outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello = outgoing.read()
    # Record of a handshake; in it: type 1, three bytes of length, client version 3.1.
    assert hello[0] == 22
    assert hello[5] == 1
    assert hello[9:11] == b"\x03\x01"


def test_allowed_suites_are_not_offered(stranger: foreign.Stranger) -> None:
    allowed = ("ECDHE-RSA-AES256-GCM-SHA384",)
    client = probing_context(None, None, "1.2", without_ciphers=allowed)
    strict = permissive_server(stranger.certificate, stranger.key, version="1.2")
    agreed = control_handshake(client, strict)
    assert allowed[0] not in agreed
    strict.set_ciphers(allowed[0])
    with pytest.raises(ssl.SSLError):
        control_handshake(client, strict)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_missing_certificate_is_seen_by_a_strict_server(stranger: foreign.Stranger, version: str) -> None:
    server = permissive_server(stranger.certificate, stranger.key, authority=stranger.ca)
    with pytest.raises(ssl.SSLError):
        control_handshake(probing_context(None, None, version), server)
    shown = probing_context(stranger.certificate, stranger.key, version)
    assert control_handshake(shown, server)


def test_the_strangers_key_is_private(stranger: foreign.Stranger) -> None:
    assert Path(stranger.key).stat().st_mode & 0o777 == 0o600
