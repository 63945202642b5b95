"""Pools, file systems and storage users, by monitor commands over one connection."""

from __future__ import annotations

import importlib
import json
import time
from typing import Any

from .process import AgentError, Step
from .virt import key_digest

CONNECT_S = 5
"""The monitors' quorum answers in milliseconds; a cluster without quorum never does."""

REGISTRY = "wardstack/"
"""Prefix of the monitors' config keys that remember which resources are ours."""


class Cluster:
    """An open connection to the monitors as ``client.admin``."""

    def __init__(self) -> None:
        try:
            rados = importlib.import_module("rados")
        except ImportError:
            raise AgentError("Ceph's client is not installed", "Run the playbook site.yml on this host first") from None
        try:
            self.rados = rados.Rados(conffile="/etc/ceph/ceph.conf", name="client.admin")
            self.rados.connect(timeout=CONNECT_S)
        except rados.Error as error:
            raise AgentError(
                f"Ceph does not answer within {CONNECT_S} s ({error})",
                "Look with 'ceph -s' on a monitor host; a majority of monitors must run",
            ) from None

    def ask(self, prefix: str, **arguments: Any) -> Any:
        """Ask the monitors and return their JSON.

        Raises:
            AgentError: they refused; with their words.
        """
        return json.loads(self.tell(prefix, format="json", **arguments) or "null")

    def tell(self, prefix: str, stdin: bytes = b"", **arguments: Any) -> str:
        """Give the monitors an order and return what they print.

        Raises:
            AgentError: they refused; with their words.
        """
        status, output, words = self.rados.mon_command(json.dumps({"prefix": prefix, **arguments}), stdin, timeout=30)
        if status != 0:
            raise AgentError(f"'ceph {prefix}' failed: {words or status}")
        return str(output.decode(errors="replace"))

    def remember(self, identity: str, attributes: dict[str, Any]) -> None:
        """Note that a resource is ours and complete. Called last."""
        self.tell("config-key set", key=REGISTRY + identity, val=json.dumps(attributes, sort_keys=True))

    def forget(self, identity: str) -> None:
        """Remove the note."""
        self.tell("config-key rm", key=REGISTRY + identity)


def observe() -> dict[str, Any]:
    """Read everything about pools, file systems and users; keys of users never leave the host."""
    cluster = Cluster()
    dump = cluster.ask("osd dump")
    users = cluster.ask("auth ls")["auth_dump"]
    return {
        "pools": dump["pools"],
        "osds": [{"id": o["osd"], "up": o["up"], "in": o["in"]} for o in dump["osds"]],
        "rules": cluster.ask("osd crush rule dump"),
        "filesystems": cluster.ask("fs dump")["filesystems"],
        "users": [
            {"entity": u["entity"], "caps": u["caps"], "key_digest": key_digest(u["key"])}
            for u in users
            if u["entity"].startswith("client.")
        ],
        "registry": {key: json.loads(value) for key, value in _registry(cluster).items()},
        "health": cluster.ask("health")["status"],
        "crush": cluster.ask("osd tree")["nodes"],
    }


def _registry(cluster: Cluster) -> dict[str, str]:
    found: dict[str, str] = cluster.ask("config-key dump", key=REGISTRY) or {}
    return {key.removeprefix(REGISTRY): value for key, value in found.items() if key.startswith(REGISTRY)}


def pool(step: Step, name: str, application: str, crush_type: str, attributes: dict[str, Any]) -> None:
    """Create a replicated pool, or bring it to the attributes wanted.

    Args:
        step: called with what is being done.
        name: pool.
        application: ``rbd`` or ``cephfs``.
        crush_type: CRUSH bucket type that replicas are spread over.
        attributes: normalised attributes (replicas, min_replicas, pg_num …).
    """
    cluster = Cluster()
    rule = f"wardstack-{crush_type}"
    if rule not in cluster.ask("osd crush rule ls"):
        cluster.tell("osd crush rule create-replicated", name=rule, root="default", type=crush_type)
    if name not in cluster.ask("osd pool ls"):
        step("creating the pool")
        cluster.tell(
            "osd pool create", pool=name, pg_num=attributes["pg_num"], pgp_num=attributes["pg_num"],
            pool_type="replicated", rule=rule, size=attributes["replicas"], autoscale_mode="off",
        )  # fmt: skip
    current = next(p for p in cluster.ask("osd dump")["pools"] if p["pool_name"] == name)
    rules = {r["rule_id"]: r["rule_name"] for r in cluster.ask("osd crush rule dump")}
    wanted = [
        ("crush_rule", rule, rules.get(current["crush_rule"])),
        ("size", str(attributes["replicas"]), str(current["size"])),
        ("min_size", str(attributes["min_replicas"]), str(current["min_size"])),
        # A target of its own means that a change of the number is still on its way.
        ("pg_num", str(attributes["pg_num"]), str(current.get("pg_num_target", current["pg_num"]))),
        ("pg_autoscale_mode", "off", str(current.get("pg_autoscale_mode", "off"))),
    ]
    for variable, value, present in wanted:
        if value != present:
            cluster.tell("osd pool set", pool=name, var=variable, val=value)
    if application not in current.get("application_metadata", {}):
        if application == "rbd":
            rbd = importlib.import_module("rbd")
            with cluster.rados.open_ioctx(name) as context:
                rbd.RBD().pool_init(context, True)
        else:
            cluster.tell("osd pool application enable", pool=name, app=application)
    cluster.remember(f"pool/{name}", attributes)


def pool_delete(step: Step, name: str) -> None:
    """Delete a pool and everything in it; the monitors' own safety catch is lifted for that moment only."""
    cluster = Cluster()
    if name in cluster.ask("osd pool ls"):
        step("deleting the pool and everything in it")
        cluster.tell("config set", who="mon", name="mon_allow_pool_delete", value="true")
        try:
            # The monitors read the option when it reaches them, a moment after it was stored.
            for attempt in range(10):
                try:
                    cluster.tell("osd pool delete", pool=name, pool2=name, yes_i_really_really_mean_it=True)
                    break
                except AgentError:
                    if attempt == 9:
                        raise
                    time.sleep(0.5)
        finally:
            cluster.tell("config rm", who="mon", name="mon_allow_pool_delete")
    cluster.forget(f"pool/{name}")


def filesystem(step: Step, name: str, attributes: dict[str, Any]) -> None:
    """Create a file system over two pools that exist.

    Raises:
        AgentError: a file system of this name has other pools.
    """
    cluster = Cluster()
    existing = {f["name"]: f for f in cluster.ask("fs ls")}
    if name not in existing:
        step("creating the file system")
        cluster.tell("fs new", fs_name=name, metadata=attributes["metadata_pool"], data=attributes["data_pool"])
    elif (existing[name]["metadata_pool"], existing[name]["data_pools"]) != (
        attributes["metadata_pool"],
        [attributes["data_pool"]],
    ):
        raise AgentError(
            f"file system {name} lies on pools {existing[name]['metadata_pool']} and {existing[name]['data_pools']}",
            "A file system's pools cannot be changed: name those in the blueprint, or copy the data to a new one",
        )
    cluster.tell("fs set", fs_name=name, var="standby_count_wanted", val=str(attributes["standby_count"]))
    cluster.remember(f"filesystem/{name}", attributes)


def filesystem_delete(step: Step, name: str) -> None:
    """Delete a file system; its pools stay until they are deleted themselves."""
    cluster = Cluster()
    if name in {f["name"] for f in cluster.ask("fs ls")}:
        step("deleting the file system")
        cluster.tell("fs fail", fs_name=name)
        cluster.tell("fs rm", fs_name=name, yes_i_really_mean_it=True)
    cluster.forget(f"filesystem/{name}")


def user(step: Step, name: str, caps: dict[str, str]) -> None:
    """Create a storage user, or give it exactly these capabilities; its key never changes."""
    cluster = Cluster()
    pairs = [word for kind, text in sorted(caps.items()) for word in (kind, text)]
    known = {u["entity"]: u["caps"] for u in cluster.ask("auth ls")["auth_dump"]}
    if name not in known:
        cluster.tell("auth get-or-create", entity=name, caps=pairs)
    elif known[name] != caps:
        step("changing what it may do")
        cluster.tell("auth caps", entity=name, caps=pairs)
    cluster.remember(f"storage_user/{name}", caps)


def user_key(step: Step, name: str) -> str:
    """The key of a storage user, for the hosts' libvirt; it travels over ssh only."""
    return str(Cluster().ask("auth get-key", entity=name)["key"])


def user_delete(step: Step, name: str) -> None:
    """Delete a storage user."""
    cluster = Cluster()
    cluster.tell("auth rm", entity=name)
    cluster.forget(f"storage_user/{name}")
