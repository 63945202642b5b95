"""The peer to compare an archive with: dcmtk's storescp, which only writes files."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from wardstack.archive import foreign
from wardstack.archive.config import VerifyConfig

ADDRESS = "127.0.0.1"
#: How long storescp may take to listen, seconds.
START_SECONDS = 15.0


class PeerError(Exception):
    """The peer could not be started."""


@contextlib.contextmanager
def storescp(config: VerifyConfig, folder: Path) -> Iterator[VerifyConfig]:
    """Run storescp with mutual TLS on loopback.

    Args:
        config: How to send; only addresses and certificates are replaced.
        folder: An empty private folder for certificates and received files.

    Yields:
        The configuration for sending to it.

    Raises:
        PeerError: dcmtk is not installed, or storescp did not start.
    """
    program = shutil.which("storescp", path="/usr/bin")
    if program is None:
        raise PeerError("storescp is not there; install the package dcmtk")
    own = foreign.create(folder, "storescp")
    received = folder / "received"
    received.mkdir()
    with socket.create_server((ADDRESS, 0)) as listener:
        port = listener.getsockname()[1]
    command = [program, "--fork", "-aet", config.called_aet, "-od", str(received), "+B", "+xa", "-pdu", "131072"]
    command += ["+tls", str(own.key), str(own.certificate), "+cf", str(own.ca), "-rc", str(port)]
    log = folder / "storescp.log"
    with log.open("wb") as output:
        # Without it Nagle's algorithm halves and more what dcmtk can do.
        environment = {"PATH": "/usr/bin:/bin", "TCP_NODELAY": "1"}
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        _wait(process, port, log)
        yield replace(
            config, address=ADDRESS, dicom_port=port, ca=own.ca, certificate=own.certificate, key=own.key, netns=""
        )
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise PeerError(f"storescp ended with {process.returncode}: {log.read_text(errors='replace')[-500:]}")
        with contextlib.suppress(OSError), socket.create_connection((ADDRESS, port), 0.5):
            return
        time.sleep(0.05)
    raise PeerError(f"storescp does not listen after {START_SECONDS:g} s")
