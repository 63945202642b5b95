"""The root file system of the lab's hosts: built once, shared by all as lower layer.

It is what a hospital's bare Debian 13 host has after its installation, with the
packages of the hypervisor roles already unpacked, so that building the lab
needs no download a second time. Nothing in it is configured; services that
Debian enables by installing them are disabled, as a role will enable each.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from wardstack.lab.command import LabError, run
from wardstack.lab.paths import roots_dir

SUITE = "trixie"

PACKAGES = (
    "systemd,systemd-sysv,systemd-resolved,dbus,udev,openssh-server,python3,python3-apt,sudo,"
    "iproute2,iputils-ping,procps,nftables,chrony,curl,ca-certificates,less,kmod,jq,openssl,"
    "libvirt-daemon-system,libvirt-clients,libvirt-daemon-driver-storage-rbd,qemu-system-x86,"
    "qemu-block-extra,qemu-utils,gnutls-bin,xorriso,"
    "ceph-mon,ceph-osd,ceph-mgr,ceph-mds,ceph-common,ceph-volume,lvm2,cryptsetup-bin,"
    "corosync,pacemaker,pacemaker-cli-utils,resource-agents,fence-agents-redfish,crmsh,"
    "tang,clevis,clevis-luks,unattended-upgrades"
)

# Enabled by their packages; each role enables its own. The masked ones cannot
# work in a container (no devices, no firmware) or would stir at random hours.
DISABLED = (
    "corosync.service pacemaker.service libvirtd.service libvirtd.socket libvirtd-ro.socket "
    "libvirtd-admin.socket virtlogd.socket virtlockd.socket libvirt-guests.service "
    "ceph.target ceph-mon.target ceph-osd.target ceph-mgr.target ceph-mds.target "
    "ceph-crash.service rbdmap.service tangd.socket nftables.service chrony.service "
    "apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer "
    "fstrim.timer systemd-networkd-wait-online.service"
)
MASKED = (
    "e2scrub_reap.service nvmf-autoconnect.service smartmontools.service lvm2-monitor.service "
    "systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service "
    "systemd-networkd-wait-online.service virt-guest-shutdown.target"
)

CUSTOMIZE = f"""
set -eu
root="$1"
rm -f "$root/etc/apt/sources.list" "$root"/etc/ssh/ssh_host_*
chroot "$root" systemctl -q disable {DISABLED} || :
chroot "$root" systemctl -q mask {MASKED}
chroot "$root" systemctl -q enable systemd-networkd.service ssh.service
: > "$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id"
mkdir -p "$root/root/.ssh"
chmod 700 "$root/root/.ssh"
printf 'PerSourcePenalties no\\nUseDNS no\\n' > "$root/etc/ssh/sshd_config.d/10-lab.conf"
"""


def _key() -> str:
    recipe = "\n".join((SUITE, PACKAGES, CUSTOMIZE))
    return hashlib.sha256(recipe.encode()).hexdigest()[:12]


def host_root() -> Path:
    """Return where the hosts' root file system is, or will be once it is built."""
    return roots_dir() / f"host-{_key()}"


def debian_mirror() -> str:
    """Return the mirror that this machine's own apt uses.

    ``WARDSTACK_DEBIAN_MIRROR`` goes first, for a machine that is not Debian.

    Raises:
        LabError: apt names no Debian mirror.
    """
    if chosen := os.environ.get("WARDSTACK_DEBIAN_MIRROR"):
        return chosen
    listing = run(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(SITE)|$(REPO_URI)"])
    for line in listing.splitlines():
        origin, _, uri = line.split("|")
        if origin == "Debian" and "security" not in uri:
            return uri.rstrip("/")
    raise LabError("apt on this machine names no Debian mirror; set WARDSTACK_DEBIAN_MIRROR to one")


def ensure_host_root(progress: Callable[[str], None]) -> Path:
    """Build the hosts' root file system unless it is cached.

    Built under a temporary name and renamed when whole, so that a killed build
    leaves nothing that could be taken for a root file system.

    Args:
        progress: Called with one line of text a phase.

    Raises:
        LabError: The mirror fails or the build does; the log's path is named.
    """
    target = host_root()
    if target.is_dir():
        return target
    roots_dir().mkdir(parents=True, exist_ok=True)
    building = target.with_suffix(".building")
    log = target.with_suffix(".log")
    hook = target.with_suffix(".hook")
    shutil.rmtree(building, ignore_errors=True)
    hook.write_text("#!/bin/sh\n" + CUSTOMIZE)
    hook.chmod(0o755)
    progress("building the hosts' Debian 13 root file system (once; 1-3 minutes)")
    started = time.monotonic()
    argv = ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory"]
    argv += [f"--include={PACKAGES}", "--aptopt=APT::Install-Recommends false"]
    argv += [f"--dpkgopt=path-exclude=/usr/share/{d}/*" for d in ("doc", "man", "locale")]
    argv += [f"--customize-hook={hook}", SUITE, str(building), debian_mirror()]
    with log.open("w") as output:
        done = subprocess.run(argv, stdout=output, stderr=output, check=False)
    if done.returncode != 0:
        errors = [line for line in log.read_text().splitlines() if line.startswith("E:")]
        why = errors[0] if errors else "see the log"
        raise LabError(f"building the root file system failed: {why}; log: {log}")
    hook.unlink()
    building.rename(target)
    progress(f"root file system built in {time.monotonic() - started:.0f} s")
    return target
