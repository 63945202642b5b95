"""STD-03.4: what a real cluster said, changed in one place, gives just the plan that puts it right."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from wardstack.blueprint.model import KINDS, Attachment, Blueprint, Nic, Resource
from wardstack.engines.base import Problem
from wardstack.engines.libvirt.config import LibvirtConfig
from wardstack.engines.libvirt.engine import LibvirtEngine
from wardstack.engines.libvirt.observe import assemble
from wardstack.engines.libvirt.transport import Transport
from wardstack.plan import Plan, make_plan

DATA = Path(__file__).parent / "data"
CASES = yaml.safe_load((DATA / "cases.yml").read_text(encoding="utf-8"))
OBSERVED = json.loads((DATA / "lab-observed.json").read_text(encoding="utf-8"))
DOMAINS = {
    "h1": {"power": "A", "switch": "S1", "rack": "R1", "host": "h1"},
    "h2": {"power": "B", "switch": "S2", "rack": "R2", "host": "h2"},
    "h3": {"power": "A", "switch": "S2", "rack": "R3", "host": "h3"},
}
CONFIG = LibvirtConfig(
    site="lab",
    domains=DOMAINS,
    reserve_mib=dict.fromkeys(DOMAINS, 1920),
    tang={host: f"http://10.78.0.1{host[1]}:7500" for host in DOMAINS},
    unlock_threshold=2,
    secret=lambda _: "x" * 32,
)


def recorded_blueprint() -> Blueprint:
    """The blueprint that the lab was built from."""
    document = json.loads((DATA / "lab-blueprint.json").read_text(encoding="utf-8"))
    kinds: dict[str, type[Resource]] = {kind.KIND: kind for kind in KINDS}
    resources = []
    for entry in document["resources"]:
        kind, _, name = entry["id"].partition("/")
        values: dict[str, Any] = entry["attributes"]
        if kind == "vm":
            values["volumes"] = tuple(Attachment(**v) for v in values["volumes"])
            values["nics"] = tuple(Nic(**n) for n in values["nics"])
        if kind == "placement":
            values["vms"] = tuple(values["vms"])
        resources.append(kinds[kind](name=name, clauses=tuple(entry["clauses"]), **values))
    return Blueprint(site=document["site"], resources=tuple(resources))


BLUEPRINT = recorded_blueprint()


def plan_for(observed: dict[str, Any], problems: tuple[Problem, ...] = (), blueprint: Blueprint = BLUEPRINT) -> Plan:
    engine = LibvirtEngine(CONFIG, Transport([]))
    try:
        return make_plan(engine, blueprint, assemble(CONFIG, observed["hosts"], observed["shared"], problems, 0.0))
    finally:
        engine.close()


def step_into(node: Any, key: Any) -> Any:
    """Follow one word of a path: a key, or an entry of a list or mapping that it describes."""
    if isinstance(key, dict):
        (name, value), *_ = key.items()
        if name == "prefix":
            return next(v for k, v in node.items() if k.startswith(value))
        return next(entry for entry in node if entry[name] == value)
    return node[key]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_plan(case: dict[str, Any]) -> None:
    observed = copy.deepcopy(OBSERVED)
    if "set" in case:
        *path, last = case["set"][0]
        node: Any = observed
        for key in path:
            node = step_into(node, key)
        node[last] = case["set"][1]
    if "remove" in case:
        *path, last = case["remove"]
        node = observed
        for key in path:
            node = step_into(node, key)
        del node[last]
    if "rename_vm" in case:
        old, new = case["rename_vm"]
        for host in observed["hosts"].values():
            host["virt"]["files"][new] = host["virt"]["files"].pop(old)
            host["virt"]["running"].pop(old, None)
        del observed["shared"]["cluster"]["vms"][old]
        assert sorted(f"{a.op} {a.id}" for a in plan_for(observed).actions) == sorted(
            [*case["plan"], f"restart ha/{old}"]
        )
        return
    assert [f"{a.op} {a.id}" for a in plan_for(observed).actions] == case["plan"]


def test_a_vm_that_runs_with_an_older_definition_is_restarted_and_the_plan_says_so() -> None:
    observed = copy.deepcopy(OBSERVED)
    host = OBSERVED["shared"]["cluster"]["vms"]["a1"]
    xml = observed["hosts"][host]["virt"]["running"]["a1"]
    begin = xml.index('definition="') + len('definition="')
    observed["hosts"][host]["virt"]["running"]["a1"] = xml[:begin] + "0" * 16 + xml[begin + 16 :]
    (action,) = plan_for(observed).actions
    assert (action.op, action.id, action.interrupts, action.destroys) == ("restart", "vm/a1", True, False)


def test_a_vm_that_does_not_run_is_started_without_interrupting_anything() -> None:
    observed = copy.deepcopy(OBSERVED)
    host = observed["shared"]["cluster"]["vms"].pop("a2")
    del observed["hosts"][host]["virt"]["running"]["a2"]
    (action,) = plan_for(observed).actions
    assert (action.op, action.id, action.interrupts, action.reason) == ("restart", "ha/a2", False, "does not run")


def test_a_constraint_that_is_missing_is_put_back() -> None:
    """STD-05.4."""
    observed = copy.deepcopy(OBSERVED)
    cib = observed["shared"]["cluster"]["cib"]
    begin = cib.index('<rsc_colocation id="spread-archive-a1-a2"')
    observed["shared"]["cluster"]["cib"] = cib[:begin] + cib[cib.index("/>", begin) + 2 :]
    assert [f"{a.op} {a.id}" for a in plan_for(observed).actions] == ["update placement/archive"]


def test_hosts_that_do_not_answer_are_all_named_and_nothing_may_be_done() -> None:
    dead = tuple(Problem(host, "cannot be reached by ssh", "Switch it on") for host in ("h2", "h3"))
    observed = copy.deepcopy(OBSERVED)
    del observed["hosts"]["h2"], observed["hosts"]["h3"]
    assert [p.where for p in plan_for(observed, dead).problems][:2] == ["h2", "h3"]


def test_memory_that_one_lost_host_would_take_is_missed_before_the_first_change() -> None:
    """STD-05.3."""
    observed = copy.deepcopy(OBSERVED)
    for host in observed["hosts"].values():
        host["host"]["memory_mib"] = 3500
    problems = [str(p) for p in plan_for(observed).problems]
    assert any("when h1 is lost" in text for text in problems)


def test_a_pool_with_more_replicas_than_hosts_with_disks_is_refused() -> None:
    """STD-04.1."""
    observed = copy.deepcopy(OBSERVED)
    observed["shared"]["ceph"]["osds"][0]["up"] = False
    assert any("failure domains" in str(p) for p in plan_for(observed).problems)


def test_a_volume_never_shrinks() -> None:
    observed = copy.deepcopy(OBSERVED)
    observed["shared"]["rbd"]["vms"]["a1-data"]["size"] = 8 << 30
    assert any("cannot shrink" in str(p) for p in plan_for(observed).problems)


def test_a_bare_cloud_is_planned_whole() -> None:
    observed = {
        "hosts": {h: {"host": OBSERVED["hosts"][h]["host"]} for h in DOMAINS},
        "shared": {},
    }
    ops = {a.op for a in plan_for(observed).actions}
    assert ops == {"create"}
    assert len(plan_for(observed).actions) == len(BLUEPRINT.resources)
