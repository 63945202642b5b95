"""The BMC over real sockets, spoken to as a fence agent and as its enemies would."""

from __future__ import annotations

import base64
import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from wardstack.lab.bmc import handler
from wardstack.lab.command import LabError
from wardstack.lab.spec import read_spec

HOST = read_spec(Path(__file__).resolve().parents[4] / "inventories" / "lab").host("h1")
RESET = f"{HOST.bmc_system}/Actions/ComputerSystem.Reset"
PASSWORD = "correct horse"


@dataclass
class Server:
    """A power switch with a BMC before it."""

    on: bool = True
    switched: list[bool] = field(default_factory=list)
    stuck: bool = False
    port: int = 0

    def power(self, on: bool) -> None:
        if self.stuck:
            raise LabError("processes [7] do not die")
        self.switched.append(on)
        self.on = on

    def ask(
        self, method: str, path: str, body: object = None, *, user: str = HOST.bmc_user, password: str | None = PASSWORD
    ) -> tuple[int, dict[str, Any]]:
        headers = {}
        if password is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        content = body if isinstance(body, str) else None if body is None else json.dumps(body)
        connection.request(method, path, content, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if text else {}


@pytest.fixture
def server() -> Iterator[Server]:
    machine = Server()
    listening = ThreadingHTTPServer(("127.0.0.1", 0), handler(HOST, PASSWORD, lambda: machine.on, machine.power))
    machine.port = listening.server_address[1]
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield machine
    listening.shutdown()
    listening.server_close()
    thread.join()


def test_an_agent_finds_its_way_from_the_root_to_the_reset(server: Server) -> None:
    status, root = server.ask("GET", "/redfish/v1/", password=None)
    assert status == 200
    _, systems = server.ask("GET", root["Systems"]["@odata.id"])
    _, system = server.ask("GET", systems["Members"][0]["@odata.id"])
    assert system["PowerState"] == "On"
    action = system["Actions"]["#ComputerSystem.Reset"]
    assert "ForceOff" in action["ResetType@Redfish.AllowableValues"]
    status, _ = server.ask("POST", action["target"], {"ResetType": "ForceOff"})
    assert status == 204
    _, system = server.ask("GET", HOST.bmc_system)
    assert system["PowerState"] == "Off"


@pytest.mark.parametrize(("kind", "switched"), [("On", [True]), ("ForceOff", [False]), ("ForceRestart", [False, True])])
def test_each_reset_switches_the_power(server: Server, kind: str, switched: list[bool]) -> None:
    assert server.ask("POST", RESET, {"ResetType": kind})[0] == 204
    assert server.switched == switched


@pytest.mark.parametrize(
    ("user", "password"), [("fence", "wrong"), ("admin", PASSWORD), ("fence", ""), ("fence", None)]
)
def test_a_stranger_neither_reads_nor_switches(server: Server, user: str, password: str | None) -> None:
    assert server.ask("GET", HOST.bmc_system, user=user, password=password)[0] == 401
    assert server.ask("POST", RESET, {"ResetType": "ForceOff"}, user=user, password=password)[0] == 401
    assert server.switched == []


@pytest.mark.parametrize("body", [{"ResetType": "GracefulShutdown"}, {}, [], "no json", {"ResetType": None}, None])
def test_what_is_no_reset_type_is_refused(server: Server, body: object) -> None:
    assert server.ask("POST", RESET, body)[0] == 400
    assert server.switched == []


def test_other_resources_and_actions_do_not_exist(server: Server) -> None:
    assert server.ask("GET", "/redfish/v1/Systems/2")[0] == 404
    assert server.ask("POST", "/redfish/v1/Systems/2/Actions/ComputerSystem.Reset", {"ResetType": "ForceOff"})[0] == 404
    assert server.switched == []


def test_a_host_that_cannot_be_switched_off_is_an_error_and_no_success(server: Server) -> None:
    """A fence agent that is told success would let the VMs start a second time."""
    server.stuck = True
    status, answer = server.ask("POST", RESET, {"ResetType": "ForceOff"})
    assert (status, answer["error"]["message"]) == (500, "processes [7] do not die")
