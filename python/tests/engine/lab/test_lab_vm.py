"""A real full-VM host: what a container cannot have, and a power cut that loses what was not on disk (STD-04.5).

One VM is booted for all tests, in order: a boot costs a minute under CPU emulation.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

import pytest

from tests.engine.lab.conftest import HOST, SWITCHES, OneHost
from wardstack.lab import kvm_probe, network
from wardstack.lab.kernel import kernel

pytestmark = pytest.mark.root
DISK = "/dev/disk/by-id/virtio-osd0"


@pytest.fixture(scope="module")
def lab(one_host: Callable[[str], OneHost]) -> OneHost:
    return one_host("lab-vm")


@pytest.fixture
def host(lab: OneHost) -> OneHost:
    """The host, powered on."""
    lab.boot()
    return lab


def test_a_working_accelerator_is_told_from_one_that_is_not() -> None:
    """Software emulation works everywhere, so that the question itself is seen to be answered with yes."""
    assert kvm_probe.boots(["-accel", "tcg", "-cpu", "max"], kernel(), 120) is True
    assert kvm_probe.boots(["-accel", "none-such"], kernel(), 15) is False


def test_a_kernel_that_hangs_is_given_up_in_time() -> None:
    started = time.monotonic()
    assert kvm_probe.boots(["-accel", "tcg", "-S"], kernel(), 2) is False
    assert time.monotonic() - started < 10
    assert "ws-probe" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def test_the_host_is_a_machine_with_a_kernel_of_its_own(host: OneHost) -> None:
    own = subprocess.run(["uname", "-r"], capture_output=True, text=True, check=True).stdout
    assert host.run("uname -r").stdout != own
    assert host.run("hostname").stdout == f"{HOST}\n"
    assert int(host.run(f"blockdev --getsize64 {DISK}").stdout) == 2**30


def test_a_storage_disk_is_encrypted_in_the_kernel(host: OneHost) -> None:
    host.run("echo -n secret >/root/key")
    host.run(f"cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 {DISK} /root/key", timeout=300)
    host.run(f"cryptsetup open --key-file /root/key {DISK} plain")
    host.run("vgcreate -qq vg /dev/mapper/plain && lvcreate -qq -n lv -L 64M vg")
    host.run("echo patient-name | dd of=/dev/vg/lv conv=fsync status=none")
    assert host.run("head -c 12 /dev/vg/lv").stdout == "patient-name"
    raw = host.room.disk(HOST, "osd0").mount_point / "osd0.raw"
    assert subprocess.run(["grep", "-c", "patient-name", raw], check=False, stdout=subprocess.DEVNULL).returncode == 1
    host.run("vgremove -qq -f vg && cryptsetup close plain")


def test_the_controller_is_reached_through_a_vlan(host: OneHost) -> None:
    make = "ip link add eth1.20 link eth1 type vlan id 20 && ip link set eth1 up && ip link set eth1.20 up"
    host.run(f"{make} && ip addr add 10.78.1.11/24 dev eth1.20")
    assert host.run("ping -c 3 -i 0.2 -W 2 10.78.1.1", check=False).returncode == 0
    enter = ["nsenter", f"--net={network.namespace_path(SWITCHES)}"]
    serve = "head -c 3000000 /dev/zero | socat -u - TCP-LISTEN:7000,bind=10.78.1.1,reuseaddr"
    with subprocess.Popen([*enter, "sh", "-c", serve]) as server:
        received = host.run(
            "for i in 1 2 3; do sleep 1; cat </dev/tcp/10.78.1.1/7000 2>/dev/null && break; done | wc -c"
        )
        server.terminate()
    assert received.stdout.strip() == "3000000"
    host.run("ip link add eth1.21 link eth1 type vlan id 21 && ip link set eth1.21 up && ip link set eth1.20 down")
    host.run("ip addr add 10.78.1.11/24 dev eth1.21")
    assert host.run("ping -c 2 -i 0.2 -W 2 10.78.1.1", check=False).returncode == 1


def test_a_pulled_cable_cuts_the_host_off(host: OneHost) -> None:
    network.set_cable(HOST, 0, up=False)
    assert not host.answers()
    network.set_cable(HOST, 0, up=True)
    host.await_ssh()


def test_a_power_cut_loses_what_was_not_on_disk_and_keeps_what_was(host: OneHost) -> None:
    """Every journal and database relies on the first half being impossible after a flush."""
    host.run("sysctl -qw vm.dirty_writeback_centisecs=0 vm.dirty_expire_centisecs=360000")
    host.run("echo flushed >/root/flushed; sync; echo not >/root/not-flushed")
    assert host.power(on=False) is True
    assert host.machine.group.pids() == set()
    host.boot()
    assert host.run("cat /root/flushed; test ! -s /root/not-flushed && echo lost").stdout == "flushed\nlost\n"
    # The seed of the first boot was not taken a second time.
    assert host.run("journalctl --list-boots -q | wc -l").stdout.strip() == "2"


def test_a_failed_disk_errs_until_the_host_is_switched_on_again(host: OneHost) -> None:
    host.run(f"printf kept | dd of={DISK} bs=4096 seek=1000 conv=fsync,notrunc status=none")
    disk = host.room.disk(HOST, "osd0")
    disk.fail()
    read = f"dd if={DISK} of=/dev/null bs=4096 skip=1000 count=1 iflag=direct"
    assert "Input/output error" in host.run(read, check=False).stderr
    write = f"dd if=/dev/zero of={DISK} bs=4096 seek=2000 count=1 oflag=direct"
    assert "Input/output error" in host.run(write, check=False).stderr
    host.power(on=False)
    host.boot()
    assert host.run(f"dd if={DISK} bs=4096 skip=1000 count=1 iflag=direct status=none | head -c 4").stdout == "kept"


def test_a_watchdog_that_is_not_served_resets_the_host(host: OneHost) -> None:
    """Last: it costs another boot."""
    assert host.run("cat /sys/class/watchdog/watchdog0/identity").stdout.strip() == "i6300ESB timer"
    boot = "cat /proc/sys/kernel/random/boot_id"
    before = host.run(boot).stdout
    # WDIOC_SETTIMEOUT of linux/watchdog.h: 4 s; then the program ends without saying that it means to.
    serve = "import fcntl,struct; w=open('/dev/watchdog0','wb',0); fcntl.ioctl(w,0xC0045706,struct.pack('i',4))"
    host.run(f'python3 -c "{serve}"')
    deadline = time.monotonic() + host.patience_s
    while host.run(boot, check=False).stdout in ("", before):
        assert time.monotonic() < deadline
        time.sleep(1)
    assert host.machine.running()
