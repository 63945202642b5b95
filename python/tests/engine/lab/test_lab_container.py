"""A real container host: power, cables and disks fail and come back as a machine's do (STD-01.4, STD-05.8)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.lab.conftest import HOST, OneHost
from wardstack.lab import network

pytestmark = pytest.mark.root
DISK = "/var/lib/ceph/osd-disks"


@pytest.fixture(scope="module")
def lab(one_host: Callable[[str], OneHost]) -> OneHost:
    return one_host("lab")


@pytest.fixture
def host(lab: OneHost) -> Iterator[OneHost]:
    """The host, powered on."""
    lab.boot()
    yield lab


def command(pid: int) -> str:
    """The name of a process; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def test_switching_on_twice_changes_nothing(host: OneHost) -> None:
    before = host.run("cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1").stdout
    assert host.power(on=True) is False
    assert host.run("cat /proc/sys/kernel/random/boot_id; stat -c %Y /proc/1").stdout == before


def test_an_interface_has_the_address_of_its_name_so_that_bridges_do_not_take_that_of_a_vm(host: OneHost) -> None:
    told = host.run("cat /sys/class/net/eth0/address").stdout.strip()
    assert told == network.hardware_address(f"{network.host_namespace(HOST)}/eth0")


def test_two_power_buttons_at_once_start_one_host(host: OneHost) -> None:
    host.power(on=False)
    buttons = [threading.Thread(target=host.power, kwargs={"on": True}) for _ in range(4)]
    for button in buttons:
        button.start()
    for button in buttons:
        button.join()
    host.boot()
    assert [command(pid) for pid in host.machine.group.pids()].count("systemd-nspawn") == 1


def test_a_power_cut_ends_every_process_at_once_and_keeps_what_was_written(host: OneHost) -> None:
    host.run("echo kept >/root/file; sync; systemd-run --quiet sleep 1000")
    assert host.power(on=False) is True
    assert host.machine.group.pids() == set()
    assert not host.answers()
    assert host.power(on=False) is False
    host.boot()
    assert host.run("cat /root/file").stdout == "kept\n"
    assert host.run("pgrep -x sleep", check=False).returncode == 1


def test_a_host_that_reboots_itself_comes_back(host: OneHost) -> None:
    started = "cut -d ' ' -f 22 /proc/1/stat"
    before = host.run(started).stdout
    host.run("systemctl reboot", check=False)
    deadline = time.monotonic() + 60
    while (now := host.run(started, check=False).stdout) in ("", before):
        assert time.monotonic() < deadline, f"first process started at {now or 'no'} ticks, as before"
        time.sleep(0.2)
    assert host.machine.running()


def test_a_host_that_switches_itself_off_stays_off(host: OneHost) -> None:
    host.run("systemctl poweroff", check=False)
    deadline = time.monotonic() + 60
    while host.machine.running():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    time.sleep(1)
    assert not host.machine.running()


def test_a_pulled_cable_cuts_the_host_off_until_it_is_plugged_again(host: OneHost) -> None:
    assert host.answers()
    network.set_cable(HOST, 0, up=False)
    assert not host.answers()
    assert not network.cable_up(HOST, 0)
    assert network.cable_up(HOST, 1)
    network.set_cable(HOST, 0, up=True)
    host.await_ssh()
    assert "eth0: Lost carrier" in host.run("journalctl -b --no-pager -q -o cat -u systemd-networkd").stdout


def test_a_failed_disk_errs_until_the_host_is_switched_on_again(host: OneHost) -> None:
    disk = host.room.disk(HOST, "osd0")
    host.run(f"echo kept >{DISK}/file; sync")
    assert disk.healthy()
    disk.fail()
    assert not disk.healthy()
    assert "Input/output error" in host.run(f"echo more >{DISK}/other", check=False).stderr
    assert "Input/output error" in host.run(f"cat {DISK}/file", check=False).stderr
    host.power(on=False)
    host.boot()
    assert host.run(f"cat {DISK}/file; echo more >{DISK}/other && echo works").stdout == "kept\nworks\n"


def test_an_installed_host_is_not_installed_again(host: OneHost) -> None:
    """Building the lab a second time must not set a host back."""
    host.run("echo changed >/etc/hostname")
    assert host.room.install_host(host.room.spec.host(HOST)) is False
    assert host.run("cat /etc/hostname").stdout == "changed\n"
