"""A Redfish BMC for each host of the lab, so that fence_redfish runs unmodified.

It speaks the part of DMTF DSP0266 that the fence agent and an operator use: the
service root, the systems collection, one system with its power state, and the
action ``ComputerSystem.Reset`` (On, ForceOff, ForceRestart). A BMC is a machine
of its own: it keeps running while its host is off, and one more comes with each
host that is added.
"""

from __future__ import annotations

import base64
import hmac
import json
import ssl
import sys
import time
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from wardstack.lab.command import LabError
from wardstack.lab.machine_room import MachineRoom
from wardstack.lab.spec import HostSpec, read_spec

ACTION = "Actions/ComputerSystem.Reset"
RESET_TYPES = ("On", "ForceOff", "ForceRestart")


def handler(
    host: HostSpec, password: str, running: Callable[[], bool], power: Callable[[bool], None]
) -> type[BaseHTTPRequestHandler]:
    """Return the request handler of one host's BMC."""
    credentials = base64.b64encode(f"{host.bmc_user}:{password}".encode()).decode()
    wanted = f"Basic {credentials}"

    class Bmc(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _send(self, status: int, body: dict[str, Any] | None = None) -> None:
            content = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if status == 401:
                self.send_header("WWW-Authenticate", "Basic")
            self.end_headers()
            self.wfile.write(content)

        def _allowed(self) -> bool:
            given = self.headers.get("Authorization") or ""
            if hmac.compare_digest(given.encode(), wanted.encode()):
                return True
            self._send(401, {"error": {"message": "wrong user or password"}})
            return False

        def do_GET(self) -> None:
            path = self.path.rstrip("/")
            if path == "/redfish/v1":  # The service root needs no login (DSP0266, 13.3.1).
                self._send(200, {"Systems": {"@odata.id": "/redfish/v1/Systems"}})
            elif not self._allowed():
                return
            elif path == "/redfish/v1/Systems":
                self._send(200, {"Members": [{"@odata.id": host.bmc_system}]})
            elif path == host.bmc_system:
                target = f"{host.bmc_system}/{ACTION}"
                reset = {"target": target, "ResetType@Redfish.AllowableValues": RESET_TYPES}
                state = "On" if running() else "Off"
                actions = {"#ComputerSystem.Reset": reset}
                self._send(200, {"Id": "1", "PowerState": state, "Actions": actions})
            else:
                self._send(404, {"error": {"message": f"no resource {path}"}})

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(min(length, 4096))
            if not self._allowed():
                return
            if self.path != f"{host.bmc_system}/{ACTION}":
                self._send(404, {"error": {"message": f"no action {self.path}"}})
                return
            try:
                kind = json.loads(content)["ResetType"]
            except (ValueError, KeyError, TypeError):
                kind = None
            if kind not in RESET_TYPES:
                self._send(400, {"error": {"message": f"ResetType must be one of {RESET_TYPES}"}})
                return
            print(time.strftime("%FT%T"), host.name, kind, flush=True)
            try:
                if kind != "On":
                    power(False)
                if kind != "ForceOff":
                    power(True)
            except LabError as error:
                self._send(500, {"error": {"message": str(error)}})
                return
            self._send(204)

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent on reads; resets are logged by do_POST."""

    return Bmc


def switch(room: MachineRoom, host: str, on: bool) -> None:
    """Switch a host of the machine room on, or cut its power."""
    room.power(host, on=on)


def serve(inventory: Path, name: str) -> None:
    """Serve the BMC of one host of the lab until killed; runs in the switches' namespace."""
    spec = read_spec(inventory)
    room = MachineRoom(spec, inventory)
    host = spec.host(name)
    secret = (spec.state_dir / "secrets" / f"bmc_{name}").read_text().strip()
    certificate = spec.state_dir / "pki" / "certs" / f"bmc_{name}"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.with_suffix(".crt"), certificate.with_suffix(".key"))
    bmc = handler(host, secret, room.machine(name).running, partial(switch, room, name))
    server = ThreadingHTTPServer((host.bmc_address, host.bmc_port), bmc)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2])
