"""One-host labs beside whatever lab is up: their own switches, folder and host name; taken away without a trace."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from wardstack.lab import network
from wardstack.lab.api import answers, ensure_ssh_key
from wardstack.lab.cgroup import Group, leftovers
from wardstack.lab.container import mounts_below
from wardstack.lab.kernel import ensure_kernel
from wardstack.lab.machine import Machine
from wardstack.lab.machine_room import MachineRoom
from wardstack.lab.rootfs import ensure_host_root
from wardstack.lab.spec import read_spec
from wardstack.lab.teardown import unmount_below
from wardstack.lab.vm_image import ensure_image

INVENTORIES = Path(__file__).resolve().parents[4] / "inventories"
SWITCHES = "wst-lab"
HOST = "t1"


@dataclass
class OneHost:
    """A machine room with one host."""

    room: MachineRoom
    patience_s: float

    @property
    def machine(self) -> Machine:
        return self.room.machine(HOST)

    def power(self, *, on: bool) -> bool:
        return self.room.power(HOST, on=on)

    def answers(self) -> bool:
        return answers(network.SWITCHES, "10.78.0.11", 22)

    def boot(self) -> None:
        """Power on and wait for ssh."""
        self.power(on=True)
        self.await_ssh()

    def await_ssh(self) -> None:
        deadline = time.monotonic() + self.patience_s
        while not self.answers():
            assert time.monotonic() < deadline, (
                f"no ssh; console: {(self.machine.folder / 'console').read_text()[-2000:]}"
            )
            time.sleep(0.2)

    def run(self, command: str, *, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a shell command on the host."""
        key = self.room.spec.state_dir / "ssh" / "id_ed25519"
        words = (
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "ConnectTimeout=5",
            "ServerAliveInterval=5",
        )
        options = [part for word in words for part in ("-o", word)]
        enter = ["nsenter", f"--net={network.namespace_path(network.SWITCHES)}"]
        argv = [*enter, "ssh", "-i", str(key), *options, "root@10.78.0.11", command]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=timeout)
        assert not check or done.returncode == 0, f"{command}: exit {done.returncode}: {done.stdout}{done.stderr}"
        return done


@pytest.fixture(scope="module")
def one_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], OneHost]]:
    """Make a lab of one host from an inventory of ours."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    patch = pytest.MonkeyPatch()
    patch.setattr(network, "SWITCHES", SWITCHES)
    folder = tmp_path_factory.mktemp("lab")
    made: list[OneHost] = []

    def make(inventory: str) -> OneHost:
        site = yaml.safe_load((INVENTORIES / inventory / "site.yml").read_text())
        hosts = yaml.safe_load((INVENTORIES / inventory / "hosts.yml").read_text())
        site["state_dir"] = str(folder / "state")
        first = hosts["hypervisors"]["hosts"]["h1"]
        first["host_disks"][0]["size_gib"] = 1
        (folder / "site.yml").write_text(yaml.safe_dump(site))
        (folder / "hosts.yml").write_text(yaml.safe_dump({"hypervisors": {"hosts": {HOST: first}}}))
        spec = read_spec(folder)
        room = MachineRoom(spec, folder)
        room.folder = folder / "room"
        room.folder.mkdir()
        ensure_ssh_key(spec.state_dir)
        lower = ensure_host_root(print)
        if spec.form == "vm":
            ensure_image(lower, ensure_kernel(print), print)
        room.build_networks()
        room.install_host(spec.host(HOST))
        made.append(OneHost(room, 60 if spec.form == "container" else 300))
        return made[-1]

    yield make
    groups = [f"host-{HOST}", *(f"vlan-{name}" for host in made for name in host.room.spec.networks)]
    for name in groups:
        Group(name).remove()
    unmount_below(folder)
    for namespace in (network.host_namespace(HOST), SWITCHES):
        network.remove(namespace)
    patch.undo()
    shutil.rmtree(folder)
    assert mounts_below(folder) == []
    assert not [name for name in leftovers("host-") if name == f"host-{HOST}"]
    assert not {name for name in network.namespaces() if name.startswith(SWITCHES)}
