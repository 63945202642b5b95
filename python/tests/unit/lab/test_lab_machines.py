"""How hosts of both forms are started, and what a VM finds on its disk."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from wardstack.lab.container import Container
from wardstack.lab.installer import install
from wardstack.lab.kernel import SEED, SEEDED, TAKE_SEED, Kernel
from wardstack.lab.machine import Slot
from wardstack.lab.vm_host import Hardware, VmHost, content, mac, plug
from wardstack.lab.vm_image import image_path
from wardstack.lab.vm_seed import appended, pack

SLOT = Slot("osd0", Path("/lab/disks/h1/osd0"), "/var/lib/ceph/osd-disks/osd0", 8)


def vm(folder: Path = Path("/lab/hosts/h1")) -> VmHost:
    hardware = Hardware(Path("/cache/vm.raw"), Kernel(Path("/cache/kernel-abc")), ["p0-h1", "p1-h1"], 2048)
    return VmHost("h1", folder, "ws-lab", "host-h1", hardware)


def test_a_container_enters_its_network_before_it_is_made() -> None:
    """Otherwise /sys/class/net in it would be the caller's."""
    command = Container("h1", Path("/lab/h1"), Path("/root"), "ws-lab-h1", "host-h1").command((SLOT,))
    assert command[4:7] == ["nsenter", "--net=/run/netns/ws-lab-h1", "systemd-nspawn"]
    assert "--network-namespace-path=/run/netns/ws-lab-h1" in command


def test_a_container_sees_its_disk_at_the_folder_of_the_inventory() -> None:
    command = Container("h1", Path("/lab/h1"), Path("/root"), "ws-lab-h1", "host-h1").command((SLOT,))
    assert "--bind=/lab/disks/h1/osd0:/var/lib/ceph/osd-disks" in command


def test_a_vm_has_its_disks_by_name_and_reports_their_errors() -> None:
    command = vm().command(Path("/i"), (SLOT,), kvm=False)
    assert "virtio-blk-pci,drive=osd0,serial=osd0" in command
    (drive,) = [word for word in command if word.startswith("id=osd0,")]
    assert "file=/lab/disks/h1/osd0/osd0.raw" in drive
    assert "werror=report,rerror=report" in drive
    assert "cache=writeback" in drive  # A flush has to reach the disk before it fails.


def test_a_vm_has_a_card_for_each_cable_in_their_order() -> None:
    command = vm().command(Path("/i"), (), kvm=False)
    taps = [word.split("ifname=")[1].split(",")[0] for word in command if word.startswith("tap,")]
    assert taps == ["p0-h1", "p1-h1"]


def test_kvm_is_used_only_where_it_works() -> None:
    assert "kvm" not in vm().command(Path("/i"), (), kvm=False)
    assert "kvm" in vm().command(Path("/i"), (), kvm=True)


def test_card_addresses_are_unlike_and_stay() -> None:
    found = [mac(space, name, index) for space in ("a", "b") for name in ("h1", "h2") for index in (0, 1)]
    assert len(set(found)) == len(found)
    assert mac("a", "h1", 0) == found[0]
    assert found[0].startswith("52:54:00:")


def test_a_disk_is_made_once_and_keeps_its_content(tmp_path: Path) -> None:
    slot = Slot("osd0", tmp_path, "/dev/disk/by-id/virtio-osd0", 3)
    plug(slot)
    assert content(slot).stat().st_size == 3 * 2**30
    assert content(slot).stat().st_blocks == 0
    with content(slot).open("r+b") as file:
        file.write(b"kept")
    plug(slot)
    with content(slot).open("rb") as file:
        assert file.read(4) == b"kept"


def test_the_disk_of_vms_is_another_for_another_root_or_kernel() -> None:
    kernel = Kernel(Path("/cache/kernel-abc"))
    names = {
        image_path(Path("/roots/host-1"), kernel),
        image_path(Path("/roots/host-2"), kernel),
        image_path(Path("/roots/host-1"), Kernel(Path("/cache/kernel-def"))),
    }
    assert len(names) == 3


def test_a_seed_is_read_by_the_real_cpio(tmp_path: Path) -> None:
    if shutil.which("cpio") is None:
        pytest.skip("needs cpio")
    seed = tmp_path / "seed"
    (seed / "root/.ssh").mkdir(parents=True)
    (seed / "root/.ssh").chmod(0o700)
    (seed / "root/.ssh/authorized_keys").write_text("ssh-ed25519 AAAA\n")
    (seed / "etc").mkdir()
    (seed / "etc/hostname").write_bytes(b"h1\n")
    (seed / "etc/key").write_bytes(b"\0secret" * 1000)
    (seed / "etc/key").chmod(0o600)
    target = tmp_path / "out"
    target.mkdir()
    subprocess.run(["cpio", "-idm", "--quiet"], input=pack(seed), cwd=target, check=True)
    for path in seed.rglob("*"):
        copy = target / SEED / path.relative_to(seed)
        assert copy.stat().st_mode == path.stat().st_mode
        assert path.is_dir() or copy.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("length", [4000, 4001, 4002, 4003])
def test_a_seed_stands_where_the_kernel_looks_for_it(tmp_path: Path, length: int) -> None:
    """At another offset the kernel says "invalid magic" and the host boots without name and keys (seen)."""
    image = appended(b"z" * length, tmp_path)
    assert image.index(b"070701") == 4000 + (4 if length > 4000 else 0)


def test_a_link_in_a_seed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="neither file nor folder"):
        pack(tmp_path)


def test_an_installed_host_can_be_reached(tmp_path: Path) -> None:
    """From an empty folder, as a VM's seed begins: without keys of its own the host's sshd does not start (seen)."""
    install(tmp_path, "h1", {"eth0": "10.78.0.11/24"}, "ssh-ed25519 AAAA controller\n")
    assert (tmp_path / "etc/hostname").read_text() == "h1\n"
    assert "Address=10.78.0.11/24" in (tmp_path / "etc/systemd/network/10-lab-eth0.network").read_text()
    assert (tmp_path / "root/.ssh/authorized_keys").read_text().startswith("ssh-ed25519 AAAA")
    keys = list((tmp_path / "etc/ssh").glob("ssh_host_*_key"))
    assert keys
    assert all(key.stat().st_mode & 0o077 == 0 for key in keys)
    assert (tmp_path / "root/.ssh").stat().st_mode & 0o077 == 0


def test_the_seed_is_taken_once(tmp_path: Path) -> None:
    """A host that was changed after its first boot must not be set back by a power cut."""
    seed, root = tmp_path / SEED, tmp_path / "root"
    (seed / "etc").mkdir(parents=True)
    (root / "var/lib").mkdir(parents=True)
    (seed / "etc/hostname").write_text("h1")
    script = TAKE_SEED.replace(f"[ -d /{SEED} ]", f"[ -d {seed} ]").replace(f"cp -a /{SEED}/", f"cp -a {seed}/")
    environment = {"rootmnt": str(root), "PATH": "/usr/bin:/bin"}
    subprocess.run(["sh", "-c", script], env=environment, check=True)
    assert (root / "etc/hostname").read_text() == "h1"
    assert (root / SEEDED).exists()
    (root / "etc/hostname").write_text("changed")
    subprocess.run(["sh", "-c", script], env=environment, check=True)
    assert (root / "etc/hostname").read_text() == "changed"
