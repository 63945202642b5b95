"""VMs as Pacemaker resources: define, wait, move, drain."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from typing import Any

from .process import AgentError, Step, run
from .virt import virsh

PREFIX = "vm-"
"""Resource name of a VM: ``vm-a1``."""

POLL_S = 0.3
MOVE_LIFETIME = "PT15M"
"""A controller that dies in the middle of a migration leaves a constraint that ends by itself."""


def observe() -> dict[str, Any]:
    """The cluster's configuration as XML, and where everything runs."""
    return {"cib": run(["cibadmin", "--query", "--scope", "configuration"], timeout_s=20), **_status()}


def where(step: Step) -> dict[str, str]:
    """VM → host."""
    found: dict[str, str] = _status()["vms"]
    return found


def _status() -> dict[str, Any]:
    """Nodes and VMs as ``crm_mon`` sees them, and what failed last."""
    root = ET.fromstring(run(["crm_mon", "-1", "--output-as=xml", "--inactive"], timeout_s=20))  # noqa: S314
    nodes = {
        node.get("name", ""): {
            "online": node.get("online") == "true" and node.get("unclean") != "true" and node.get("pending") != "true",
            "standby": node.get("standby") == "true",
        }
        for node in root.iterfind("./nodes/node")
    }
    vms: dict[str, str] = {}
    busy: list[str] = []
    for resource in root.iterfind(".//resource"):
        name = resource.get("id", "")
        if not name.startswith(PREFIX):
            continue
        places = [node.get("name", "") for node in resource.iterfind("node")]
        if resource.get("pending"):
            busy.append(name.removeprefix(PREFIX))
        if resource.get("role") == "Started" and len(places) == 1 and resource.get("failed") != "true":
            vms[name.removeprefix(PREFIX)] = places[0]
    failures = {
        f.get("op_key", "").removeprefix(
            PREFIX
        ): f"{f.get('exitreason') or f.get('exitstatus') or 'failed'} on {f.get('node')}"
        for f in root.iterfind("./failures/failure")
    }
    return {"nodes": nodes, "vms": vms, "busy": busy, "failures": failures}


def _failure(status: dict[str, Any], vm: str) -> str:
    reasons = [text for key, text in status["failures"].items() if key.startswith(f"{vm}_")]
    return "; ".join(reasons) or "the cluster gives no reason"


def change(step: Step, put: list[list[str]], delete: list[list[str]]) -> None:
    """Put objects into the cluster's configuration, and take others out.

    Args:
        step: called with what is being done.
        put: pairs of section and XML; an object with the same id is replaced.
        delete: pairs of section and XML with the id only; one that is not there is no error.
    """
    for section, xml in delete:
        run(["cibadmin", "--delete", "--scope", section, "--xml-text", xml], check=False)
    for section, xml in put:
        tag = ET.fromstring(xml)  # noqa: S314
        query = ["cibadmin", "--query", "--xpath", f"//{section}//{tag.tag}[@id='{tag.get('id')}']"]
        # Pacemaker 3.0.0 says ENXIO to --replace --allow-create of what does not exist (seen), so ask first.
        verb = "--replace" if "<" in run(query, check=False) else "--create"
        run(["cibadmin", verb, "--scope", section, "--xml-text", xml])


def started(step: Step, vm: str, timeout_s: float) -> str:
    """Wait until the cluster runs a VM; clear old failures once, as they would keep it from trying.

    Returns:
        The host.

    Raises:
        AgentError: it does not run in time; with the cluster's reason.
    """
    step("waiting for the cluster to start it")
    until = time.monotonic() + timeout_s
    cleaned = False
    while True:
        status = _status()
        if vm in status["vms"] and vm not in status["busy"]:
            return str(status["vms"][vm])
        failed = any(key.startswith(f"{vm}_") for key in status["failures"])
        if failed and not cleaned:
            cleaned = True
            run(["crm_resource", "--cleanup", "--resource", PREFIX + vm], check=False)
        elif time.monotonic() > until:
            raise AgentError(
                f"VM {vm} does not run after {timeout_s:.0f} s ({_failure(status, vm)})",
                f"Look with 'crm_mon -1rf' and 'journalctl -u pacemaker', then crm_resource --cleanup -r {PREFIX}{vm}",
            )
        time.sleep(1)


def restart(step: Step, vm: str, timeout_s: float) -> None:
    """Stop a VM and start it with its new definition, the cluster knowing."""
    step("stopping and starting it")
    run(
        ["crm_resource", "--restart", "--resource", PREFIX + vm, f"--timeout={timeout_s:.0f}s"],
        timeout_s=timeout_s + 30,
    )


def remove(step: Step, vm: str, constraints: list[str], timeout_s: float) -> None:
    """Stop a VM and take it out of the cluster, with the constraints that name it."""
    resource = PREFIX + vm
    if f'id="{resource}"' in run(["cibadmin", "--query", "--scope", "resources"], check=False):
        step("stopping it")
        run(
            [
                "crm_resource",
                "--resource",
                resource,
                "--set-parameter",
                "target-role",
                "--meta",
                "--parameter-value",
                "Stopped",
            ]
        )
        run(["crm_resource", "--wait", f"--timeout={timeout_s:.0f}s"], timeout_s=timeout_s + 30)
        for constraint in constraints:
            run(["cibadmin", "--delete", "--xpath", f"//constraints/*[@id='{constraint}']", "--force"], check=False)
        run(["cibadmin", "--delete", "--scope", "resources", "--xml-text", f'<primitive id="{resource}"/>'])
        run(["crm_resource", "--cleanup", "--resource", resource], check=False)


def move(step: Step, vm: str, host: str, timeout_s: float) -> dict[str, Any]:
    """Migrate a VM live to this host (``host``), then let the cluster's own rules apply again.

    Returns:
        ``seconds``, ``downtime_ms`` and ``transferred_mib`` (None when libvirt did not
        keep them), and ``resting``: the host after the cluster came to rest.

    Raises:
        AgentError: it did not arrive, or was restarted instead of migrated.
    """
    before = _status()
    source = before["vms"].get(vm)
    if source is None:
        raise AgentError(f"VM {vm} does not run ({_failure(before, vm)})", "Start it first: run the playbook cloud.yml")
    begun = time.monotonic()
    step(f"migrating from {source} to {host}")
    run(["crm_resource", "--move", "--resource", PREFIX + vm, "--node", host, "--lifetime", MOVE_LIFETIME])
    try:
        while True:
            if vm in virsh("list --name --state-running")[0].split():
                status = _status()
                if status["vms"].get(vm) == host and vm not in status["busy"]:
                    break
            if time.monotonic() - begun > timeout_s:
                raise AgentError(
                    f"VM {vm} did not arrive on {host} within {timeout_s:.0f} s ({_failure(_status(), vm)})",
                    "Look with 'crm_mon -1rf' and 'journalctl -u pacemaker -u libvirtd' on both hosts",
                )
            time.sleep(POLL_S)
        seconds = time.monotonic() - begun
        figures = _completed(vm)
        if figures is None:
            raise AgentError(
                f"VM {vm} was restarted on {host}, not migrated ({_failure(_status(), vm)})",
                "Look with 'journalctl -u libvirtd' on both hosts; TLS certificates and port 16514 are the usual cause",
            )
    finally:
        run(["crm_resource", "--clear", "--resource", PREFIX + vm], check=False)
    run(["crm_resource", "--wait", f"--timeout={timeout_s:.0f}s"], timeout_s=timeout_s + 30, check=False)
    return {"source": source, "seconds": seconds, "resting": _status()["vms"].get(vm, host), **figures}


def _completed(vm: str) -> dict[str, float | None] | None:
    """What libvirt measured of the last migration into this host; None when there was none."""
    return figures_of(
        run(["virsh", "-q", "domjobinfo", vm, "--completed", "--keep-completed", "--rawstats"], check=False)
    )


def figures_of(text: str) -> dict[str, float | None] | None:
    """Read ``virsh domjobinfo --rawstats``: ``Job type: N``, then ``name: value`` of libvirt's statistics."""
    pairs = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    if "operation" not in pairs:
        return None
    downtime, sent = pairs.get("downtime"), pairs.get("data_processed")
    return {
        "downtime_ms": float(downtime) if downtime else None,
        "transferred_mib": float(sent) / (1 << 20) if sent else None,
    }


def standby(step: Step, host: str, on: bool, timeout_s: float) -> dict[str, str]:
    """Drain a host by live migration, or let it carry VMs again; wait until the cluster rests.

    Returns:
        VM → host afterwards.

    Raises:
        AgentError: a VM stays on the drained host.
    """
    setting = ["--update", "on"] if on else ["--delete"]
    run(["crm_attribute", "--type", "nodes", "--node", host, "--name", "standby", *setting])
    until = time.monotonic() + timeout_s
    seen = _status()["vms"]
    while True:
        status = _status()
        for vm, place in sorted(status["vms"].items()):
            if seen.get(vm) != place:
                step(f"{vm} runs on {place}")
        seen.update(status["vms"])
        left = sorted(vm for vm, place in status["vms"].items() if place == host)
        if not status["busy"] and not (on and left):
            break
        if time.monotonic() > until:
            raise AgentError(
                f"after {timeout_s:.0f} s {host} still carries {', '.join(left) or 'a moving VM'}",
                "Look with 'crm_mon -1rf'; the host stays drained until you undrain it",
            )
        time.sleep(POLL_S)
    run(["crm_resource", "--wait", f"--timeout={timeout_s:.0f}s"], timeout_s=timeout_s + 30, check=False)
    found: dict[str, str] = _status()["vms"]
    return found
