#!/usr/bin/python
# Copyright (c) Wardstack contributors
# SPDX-License-Identifier: Apache-2.0
"""Close a machine's inbound traffic but for a list of openings, each named by its clause.

Self-contained on purpose: it runs on the target, where only Python's standard library is at hand.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import subprocess
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
---
module: wardstack_firewall
short_description: Close a machine's inbound traffic but for a list of openings
version_added: "1.0.0"
description:
  - Writes one nftables table of Wardstack's own (C(inet wardstack)) and loads it as one transaction, so that the
    machine is never open or closed for a moment in between. Tables of others are not touched.
  - Compares the loaded table too, so that rules changed by hand or flushed are put back.
  - Refuses, before anything changes, rules that would shut out the ssh connection that it runs over.
  - Traffic between virtual machines and the network passes a bridge and is not filtered, also where the kernel hands
    bridged frames to nftables (C(net.bridge.bridge-nf-call-iptables)).
author:
  - Wardstack contributors
options:
  path:
    description: File of the rules, loaded at boot by a unit.
    type: path
    default: /etc/wardstack/firewall.nft
  default:
    description: What happens to inbound packets that no rule opens.
    type: str
    choices: [drop, accept]
    default: drop
  rules:
    description: The openings.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What it is for, in letters, digits, spaces and hyphens.
        type: str
        required: true
      clause:
        description: Clause that opens it, such as V(STD-08.7).
        type: str
        required: true
      protocol:
        description: Protocol. V(vrrp) and V(icmp) (echo requests) have no ports.
        type: str
        choices: [tcp, udp, vrrp, icmp]
        default: tcp
      ports:
        description: Ports and ranges, such as V(22) or V(6800-7300).
        type: list
        elements: str
        default: []
      from:
        description: Networks and addresses it is open to. V(any) is everybody.
        type: list
        elements: str
        required: true
  bridges:
    description: Bridges whose own traffic passes.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Reports truthfully what would change.
    support: full
  diff_mode:
    description: Shows the rules before and after.
    support: full
"""

EXAMPLES = r"""
- name: Open what the clauses open
  wardstack_firewall:
    rules:
      - {name: ssh, clause: STD-08.7, ports: ["22"], from: [10.78.0.0/24]}
      - {name: fail-over of the address, clause: STD-05.5, protocol: vrrp, from: [10.78.1.101, 10.78.1.102]}
    bridges: [br-cluster]
"""

RETURN = r"""
reason:
  description: Why the table was loaded; empty when it was not.
  returned: success
  type: str
"""

TABLE = "wardstack"
LOADED = "/var/lib/wardstack/firewall.loaded"
NAME = re.compile(r"^[A-Za-z0-9 .,()/-]{1,60}$")
CLAUSE = re.compile(r"^STD-\d\d\.\d+$")
PORT = re.compile(r"^(\d{1,5})(?:-(\d{1,5}))?$")
BRIDGE = re.compile(r"^[A-Za-z0-9_.-]{1,15}$")
RULE = {
    "name": {"type": "str", "required": True},
    "clause": {"type": "str", "required": True},
    "protocol": {"type": "str", "choices": ["tcp", "udp", "vrrp", "icmp"], "default": "tcp"},
    "ports": {"type": "list", "elements": "str", "default": []},
    "from": {"type": "list", "elements": "str", "required": True},
}
Range = ipaddress.IPv4Network | ipaddress.IPv6Network


class FirewallError(Exception):
    """Rules that are wrong or would lock us out; the message names the rule."""


def ports_of(rule: dict[str, Any]) -> list[tuple[int, int]]:
    """Return the ports of a rule as ranges (first, last).

    Raises:
        FirewallError: a port is none, or the protocol has no ports.
    """
    if rule["protocol"] in ("vrrp", "icmp"):
        if rule["ports"]:
            raise FirewallError(f"rule '{rule['name']}': {rule['protocol']} has no ports")
        return []
    if not rule["ports"]:
        raise FirewallError(
            f"rule '{rule['name']}': {rule['protocol']} needs ports; an opening of all ports is not one a clause names"
        )
    found = []
    for text in rule["ports"]:
        match = PORT.match(text)
        first, last = (int(match.group(1)), int(match.group(2) or match.group(1))) if match else (0, 0)
        if not 0 < first <= last < 65536:
            raise FirewallError(f"rule '{rule['name']}': '{text}' is not a port or a range of ports")
        found.append((first, last))
    return found


def ranges_of(rule: dict[str, Any]) -> list[Range]:
    """Return where a rule is open to; empty means everybody.

    Raises:
        FirewallError: one of them is not an address or network.
    """
    if "any" in rule["from"]:
        return []
    if not rule["from"]:
        raise FirewallError(f"rule '{rule['name']}': 'from' is empty; leave the rule out, or say 'any'")
    try:
        return [ipaddress.ip_network(text) for text in rule["from"]]
    except ValueError as error:
        raise FirewallError(f"rule '{rule['name']}': {error}") from None


def check(rules: list[dict[str, Any]], bridges: list[str]) -> None:
    """Raise FirewallError for the first thing that is wrong."""
    for rule in rules:
        if not NAME.match(rule["name"]):
            raise FirewallError(f"rule '{rule['name']}': a name is 1 to 60 letters, digits, spaces and .,()/-")
        if not CLAUSE.match(rule["clause"]):
            raise FirewallError(
                f"rule '{rule['name']}': '{rule['clause']}' is not a clause; nothing is open that no clause opens"
            )
        ports_of(rule)
        ranges_of(rule)
    for bridge in bridges:
        if not BRIDGE.match(bridge):
            raise FirewallError(f"'{bridge}' is not a name of a bridge")


def sources(ranges: list[Range]) -> list[str]:
    """Return nft's match of source addresses, one per address family; one empty text for everybody."""
    if not ranges:
        return [""]
    found = []
    for version, word in ((4, "ip"), (6, "ip6")):
        texts = [
            str(one.network_address) if one.prefixlen == one.max_prefixlen else str(one)
            for one in ipaddress.collapse_addresses([r for r in ranges if r.version == version])  # type: ignore[type-var]
        ]
        if texts:
            found.append(f"{word} saddr {{ {', '.join(texts)} }} ")
    return found


def statements(rule: dict[str, Any]) -> list[str]:
    """Return the nft statements of one opening."""
    comment = f'accept comment "{rule["clause"]} {rule["name"]}"'
    protocol = rule["protocol"]
    ranges = ranges_of(rule)
    if protocol == "vrrp":
        return [f"meta l4proto vrrp {source}{comment}" for source in sources(ranges)]
    if protocol == "icmp":
        found = []
        for source in sources(ranges):
            if not source.startswith("ip6"):
                found.append(f"{source}icmp type echo-request {comment}")
            if not source.startswith("ip "):
                found.append(f"{source}icmpv6 type echo-request {comment}")
        return found
    ports = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in sorted(set(ports_of(rule))))
    return [f"{source}{protocol} dport {{ {ports} }} {comment}" for source in sources(ranges)]


def render(rules: list[dict[str, Any]], default: str, bridges: list[str]) -> str:
    """Return the file of rules. The first two lines make loading it replace the table as one transaction."""
    openings = [line for rule in rules for line in statements(rule)]
    passing = [f'iifname "{bridge}" oifname "{bridge}" accept' for bridge in bridges]
    text = f"""# Written by Wardstack (role firewall). Rules of your own belong into another table.
table inet {TABLE}
delete table inet {TABLE}
table inet {TABLE} {{
	chain input {{
		type filter hook input priority filter; policy {default};
		ct state established,related accept
		ct state invalid drop
		iif "lo" accept
		# Who cannot be answered through the interface the packet came by has forged its source address.
		fib saddr . iif oif missing drop
		# Without these IPv6 does not find its neighbours.
		icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert }} ip6 hoplimit 255 accept
"""
    text += "".join(f"\t\t{line}\n" for line in openings)
    text += """		limit rate 6/minute burst 20 packets log prefix "wardstack drop: " level info
		counter
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		# The machine does not route. What its virtual machines send passes the bridge; some kernels show it here.
"""
    return text + "".join(f"\t\t{line}\n" for line in passing) + "\t}\n}\n"


def ssh_client() -> tuple[str, int] | None:
    """Return address of the ssh client that this module runs for, and our port; None when it does not run over ssh.

    sudo hides the variable from us, so that it is looked for in the processes above.
    """
    pid = os.getpid()
    while pid > 1:
        try:
            with open(f"/proc/{pid}/environ", "rb") as stream:
                environment = stream.read().split(b"\0")
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stream:
                pid = int(stream.read().rpartition(")")[2].split()[1])
        except OSError:
            return None
        for entry in environment:
            if entry.startswith(b"SSH_CONNECTION="):
                words = entry[15:].decode("ascii", "replace").split()
                if len(words) == 4:
                    return words[0], int(words[3])
    return None


def refuse_lock_out(rules: list[dict[str, Any]], client: tuple[str, int] | None) -> None:
    """Raise FirewallError where the rules would shut out the connection that they come by."""
    if client is None:
        return
    address = ipaddress.ip_address(client[0].partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    for rule in rules:
        if rule["protocol"] == "tcp" and any(first <= client[1] <= last for first, last in ports_of(rule)):
            ranges = ranges_of(rule)
            if not ranges or any(address in one for one in ranges if one.version == address.version):
                return
    raise FirewallError(
        f"no rule opens port {client[1]} to {address}, from where this very connection comes: the next one would be"
        " shut out. Add the controller's network to the rule for ssh"
    )


def nft(*words: str) -> tuple[int, str, str]:
    """Run nft. Returns exit code, output and errors; 127 where it is not installed."""
    try:
        done = subprocess.run(["nft", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return 127, "", "nft is not installed"
    return done.returncode, done.stdout, done.stderr.strip()


def digest(*texts: str) -> str:
    """Return one digest over texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def read(path: str) -> str:
    """Return a file's text, empty when there is none."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def write(path: str, text: str) -> None:
    """Replace a file as a whole."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".wardstack-", dir=os.path.dirname(path))
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.chmod(temporary, 0o600)
    os.rename(temporary, path)


def load_reason(wanted: str, path: str) -> str:
    """Return why the table has to be loaded, empty when it is as wanted.

    nft prints rules in its own way, so what it printed after our loading is remembered and compared.
    """
    if read(path) != wanted:
        return "the rules differ"
    code, live, _ = nft("--stateless", "list", "table", "inet", TABLE)
    if code != 0:
        return "the table is not loaded"
    remembered = read(LOADED)
    if remembered and remembered != digest(wanted, live):
        return "the loaded table was changed by somebody else"
    return "" if remembered else "it is not known whether the loaded table is ours"


def validate(text: str) -> None:
    """Let nft read the rules without loading them. Raises FirewallError with its own words."""
    with tempfile.NamedTemporaryFile("w", prefix=".wardstack-", suffix=".nft") as stream:
        stream.write(text)
        stream.flush()
        code, _, errors = nft("--check", "--file", stream.name)
    if code not in (0, 127):
        raise FirewallError(f"nft refuses the rules: {errors}")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/etc/wardstack/firewall.nft"},
            "default": {"type": "str", "choices": ["drop", "accept"], "default": "drop"},
            "rules": {"type": "list", "elements": "dict", "required": True, "options": RULE},
            "bridges": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    path: str = module.params["path"]
    try:
        check(module.params["rules"], module.params["bridges"])
        if module.params["default"] == "drop":
            refuse_lock_out(module.params["rules"], ssh_client())
        wanted = render(module.params["rules"], module.params["default"], module.params["bridges"])
        before = read(path)
        reason = load_reason(wanted, path)
        if reason:
            validate(wanted)
        if reason and not module.check_mode:
            write(path, wanted)
            code, _, errors = nft("--file", path)
            if code != 0:
                raise FirewallError(f"nft cannot load {path}: {errors}")
            write(LOADED, digest(wanted, nft("--stateless", "list", "table", "inet", TABLE)[1]))
    except (FirewallError, OSError) as error:
        module.fail_json(msg=str(error))
    result: dict[str, Any] = {"changed": bool(reason), "reason": reason}
    if reason:
        result["diff"] = {
            "before_header": path,
            "after_header": f"{path} ({reason})",
            "before": before,
            "after": wanted,
        }
    module.exit_json(**result)


if __name__ == "__main__":
    main()
