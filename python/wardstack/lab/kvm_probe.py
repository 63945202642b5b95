"""Does this machine's KVM work? Answered by booting a kernel, never by looking for a device.

There are machines where ``/dev/kvm`` exists and an unmodified kernel hangs under
it (seen). The kernel that would run is booted for a moment; only its own words on
the serial console count. The answer is kept until the machine is booted again.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from wardstack.lab.kernel import Kernel
from wardstack.lab.paths import cache_dir

BOUND_S = 15.0
# Debian's initramfs says this as soon as the kernel has started its first program.
SIGN = b"Loading, please wait"


def works(kernel: Kernel, bound_s: float = BOUND_S) -> bool:
    """Say whether this kernel boots under KVM within ``bound_s`` seconds; asked once a boot of this machine."""
    asked = cache_dir() / "kvm-probe.json"
    question = {"boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(), "kernel": kernel.key}
    try:
        kept = json.loads(asked.read_text())
    except (OSError, ValueError):
        kept = {}
    if {name: kept.get(name) for name in question} == question and isinstance(kept.get("works"), bool):
        return bool(kept["works"])
    answer = boots(["-accel", "kvm", "-cpu", "host"], kernel, bound_s)
    asked.parent.mkdir(parents=True, exist_ok=True)
    making = asked.with_suffix(".new")
    making.write_text(json.dumps({**question, "works": answer}))
    making.rename(asked)
    return answer


def boots(accelerator: Sequence[str], kernel: Kernel, bound_s: float) -> bool:
    """Say whether a kernel reaches its first program within ``bound_s`` seconds with an accelerator of QEMU."""
    with tempfile.TemporaryDirectory(prefix="ws-probe-") as folder:
        console = Path(folder) / "console"
        console.touch()
        # `timeout` ends the VM also when this process is killed.
        argv = ["timeout", "--signal=KILL", str(bound_s), "qemu-system-x86_64", *accelerator]
        argv += ["-machine", "q35", "-m", "512", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        argv += ["-serial", f"file:{console}", "-kernel", str(kernel.image), "-initrd", str(kernel.initramfs)]
        argv += ["-append", "console=ttyS0 panic=-1"]
        nowhere = subprocess.DEVNULL
        with subprocess.Popen(argv, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True) as vm:
            try:
                while vm.poll() is None:
                    if SIGN in console.read_bytes():
                        return True
                    time.sleep(0.1)
                return SIGN in console.read_bytes()
            finally:
                # The whole session: `timeout` and the VM it watches.
                with suppress(ProcessLookupError):
                    os.killpg(vm.pid, signal.SIGKILL)
