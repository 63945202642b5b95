"""The kernel of the lab's full-VM hosts: Debian's own, with an initramfs that finds virtio disks.

A container host has the kernel of the machine. A full VM boots Debian's cloud
kernel, which has what a hospital's host has and the machine may lack: LVM,
dm-crypt, VLAN devices, a watchdog. The tree that is kept holds the kernel, its
initramfs and its modules, laid out as layer over any Debian 13 root file system.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wardstack.lab.command import LabError
from wardstack.lab.paths import roots_dir
from wardstack.lab.rootfs import SUITE, debian_mirror

PACKAGES = "linux-image-cloud-amd64,initramfs-tools,busybox,zstd"
MODULES = ("virtio_pci", "virtio_blk", "ext4")

# What an installer would have written to the disk reaches the host as files appended to
# its initramfs (`/wardstack-seed`); they are taken over at the first boot only.
SEED = "wardstack-seed"
SEEDED = "var/lib/wardstack-seeded"
TAKE_SEED = f"""#!/bin/sh
[ "$1" != prereqs ] || exit 0
[ -d /{SEED} ] || exit 0
[ ! -e "$rootmnt/{SEEDED}" ] || exit 0
cp -a /{SEED}/. "$rootmnt/" && : >"$rootmnt/{SEEDED}"
"""

BEFORE_PACKAGES = f"""
set -eu
mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/etc/initramfs-tools/scripts/init-bottom"
printf 'MODULES=list\\nCOMPRESS=zstd\\n' >"$1/etc/initramfs-tools/conf.d/lab"
printf '%s\\n' {" ".join(MODULES)} >"$1/etc/initramfs-tools/modules"
cat >"$1/etc/initramfs-tools/scripts/init-bottom/lab" <<'END'
{TAKE_SEED}END
chmod 755 "$1/etc/initramfs-tools/scripts/init-bottom/lab"
"""


@dataclass(frozen=True)
class Kernel:
    """A kernel that can be booted: its recipe's key and the folder it lies in."""

    folder: Path

    @property
    def key(self) -> str:
        """The key of the recipe."""
        return self.folder.name.removeprefix("kernel-")

    @property
    def image(self) -> Path:
        """The kernel."""
        return self.folder / "vmlinuz"

    @property
    def initramfs(self) -> Path:
        """Its initramfs."""
        return self.folder / "initrd.img"

    @property
    def layer(self) -> Path:
        """The folder that holds ``usr/lib/modules``, to be laid over a root file system."""
        return self.folder / "layer"


def kernel() -> Kernel:
    """Return where the kernel is, or will be once it is fetched."""
    recipe = "\n".join((SUITE, PACKAGES, BEFORE_PACKAGES))
    return Kernel(roots_dir() / f"kernel-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}")


def ensure_kernel(progress: Callable[[str], None]) -> Kernel:
    """Fetch the kernel and make its initramfs unless they are cached.

    Made under a temporary name and renamed when whole.

    Args:
        progress: Called with one line of text a phase.

    Raises:
        LabError: The mirror fails or the build does; the log's path is named.
    """
    found = kernel()
    if found.folder.is_dir():
        return found
    roots_dir().mkdir(parents=True, exist_ok=True)
    building = found.folder.with_suffix(".building")
    tree = building / "tree"
    log = found.folder.with_suffix(".log")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    hook = building / "hook"
    hook.write_text("#!/bin/sh\n" + BEFORE_PACKAGES)
    hook.chmod(0o755)
    progress("fetching the kernel of full-VM hosts (once; about a minute)")
    started = time.monotonic()
    argv = ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory"]
    argv += [f"--include={PACKAGES}", "--aptopt=APT::Install-Recommends false"]
    argv += [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "locale")]
    argv += [f"--essential-hook={hook}", SUITE, str(tree), debian_mirror()]
    with log.open("w") as output:
        done = subprocess.run(argv, stdout=output, stderr=output, check=False)
    if done.returncode != 0:
        errors = [line for line in log.read_text().splitlines() if line.startswith("E:")]
        raise LabError(f"fetching the kernel failed: {errors[0] if errors else 'see the log'}; log: {log}")
    layer = building / "layer" / "usr/lib"
    layer.mkdir(parents=True)
    (tree / "usr/lib/modules").rename(layer / "modules")
    for name in ("vmlinuz", "initrd.img"):
        # The names in the root are links to those of the version that is installed.
        (tree / (tree / name).readlink()).rename(building / name)
    shutil.rmtree(tree)
    hook.unlink()
    building.rename(found.folder)
    progress(f"kernel fetched in {time.monotonic() - started:.0f} s")
    return found
