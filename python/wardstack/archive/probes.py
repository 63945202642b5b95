"""Probes: what the archive must refuse, tried for real, each with a control.

A refusal proves nothing if the client could not have succeeded anywhere, or if
the archive refuses everybody. So every probe's context first completes a
handshake with a permissive server in memory, and the run counts only if a
device that does everything right is served before and after the probes.
"""

from __future__ import annotations

import socket
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification

from wardstack.archive import foreign
from wardstack.archive.config import VerifyConfig
from wardstack.archive.instance import IMPLEMENTATION_CLASS_UID
from wardstack.archive.tls import (
    control_handshake,
    device_context,
    permissive_server,
    probing_context,
)


@dataclass(frozen=True)
class Answer:
    """What a server did with a connection.

    Attributes:
        outcome: ``refused`` (a TLS alert, or the connection closed before any
            answer), ``served`` (the application answered), or ``unclear``
            (no connection, no answer in time).
        how: In words, with OpenSSL's name of the alert.
    """

    outcome: str
    how: str


@dataclass(frozen=True)
class Probe:
    """A probe's result.

    Attributes:
        clause: Id of the clause that it measures.
        name: What was tried.
        port: The port it was tried on.
        expected: ``refused`` or ``served``.
        outcome: See :class:`Answer`.
        how: See :class:`Answer`.
        control: What the same client agreed on with a permissive server; empty
            for probes that expect to be served.
        ok: Outcome as expected, and the control worked.
    """

    clause: str
    name: str
    port: int
    expected: str
    outcome: str
    how: str
    control: str
    ok: bool


def probe_all(config: VerifyConfig) -> list[Probe]:
    """Try everything that the archive must refuse, and what it must serve.

    Args:
        config: Where the archive is, and the device's certificate.

    Returns:
        The probes in the order tried.
    """
    hello = associate_request(config)
    get = f"GET /dicom-web/studies?limit=1 HTTP/1.1\r\nHost: {config.address}\r\n\r\n".encode()
    dicom, https = config.dicom_port, config.https_port
    probes = [_served(config, "a device of the site, before", dicom, hello)]
    with tempfile.TemporaryDirectory() as folder:
        stranger = foreign.create(Path(folder), config.calling_aet)
        own = (config.certificate, config.key)
        for version in ("1.0", "1.1"):
            client = probing_context(*own, version=version)
            server = permissive_server(*own, version=version)
            for port, message in ((dicom, hello), (https, get)):
                probes.append(_refused(config, "STD-08.1", f"TLS {version}", port, message, client, server))
        client = probing_context(*own, version="1.2", without_ciphers=config.tls_ciphers)
        server = permissive_server(*own)
        for port, message in ((dicom, hello), (https, get)):
            name = "TLS 1.2 with every cipher suite outside the standard"
            probes.append(_refused(config, "STD-08.1", name, port, message, client, server))
        # Both versions: with TLS 1.3 a refusal only shows at the first read.
        for version in ("1.2", "1.3") if config.certificate_required else ():
            client = probing_context(None, None, version)
            name = f"no certificate, TLS {version}"
            probes.append(_refused(config, "STD-07.2", name, dicom, hello, client, permissive_server(*own)))
            client = probing_context(stranger.certificate, stranger.key, version)
            server = permissive_server(*own, authority=stranger.ca)
            name = f"a certificate of a foreign authority, TLS {version}"
            probes.append(_refused(config, "STD-07.2", name, dicom, hello, client, server))
        probes.append(_wrong_authority(config, stranger.ca))
    probes.append(_wrong_name(config))
    probes.append(_served(config, "a device of the site, after", dicom, hello))
    return probes


def associate_request(config: VerifyConfig) -> bytes:
    """Return an A-ASSOCIATE-RQ PDU for C-ECHO (PS3.8 9.3.2)."""
    length, implementation = (
        MaximumLengthNotification(),
        ImplementationClassUIDNotification(),
    )
    length.maximum_length_received = 16382
    implementation.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title = config.calling_aet
    request.called_ae_title = config.called_aet
    context = build_context(Verification)
    context.context_id = 1
    request.presentation_context_definition_list = [context]
    request.user_information = [length, implementation]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(request)
    return bytes(pdu.encode())


def ask(address: str, port: int, context: ssl.SSLContext, message: bytes, timeout: float) -> Answer:
    """Connect, say something, and see whether anything is answered.

    Args:
        address: The server.
        port: Its port.
        context: The client's side of TLS.
        message: What to say after the handshake.
        timeout: For each step, seconds.

    Returns:
        What the server did.
    """
    try:
        raw = socket.create_connection((address, port), timeout)
    except OSError as error:
        return Answer("unclear", f"no connection: {error}")
    with raw:
        try:
            with context.wrap_socket(raw, server_hostname=address) as secure:
                agreed = f"{secure.version()} {(secure.cipher() or ('?',))[0]}"
                secure.sendall(message)
                answer = secure.recv(16)
        except ssl.SSLCertVerificationError as error:
            return Answer("refused", f"by the client: {error.verify_message}")
        except ssl.SSLEOFError:
            return Answer("refused", "connection closed in the handshake")
        except ssl.SSLError as error:
            reason = error.reason or str(error)
            return Answer("refused" if "ALERT" in reason else "unclear", reason)
        except (ConnectionResetError, BrokenPipeError) as error:
            return Answer("refused", f"connection reset: {error.strerror}")
        except TimeoutError:
            return Answer("unclear", f"no answer within {timeout:g} s")
    if not answer:
        return Answer("refused", f"closed without an answer after {agreed}")
    return Answer("served", agreed)


def _served(config: VerifyConfig, name: str, port: int, message: bytes) -> Probe:
    answer = ask(config.address, port, device_context(config), message, config.timeout)
    return Probe("STD-07.1", name, port, "served", answer.outcome, answer.how, "", answer.outcome == "served")


def _refused(
    config: VerifyConfig,
    clause: str,
    name: str,
    port: int,
    message: bytes,
    client: ssl.SSLContext,
    server: ssl.SSLContext,
) -> Probe:
    try:
        control = control_handshake(client, server)
    except ssl.SSLError as error:
        how = f"control failed, this machine cannot try it: {error.reason or error}"
        return Probe(clause, name, port, "refused", "unclear", how, "", ok=False)
    answer = ask(config.address, port, client, message, config.timeout)
    ok = answer.outcome == "refused"
    return Probe(clause, name, port, "refused", answer.outcome, answer.how, control, ok)


def _wrong_authority(config: VerifyConfig, ca: Path) -> Probe:
    """A device that trusts another authority must not accept the archive."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=str(ca))
    context.load_cert_chain(str(config.certificate), str(config.key))
    answer = ask(config.address, config.dicom_port, context, b"", config.timeout)
    name = "the archive's certificate, by a device that trusts another authority"
    ok = answer.outcome == "refused" and answer.how.startswith("by the client")
    return Probe("STD-08.2", name, config.dicom_port, "refused", answer.outcome, answer.how, "own client", ok)


def _wrong_name(config: VerifyConfig) -> Probe:
    """A device that looks for another name must not accept the archive."""
    name = "the archive's certificate, under a name that is not its own"
    port = config.dicom_port
    try:
        with (
            socket.create_connection((config.address, port), config.timeout) as raw,
            device_context(config).wrap_socket(raw, server_hostname="not-the-archive.invalid"),
        ):
            return Probe("STD-08.2", name, port, "refused", "served", "the name was not checked", "", ok=False)
    except ssl.SSLCertVerificationError as error:
        how = f"by the client: {error.verify_message}"
        return Probe("STD-08.2", name, port, "refused", "refused", how, "own client", ok=True)
    except OSError as error:
        return Probe("STD-08.2", name, port, "refused", "unclear", str(error), "", ok=False)
