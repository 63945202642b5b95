"""DICOMweb over mutual TLS: QIDO-RS and WADO-RS (PS3.18)."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import quote, urlencode

from wardstack.archive.config import VerifyConfig
from wardstack.archive.dimse import tune
from wardstack.archive.multipart import split
from wardstack.archive.tls import device_context

#: Root of the DICOMweb service at the floating address.
ROOT = "/dicom-web"


class WebError(Exception):
    """A request that was not answered as it should be."""


class Web:
    """A connection to DICOMweb, kept open between requests.

    Args:
        config: Where to, and the credentials.
    """

    def __init__(self, config: VerifyConfig) -> None:
        self._config = config
        self._context = device_context(config)
        self._connection: http.client.HTTPSConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    def studies(self, **keys: str) -> list[dict[str, Any]]:
        """Search studies by attribute keywords (QIDO-RS)."""
        return self._search("/studies", keys)

    def instances(self, study_uid: str, series_uid: str) -> list[str]:
        """Return the SOP Instance UIDs of a series (QIDO-RS)."""
        path = f"/studies/{study_uid}/series/{series_uid}/instances"
        found = self._search(path, {})
        return [str(item["00080018"]["Value"][0]) for item in found]

    def series(self, study_uid: str, series_uid: str) -> list[bytes]:
        """Retrieve a series (WADO-RS), each object in the syntax it was stored.

        Returns:
            DICOM files.
        """
        accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
        path = f"/studies/{study_uid}/series/{series_uid}"
        headers, body = self._get(path, accept)
        return split(headers.get("Content-Type", ""), body)

    def _search(self, path: str, keys: Mapping[str, str]) -> list[dict[str, Any]]:
        # An archive limits long results, so they are fetched in pages. The
        # wildcard goes as it is (RFC 3986 allows it): Orthanc does not decode it.
        found: list[dict[str, Any]] = []
        page = 100
        while True:
            query = urlencode({**keys, "limit": str(page), "offset": str(len(found))}, safe="*", quote_via=quote)
            _, body = self._get(f"{path}?{query}", "application/dicom+json")
            part: list[dict[str, Any]] = json.loads(body) if body else []
            found += part
            if len(part) < page:
                return found

    def _get(self, path: str, accept: str) -> tuple[http.client.HTTPMessage, bytes]:
        for last in (False, True):
            try:
                return self._once(path, accept)
            except (OSError, http.client.HTTPException) as error:
                # A kept connection may have been closed since; a new one not.
                fresh = self._connection is None or last
                self._connection = None
                if fresh or isinstance(error, ssl.SSLCertVerificationError):
                    raise WebError(f"GET {path}: {error}") from error
        raise AssertionError("unreachable")

    def _once(self, path: str, accept: str) -> tuple[http.client.HTTPMessage, bytes]:
        config = self._config
        if self._connection is None:
            connection = http.client.HTTPSConnection(
                config.address, config.https_port, timeout=config.timeout, context=self._context
            )
            connection.connect()
            tune(connection.sock, config.timeout)
            self._connection = connection
        headers = {"Accept": accept}
        if config.https_user:
            pair = f"{config.https_user}:{config.https_password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        self._connection.request("GET", ROOT + path, headers=headers)
        response = self._connection.getresponse()
        body = response.read()
        if response.status not in (200, 204):
            raise WebError(f"GET {path}: HTTP {response.status} {response.reason}")
        return response.headers, body


def anonymous_status(config: VerifyConfig) -> str:
    """Ask for studies without credentials and certificate.

    Returns:
        ``HTTP 401`` or whatever is answered, or the TLS refusal in words.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=str(config.ca))
    connection = http.client.HTTPSConnection(config.address, config.https_port, timeout=config.timeout, context=context)
    try:
        connection.request("GET", f"{ROOT}/studies?limit=1")
        return f"HTTP {connection.getresponse().status}"
    except ssl.SSLError as error:
        return f"TLS {error.reason}"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
