"""The whole lab by the product's own commands: built through kills, left alone by a second run, robbed of a host, gone.

The tests use one lab and follow each other; what one leaves is what the next finds.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.command import LAB, REPOSITORY, eventually, kill_when, run, wardstack
from wardstack import cli_status
from wardstack.archive.config import VerifyConfig
from wardstack.archive.verify import verify
from wardstack.cli_errors import Refusal
from wardstack.cli_lab import lab_ssh
from wardstack.cli_site import OpenedSite
from wardstack.cli_status import VM_PREFIX, Machines, first
from wardstack.lab.cgroup import leftovers
from wardstack.lab.container import mounts_below
from wardstack.lab.network import namespaces
from wardstack.lab.paths import cache_dir, lab_dir
from wardstack.site import load_site

UP_S = 45 * 60
"""A limit for one `up`, several times what it takes on two quiet cores."""

HALF_WAY = [
    # What was last said, and seconds into the step that follows it.
    ("Make this host's daemons as far as an existing cluster allows", 6.0),
    ("Run Corosync and Pacemaker", 8.0),
    ("Configure the cluster and wait until its fencing works", 15.0),
    ("Write the node's configuration", 10.0),
]
"""Where `up` is killed: Ceph has a first monitor, Pacemaker is half set up, VMs are half defined, databases start."""


def test_up_that_is_killed_anywhere_converges_when_run_again(opened: OpenedSite, tmp_path: Path) -> None:
    """STD-10.7. Kill -9 at four points, then once more to the end, with a study stored and read back."""
    for number, (said, after_s) in enumerate(HALF_WAY):
        log = tmp_path / f"killed-{number}.log"
        assert kill_when(["up"], said, log, after_s, timeout=UP_S), f"it ended before it was killed:\n{tail(log)}"
    done = wardstack("up", timeout=UP_S)
    assert done.status == 0, done.output[-6000:]
    assert "verified in" in done.output, done.output[-6000:]
    for line in ("hosts", "storage", "cluster", "archive", "next"):
        assert re.search(rf"^{line}$", done.output, re.MULTILINE), f"the summary lacks '{line}':\n{done.output[-6000:]}"
    assert f"@{opened.site.floating_address}:{opened.site.number('dicom_tls_port')}" in done.output


def test_nothing_secret_is_said(opened: OpenedSite, tmp_path: Path) -> None:
    """STD-08.9. Neither the output of `up` in its most talkative form nor the progress files hold a secret."""
    done = run(*playbook("site.yml", "--tags", "archive", "--check", "--diff", "-vvv"), timeout=UP_S)
    assert done.status == 0, done.output[-6000:]
    secrets = [path.read_text().strip() for path in (opened.state_dir / "secrets").iterdir() if path.is_file()]
    assert len(secrets) > 5
    assert [text for text in secrets if len(text) > 8 and text in done.output] == []


def test_a_second_up_changes_nothing() -> None:
    """STD-10.2."""
    done = wardstack("up", timeout=UP_S)
    assert done.status == 0, done.output[-6000:]
    assert "nothing changed in" in done.output, done.output[-6000:]


def test_plan_of_a_finished_site_is_empty_and_changes_nothing() -> None:
    """STD-10.1. Check mode tells the truth, through every playbook, with Ansible alone too."""
    done = wardstack("plan", timeout=UP_S)
    assert done.status == 0, done.output[-6000:]
    assert changes(done.output) == 0, done.output[-6000:]


def test_plan_says_what_a_changed_file_would_be_again(opened: OpenedSite) -> None:
    """STD-10.1. Check mode is not merely silent: what somebody altered by hand shows, and `up` puts it right."""
    on_host(opened, "h2", "echo '# by hand' >> /etc/ceph/ceph.conf")
    planned = run(*playbook("storage.yml", "--check", "--diff"), timeout=UP_S)
    assert planned.status == 0, planned.output[-6000:]
    assert "-# by hand" in planned.output, planned.output[-6000:]
    assert changes(planned.output) == 1, planned.output[-6000:]
    assert "by hand" in on_host(opened, "h2", "cat /etc/ceph/ceph.conf"), "check mode changed a file"
    mended = run(*playbook("storage.yml"), timeout=UP_S)
    assert mended.status == 0, mended.output[-6000:]
    assert "by hand" not in on_host(opened, "h2", "cat /etc/ceph/ceph.conf")


def test_a_host_that_loses_its_power_while_studies_arrive_costs_nothing(opened: OpenedSite) -> None:
    """The host of the node that holds the floating address is cut off: STD-05.3, STD-05.5, STD-05.7, STD-06.4.

    The archive goes on within the sender's patience, every acknowledged object is read back, the VM comes back on
    another host, and the host rejoins when it has power again.
    """
    before = read_state(opened)
    floating = opened.site.floating_address
    node = next(name for name, told in before.items() if floating in told.get("addresses", ()) and name.startswith("a"))
    victim = placed(before)[node]
    cut_at: list[float] = []

    def cut() -> dict[str, Any]:
        done = wardstack("lab", "power", "off", victim)
        assert done.status == 0, done.output
        cut_at.append(time.monotonic())
        return {"host": victim, "node": node}

    config = VerifyConfig.from_site(
        opened.site.as_vars(), opened.site.std, load_may_fail=True, read="all", patience=600.0, timeout=60.0
    )
    report = verify(config, cut)
    assert report.ok, report.problems
    assert report.load is not None
    assert not report.load["given_up"], report.load
    eventually(
        f"{node} runs on another host than {victim}",
        lambda: placed(read_state(opened)).get(node) not in (None, "", victim),
        timeout=600,
    )
    assert wardstack("lab", "power", "on", victim).status == 0
    eventually("all hosts are back, and storage is whole", lambda: whole(opened, read_state(opened)), timeout=900)
    eventually("every node serves again", lambda: serving(opened, read_state(opened)), timeout=900)
    again = wardstack("up", timeout=UP_S)
    assert again.status == 0, again.output[-6000:]
    final = verify(VerifyConfig.from_site(opened.site.as_vars(), opened.site.std, read="all"))
    assert final.ok, final.problems
    assert final.ledger["objects"] >= report.ledger["objects"]


def test_a_host_that_is_named_in_the_inventory_joins(tmp_path: Path) -> None:
    """STD-09.5: by one run of Ansible alone, without a restart of a virtual machine."""
    grown = four_hosts(tmp_path / "lab")
    before = {name: boot(grown, name) for name in ("a1", "a2", "a3")}
    done = run(*playbook("site.yml", inventory=grown.inventory), timeout=UP_S)
    assert done.status == 0, done.output[-6000:]
    eventually("four hosts are members, and storage is whole", lambda: whole(grown, read_state(grown)), timeout=600)
    state = read_state(grown)
    assert (first(state, "storage") or {})["quorum"] == ["h1", "h2", "h3"]
    assert set((first(state, "cluster") or {})["nodes"]) == {"h1", "h2", "h3", "h4"}
    assert (first(state, "storage") or {})["osds"] == 4
    assert {name: boot(grown, name) for name in before} == before


def test_a_site_with_a_mistake_is_refused_before_anything_is_changed(tmp_path: Path) -> None:
    """Every mistake in one message, with file and line."""
    site = tmp_path / "lab"
    shutil.copytree(LAB, site)
    text = (site / "site.yml").read_text()
    (site / "site.yml").write_text(
        text.replace("10.78.1.102}", "10.78.1.101}").replace("engine: libvirt", "engine: magic")
    )
    done = run(*playbook("site.yml", inventory=site))
    assert done.status != 0
    assert "magic" in done.output, done.output
    assert "10.78.1.101" in done.output, done.output
    assert re.search(r"site\.yml:\d+", done.output), done.output
    assert "changed" not in done.output, done.output


def test_down_leaves_nothing(opened: OpenedSite) -> None:
    done = wardstack("down")
    assert done.status == 0, done.output
    assert [name for kind in ("bmc-", "host-", "vlan-") for name in leftovers(kind)] == []
    assert [name for name in namespaces() if name.startswith("ws-")] == []
    assert mounts_below(cache_dir()) == []
    assert not lab_dir().exists()
    assert not opened.state_dir.exists()
    assert [path.name for path in Path("/run").glob("ws-*")] == []
    again = wardstack("down")
    assert again.status == 0, again.output


def playbook(name: str, *options: str, inventory: Path = LAB) -> list[str]:
    """Return the words that run a playbook with Ansible alone, as hospital IT does."""
    return ["ansible-playbook", "-i", str(inventory), *options, f"playbooks/{name}"]


def on_host(opened: OpenedSite, host: str, command: str) -> str:
    """Run a command on a host as root and return what it prints."""
    address = next(one.ansible_host for one in opened.site.hosts if one.name == host)
    done = run(*lab_ssh(opened), f"root@{address}", command)
    assert done.status == 0, done.output
    return done.output


def read_state(opened: OpenedSite) -> Machines:
    """Ask every machine, as `wardstack status` does; empty while none can be asked."""
    try:
        return cli_status.read(opened)
    except (Refusal, subprocess.CalledProcessError):
        return {}


def four_hosts(inventory: Path) -> OpenedSite:
    """Return the lab with a fourth host, by an inventory in another folder: like the third, with its own addresses."""
    shutil.copytree(LAB, inventory)
    path = inventory / "hosts.yml"
    document = yaml.safe_load(path.read_text())
    hosts = document["hypervisors"]["hosts"]
    hosts["h4"] = json.loads(json.dumps(hosts["h3"]).replace("10.78.0.13", "10.78.0.14").replace(".1.13", ".1.14"))
    hosts["h4"]["host_bmc"]["address"] = "10.78.0.24"
    hosts["h4"]["host_domains"]["rack"] = "R4"
    path.write_text(yaml.safe_dump(document))
    return OpenedSite(load_site(inventory, REPOSITORY / "docs" / "standards"), inventory)


def boot(opened: OpenedSite, node: str) -> str:
    """Return what an archive node's kernel drew at its start."""
    address = next(one.addresses["cluster"] for one in opened.site.archive_nodes if one.name == node)
    done = run(*lab_ssh(opened), f"ansible@{address}", "cat /proc/sys/kernel/random/boot_id")
    assert done.status == 0, done.output
    return done.output


def changes(output: str) -> int:
    """Return how many steps said that they changed something, or would."""
    return len(re.findall(r"(?<!\w)changed(?!\w)[^\n]*, [0-9.]+ s$", output, re.MULTILINE))


def placed(state: Machines) -> dict[str, str]:
    """Return the host of each archive node, as the cluster tells."""
    resources = (first(state, "cluster") or {"resources": {}})["resources"]
    return {name.removeprefix(VM_PREFIX): one["node"] for name, one in resources.items() if name.startswith(VM_PREFIX)}


def whole(opened: OpenedSite, state: Machines) -> bool:
    """Whether every host is a member again and every disk of the storage is up and in health."""
    hosts = [state.get(host.name, {}) for host in opened.site.hosts]
    return all(
        set(told.get("cluster", {}).get("nodes", {"": ""}).values()) == {"online"}
        and told.get("storage", {}).get("health") == "HEALTH_OK"
        and told["storage"]["osds_up"] == told["storage"]["osds"]
        for told in hosts
    )


def serving(opened: OpenedSite, state: Machines) -> bool:
    """Whether every archive node answers with all its services, one database is primary, and one holds the address."""
    nodes = [state.get(node.name, {}) for node in opened.site.archive_nodes]
    return (
        all(told.get("services") and set(told["services"].values()) == {"active"} for told in nodes)
        and sorted(told.get("database", "none") for told in nodes) == ["primary", "standby", "standby"]
        and sum(opened.site.floating_address in told.get("addresses", ()) for told in nodes) == 1
    )


def tail(log: Path) -> str:
    """Return the end of a log."""
    return log.read_text(errors="replace")[-4000:]
