"""TLS contexts: of a well-behaved device, and of those an archive must refuse."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterable
from pathlib import Path

from wardstack.archive.config import VerifyConfig

_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}

#: OpenSSL's most lenient list: everything it was built with, weak keys too.
_EVERYTHING = "ALL:eNULL:@SECLEVEL=0"


def device_context(config: VerifyConfig) -> ssl.SSLContext:
    """Return the context of a device that does everything right.

    The archive's certificate is verified against the site's authority and
    against the address or name that is connected to; the device shows its own.

    Args:
        config: Names the files.

    Raises:
        OSError: A file cannot be read, or is no certificate or key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = _VERSIONS[config.tls_min_version]
    context.load_verify_locations(cafile=str(config.ca))
    context.load_cert_chain(str(config.certificate), str(config.key))
    return context


def probing_context(
    certificate: Path | None,
    key: Path | None,
    version: str | None = None,
    without_ciphers: Iterable[str] = (),
) -> ssl.SSLContext:
    """Return the context of a client that must be refused.

    It accepts any server, so that it is the server that refuses. It really
    offers what it is for: OpenSSL's security level is 0, without which the
    library itself would drop TLS 1.0 and 1.1 from the offer.

    Args:
        certificate: Certificate to show, None for none.
        key: Its key.
        version: Offer this version only (``1.0`` to ``1.3``).
        without_ciphers: Offer all but these cipher suites (OpenSSL names),
            with TLS 1.2 or less.

    Raises:
        OSError: A file cannot be read, or is no certificate or key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers(":".join([_EVERYTHING, *(f"!{name}" for name in without_ciphers)]))
    _limit(context, version)
    if certificate is not None:
        context.load_cert_chain(str(certificate), str(key))
    return context


def permissive_server(
    certificate: Path,
    key: Path,
    version: str | None = None,
    authority: Path | None = None,
) -> ssl.SSLContext:
    """Return the context of a server that accepts what an archive refuses.

    Args:
        certificate: Its certificate.
        key: Its key.
        version: Accept this version only.
        authority: Demand a client certificate of this authority; None to ask
            for no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(_EVERYTHING)
    _limit(context, version)
    context.load_cert_chain(str(certificate), str(key))
    if authority is not None:
        context.load_verify_locations(cafile=str(authority))
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _limit(context: ssl.SSLContext, version: str | None) -> None:
    wanted = _VERSIONS[version] if version else None
    with warnings.catch_warnings():
        # Python warns of TLS 1.0 and 1.1, rightly; here they are the point.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = wanted or ssl.TLSVersion.TLSv1
        if wanted:
            context.maximum_version = wanted


def control_handshake(client: ssl.SSLContext, server: ssl.SSLContext) -> str:
    """Let a client and a server meet in memory, as a positive control.

    Args:
        client: The client's context.
        server: The server's context.

    Returns:
        Protocol version and cipher suite that they agreed on, ``TLSv1 AES128-SHA``.

    Raises:
        ssl.SSLError: They did not agree.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname="control.invalid")
    far = server.wrap_bio(to_server, to_client, server_side=True)
    pending = [near, far]
    for _ in range(20):
        for side in list(pending):
            try:
                side.do_handshake()
                pending.remove(side)
            except ssl.SSLWantReadError:
                continue
        if not pending:
            # With TLS 1.3 the server judges the client's certificate after
            # the client is done: only data read by the client proves it.
            far.write(b"!")
            near.read(1)
            cipher = near.cipher()
            return f"{near.version()} {cipher[0] if cipher else '?'}"
    raise ssl.SSLError("the control handshake did not come to an end")
