"""The disk of a full-VM host: made once of a cached root file system, then used by every VM as backing file.

No loop device, device-mapper or boot loader is needed: ``mke2fs -d`` fills the
file system and QEMU loads the kernel itself.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from wardstack.lab.command import LabError
from wardstack.lab.kernel import Kernel
from wardstack.lab.paths import cache_dir

SIZE_GIB = 24
LABEL = "wardstack-root"

# The container form masks these, as a container has no devices of its own. A VM has.
UNMASKED = "systemd-udevd.service systemd-udev-trigger.service systemd-modules-load.service lvm2-monitor.service"
# Nobody sits at the console; each costs boot time under CPU emulation.
MASKED = (
    "serial-getty@ttyS0.service getty@tty1.service systemd-hwdb-update.service systemd-journal-catalog-update.service"
)

# Runs in a mount namespace of its own, so that a killed build leaves no mount behind.
BUILD = f"""
set -eu
layers=$1 work=$2 image=$3
mount -t overlay ws-image -o "lowerdir=$layers,upperdir=$work/upper,workdir=$work/work" "$work/root"
root=$work/root
mount -t proc proc "$root/proc"
chroot "$root" depmod "$(ls "$root/usr/lib/modules")"
chroot "$root" systemctl -q unmask {UNMASKED}
chroot "$root" systemctl -q mask {MASKED}
chroot "$root" systemctl -q enable systemd-networkd.service ssh.service
umount "$root/proc"
# No check at boot: what a power cut leaves, the journal repairs.
printf 'LABEL={LABEL} / ext4 defaults 0 0\\n' >"$root/etc/fstab"
: >"$root/etc/machine-id"
mkdir -p "$root/etc/cloud"
: >"$root/etc/cloud/cloud-init.disabled"
# As after an upgrade that is done with: no indexes are built anew at the first boot (systemd-update-done.service(8)).
touch "$root/etc/.updated" "$root/var/.updated"
truncate -s {SIZE_GIB}G "$image"
# Few inodes and all tables written now: the file stays sparse and the VM does not do it in the background.
mke2fs -qF -t ext4 -L {LABEL} -m 1 -i 65536 -E lazy_itable_init=0,nodiscard -d "$root" "$image"
"""


def image_path(lower: Path, kernel: Kernel) -> Path:
    """Return where the disk made of a root file system and a kernel is, or will be once it is made."""
    recipe = "\n".join((lower.name, kernel.key, BUILD))
    key = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    return cache_dir() / "images" / f"vm-{key}.raw"


def ensure_image(lower: Path, kernel: Kernel, progress: Callable[[str], None]) -> Path:
    """Make the disk of a root file system and a kernel unless it is cached.

    Made under a temporary name and renamed when whole.

    Args:
        lower: A root file system of Debian 13, only read.
        kernel: The kernel whose modules it gets.
        progress: Called with one line of text a phase.

    Raises:
        LabError: The build failed; the message has its last line.
    """
    target = image_path(lower, kernel)
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    work = target.with_suffix(".building")
    shutil.rmtree(work, ignore_errors=True)
    for part in ("upper", "work", "root"):
        (work / part).mkdir(parents=True)
    progress(f"making the disk of full-VM hosts from {lower.name} (once; under a minute)")
    started = time.monotonic()
    building = work / "image"
    argv = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        BUILD,
        "sh",
        f"{kernel.layer}:{lower.resolve()}",
        str(work),
        str(building),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(
            f"making the disk of full-VM hosts failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"
        )
    building.rename(target)
    shutil.rmtree(work)
    progress(f"disk made in {time.monotonic() - started:.0f} s")
    return target
