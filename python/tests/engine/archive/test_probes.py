"""The probes must find what is wrong: each is tried on a server that makes one mistake."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from socket import create_server

from tests.engine.archive.rig import ADDRESS, CIPHERS, Archive
from wardstack.archive import foreign
from wardstack.archive.config import VerifyConfig
from wardstack.archive.probes import Probe, probe_all
from wardstack.archive.tls import permissive_server


@contextmanager
def server(port: int, context: ssl.SSLContext) -> Iterator[None]:
    """A server that answers whatever is said to it, if TLS lets it in."""
    listener = create_server((ADDRESS, port))
    over = threading.Event()

    def serve() -> None:
        listener.settimeout(0.1)
        while not over.is_set():
            try:
                raw, _ = listener.accept()
            except TimeoutError:
                continue
            raw.settimeout(2.0)
            try:
                with context.wrap_socket(raw, server_side=True) as connection:
                    if connection.recv(4096):
                        connection.sendall(b"anything")
            except OSError:
                raw.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        listener.close()


def strict(archive: Archive) -> ssl.SSLContext:
    """A server that makes no mistake."""
    certificate, key = archive.authority.issue("strict")
    context = permissive_server(certificate, key, authority=archive.authority.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(CIPHERS))
    return context


def failed(archive: Archive, context: ssl.SSLContext, **changes: object) -> dict[str, Probe]:
    """The probes that a server fails, by name."""
    config: VerifyConfig = replace(archive.config, dicom_port=2765, https_port=2765, timeout=3.0, **changes)  # type: ignore[arg-type]
    with server(2765, context):
        return {probe.name: probe for probe in probe_all(config) if not probe.ok}


def test_a_strict_server_passes_every_probe(archive: Archive) -> None:
    assert failed(archive, strict(archive)) == {}


def test_old_versions_are_found(archive: Archive) -> None:
    context = strict(archive)
    context.set_ciphers("ALL:@SECLEVEL=0")
    for version, name in ((ssl.TLSVersion.TLSv1_1, ["TLS 1.1"]), (ssl.TLSVersion.TLSv1, ["TLS 1.0", "TLS 1.1"])):
        context.minimum_version = version
        found = failed(archive, context)
        assert [probe for probe in found if probe in ("TLS 1.0", "TLS 1.1")] == name
        assert all(found[one].outcome == "served" for one in name)


def test_suites_outside_the_standard_are_found(archive: Archive) -> None:
    context = strict(archive)
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-GCM-SHA384")
    assert list(failed(archive, context)) == ["TLS 1.2 with every cipher suite outside the standard"]


def test_a_server_that_asks_for_no_certificate_is_found(archive: Archive) -> None:
    context = strict(archive)
    context.verify_mode = ssl.CERT_NONE
    assert set(failed(archive, context)) == {
        f"{what}, TLS {version}"
        for what in ("no certificate", "a certificate of a foreign authority")
        for version in ("1.2", "1.3")
    }


def test_a_server_with_a_certificate_of_another_authority_is_found(archive: Archive) -> None:
    stranger = foreign.create(archive.folder, "archive")
    context = permissive_server(stranger.certificate, stranger.key, authority=archive.authority.ca)
    found = failed(archive, context)
    assert found["a device of the site, before"].how.startswith("by the client")


def test_a_server_that_is_not_there_proves_nothing(archive: Archive) -> None:
    probes = probe_all(replace(archive.config, dicom_port=2766, https_port=2766, timeout=1.0))
    assert not any(probe.ok for probe in probes)
    assert {probe.outcome for probe in probes} == {"unclear"}
